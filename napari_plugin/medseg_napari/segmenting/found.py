"""What a model finds in an image, or frame by frame in a time series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medseg.images import Image, LabelKind, LabelMap, number_objects
from medseg.io.time_series import frame_of, frame_times

if TYPE_CHECKING:
    from medseg.inference import Prediction, Predictor


@dataclass(frozen=True, eq=False)
class Found:
    """The answer of a model on the grid of its image.

    Attributes:
        label_map: as the model gave it; of a time series the numbers of the objects, which no two frames share.
        numbers: number of the object at each voxel.
        class_of: number -> name of its class.
        confidence: number -> how sure the model is, 0 to 1, where it says.
        probabilities: (classes, *spatial) where asked for.
    """

    label_map: LabelMap
    numbers: NDArray[np.integer]
    class_of: dict[int, str]
    confidence: dict[int, float]
    probabilities: NDArray[np.floating] | None


def found_in(
    predictor: Predictor,
    image: Image,
    *,
    with_probabilities: bool,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> Found:
    """What a model finds; each frame of a time series is a picture of its own.

    Raises:
        MedsegError: the image is not for the model.
        Cancelled: `cancelled` said so; nothing is kept.
    """

    def predict(one: Image, told: Callable[[float], None]) -> Found:
        return _found(predictor.predict(one, with_probabilities=with_probabilities, progress=told, cancelled=cancelled))

    times = frame_times(image.metadata)
    if times is None:
        return predict(image, progress)
    count = len(times.numbers)
    frames = [predict(frame_of(image, index), _share(progress, index, count)) for index in range(count)]
    return _joined(frames, image)


def _share(progress: Callable[[float], None], index: int, count: int) -> Callable[[float], None]:
    """The progress of one frame as that of all."""
    return lambda part: progress((index + part) / count)


def _found(prediction: Prediction) -> Found:
    numbered = number_objects(prediction.label_map)
    rows = prediction.objects
    sure = {row.object_id: row.score if row.mean_probability is None else row.mean_probability for row in rows}
    return Found(
        prediction.label_map,
        numbered.array,
        {**numbered.names, **{row.object_id: row.label for row in rows}},
        {number: value for number, value in sure.items() if value is not None},
        None if prediction.probabilities is None else prediction.probabilities.array,
    )


def _joined(frames: Sequence[Found], image: Image) -> Found:
    """The frames as a stack, their objects numbered on from frame to frame."""
    numbers = np.zeros(image.spatial_shape, dtype=np.uint32)
    class_of: dict[int, str] = {}
    confidence: dict[int, float] = {}
    last = 0
    for index, frame in enumerate(frames):
        np.add(frame.numbers, last, out=numbers[index], where=frame.numbers > 0, casting="unsafe")
        class_of |= {last + number: name for number, name in frame.class_of.items()}
        confidence |= {last + number: value for number, value in frame.confidence.items()}
        last += max(frame.class_of, default=0)
    first = frames[0].label_map
    notes = dict.fromkeys(note for frame in frames for note in frame.label_map.metadata.notes)
    extra = {**first.metadata.extra, **image.metadata.extra}
    metadata = replace(first.metadata, notes=tuple(notes), extra=extra)
    maps = [frame.probabilities for frame in frames if frame.probabilities is not None]
    return Found(
        LabelMap(numbers, image.affine, image.axes[1:], first.labels, LabelKind.INSTANCES, metadata),
        numbers,
        class_of,
        confidence,
        np.stack(maps, axis=1) if maps else None,
    )
