"""One run of a model over an image, or over a region of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.images import Image, LabelMap, LabelTable
from medseg.images.spatial import crop
from medseg.io.time_series import as_frames
from medseg_napari.layers import Origin
from medseg_napari.review.records import MadeBy
from medseg_napari.segmenting.found import found_in

Box = tuple[slice, ...]


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes:
        folder: package of the model.
        origin: of the image's layer.
        box: part of the layer to run on, in its index; None is the whole.
        device: as in `medseg.inference.choose_device`.
        with_probabilities: whether the probabilities of the classes are wanted.
    """

    folder: Path
    origin: Origin
    box: Box | None = None
    device: str = "auto"
    with_probabilities: bool = False


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a model found, on the grid and in the order of the layer.

    Attributes:
        numbers: number of the object at each voxel.
        class_of: number -> name of its class.
        confidence: number -> how sure the model is, 0 to 1, where it says.
        label_map: the model's own answer on the image's grid, byte for byte what the command line writes; None for a
            region.
        probabilities: (classes, *layer) where asked for.
        table: the model's classes.
        made_by: the model.
        notes: what to know about the result.
    """

    numbers: NDArray[np.integer]
    class_of: dict[int, str]
    confidence: dict[int, float]
    label_map: LabelMap | None
    probabilities: NDArray[np.floating] | None
    table: LabelTable
    made_by: MadeBy
    notes: tuple[str, ...]


def run(request: RunRequest, progress: Callable[[float], None], cancelled: Callable[[], bool]) -> RunResult:
    """Run the model. Loads torch and takes its time; call it in the models' process.

    Raises:
        MedsegError: the model cannot be read, or the image is not for it.
        Cancelled: `cancelled` said so; it is asked before each tile.
    """
    from medseg.inference import load_model

    predictor = load_model(request.folder, device=request.device)
    image, box = request.origin.image, None
    if request.box is not None:
        image, box = region_of(request.origin, request.box)
    found = found_in(
        predictor, image, with_probabilities=request.with_probabilities, progress=progress, cancelled=cancelled
    )
    origin, shape = request.origin, request.origin.image.spatial_shape
    probabilities = found.probabilities
    return RunResult(
        numbers=origin.to_layer(_put_back(_narrowed(found.numbers), box, shape)),
        class_of=found.class_of,
        confidence=found.confidence,
        label_map=found.label_map if box is None else None,
        probabilities=None if probabilities is None else origin.to_layer(_put_back(probabilities, box, shape)),
        table=found.label_map.labels,
        made_by=MadeBy(predictor.manifest.name, predictor.manifest.weights_sha256),
        notes=found.label_map.metadata.notes,
    )


def region_of(origin: Origin, box: Box) -> tuple[Image, Box]:
    """The part of the image in a box of its layer, and that box in the image's index."""
    image, view = origin.image, origin.reordering
    in_image: list[slice] = [slice(None)] * len(box)
    for side, old, is_flipped in zip(box, view.permutation, view.flips, strict=True):
        size = image.spatial_shape[old]
        in_image[old] = slice(size - side.stop, size - side.start) if is_flipped else side
    part = crop(image, [side.start for side in in_image], [side.stop for side in in_image])
    if origin.times is not None:
        times = replace(origin.times, numbers=origin.times.numbers[in_image[0]])
        part = as_frames(part, times, pixel_mm=image.spacing_mm[1:] if image.metadata.spacing_is_known else None)
    return part, tuple(in_image)


def _narrowed(numbers: NDArray[np.integer]) -> NDArray[np.integer]:
    """As uint16 where that leaves room for as many objects again that a person draws."""
    return numbers.astype(np.uint16) if int(numbers.max(initial=0)) < 1 << 15 else numbers


def _put_back(part: NDArray[Any], box: Box | None, shape: tuple[int, ...]) -> NDArray[Any]:
    if box is None:
        return part
    whole = np.zeros((*part.shape[: part.ndim - len(shape)], *shape), dtype=part.dtype)
    place: tuple[Any, ...] = (..., *box)
    whole[place] = part
    return whole
