"""Objects per frame of a labels layer whose first axis is time, or that is looked at frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.io.time_series import FrameTimes, as_frames
from medseg_napari.layers.back import origin_of
from medseg_napari.layers.placement import LayerData, image_layer
from medseg_napari.layers.results import RESULT
from medseg_napari.review.boxes import Box


def is_sequence(layer: Any) -> bool:
    """Whether the first axis of a labels layer can be time: three axes, and no volume of a patient."""
    return layer.ndim == 3 and isinstance(layer.data, np.ndarray) and not origin_of(layer).is_patient_volume


def is_stack_of_slices(layer: Any) -> bool:
    """Whether an image layer is a stack whose slices may be frames in time, as of a TIFF that does not name its pages.

    Raises:
        MedsegError: the layer is turned, or has other axes than an image.
    """
    if layer.ndim != 3 or layer.rgb or layer.multiscale or RESULT in layer.metadata:
        return False
    origin = origin_of(layer)
    return origin.image.axes == "CZYX" and origin.times is None


def as_time_series(layer: Any) -> list[LayerData]:
    """Layer data of a stack whose slices are frames in time, one layer a channel; nothing is copied.

    Raises:
        MedsegError: see `is_stack_of_slices`.
    """
    image = origin_of(layer).image
    times = FrameTimes(tuple(range(image.array.shape[1])))
    frames = as_frames(image, times, pixel_mm=image.spacing_mm[1:] if image.metadata.spacing_is_known else None)
    return image_layer(frames, name=f"{layer.name} · {len(times.numbers)} frames")


def objects_per_frame(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """(frames,) number of objects in each frame of (frames, y, x) labels; an object counts in each frame it is in."""
    return np.array([_count(frame) for frame in labels], dtype=np.int64)


def count_again(counts: NDArray[np.int64], labels: NDArray[np.integer], box: Box) -> None:
    """Bring the counts up to date after the labels changed inside a box."""
    for frame in range(box[0].start, box[0].stop):
        counts[frame] = _count(labels[frame])


def _count(frame: NDArray[np.integer]) -> int:
    ids = np.unique(frame)
    return int(ids.size - np.count_nonzero(ids == 0))
