"""What the training objects are like, and the settings of a detection network that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.training.data_module import PreparedCase

FEWEST_DETECTIONS = 100
"""COCO's cap; a smaller one would save no time."""

FEWEST_PROPOSALS = 300

_MARGIN = 1.5
"""New images may hold more objects than any of the training."""

_FINEST_STRIDE = 4
_CELLS_AN_OBJECT = 8
"""Cells of a level along the side of the largest object that the level is for, as in the paper (32 at stride 4)."""

_MOST_LEVELS = 4
_STEP = 2 ** (2 / 3)
"""Largest ratio of an anchor's side to the next smaller one's on its level."""

_ROUND = 0.85
"""Shorter over longer side from which on the typical elongated object is as good as square."""


@dataclass(frozen=True)
class ObjectStatistics:
    """The training objects, measured on the network's grid.

    Attributes:
        objects: how many there are.
        most_in_an_image: the greatest number in one image.
        small_side: side of the square as large as the box, in voxels, that 5 % of the objects stay below.
        large_side: that 5 % exceed.
        elongation: longer over shorter side of the box that 10 % of the objects exceed.
    """

    objects: int
    most_in_an_image: int
    small_side: float
    large_side: float
    elongation: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure_training_objects(cases: Sequence[PreparedCase]) -> ObjectStatistics:
    """Statistics of the objects of cases that were prepared with object codes; of none, those of a 32-pixel square."""
    sides = [_box_sides(np.asarray(case["label"])[0]) for case in cases]
    together = np.concatenate([np.zeros((0, 2)), *sides])
    if not len(together):
        together = np.array([[32.0, 32.0]])
    side = np.sqrt(together.prod(axis=1))
    elongation = together.max(axis=1) / together.min(axis=1)
    return ObjectStatistics(
        objects=sum(len(one) for one in sides),
        most_in_an_image=max((len(one) for one in sides), default=0),
        small_side=float(np.percentile(side, 5)),
        large_side=float(np.percentile(side, 95)),
        elongation=float(np.percentile(elongation, 90)),
    )


def detection_options(found: ObjectStatistics) -> Mapping[str, Any]:
    """Values for the options of `mask_rcnn` that the paper fixes for COCO's photographs.

    The cap on objects is half as many again as the fullest training image holds, so that no image like those of the
    training loses an object; proposals are twice as many as that.
    """
    detections = max(FEWEST_DETECTIONS, math.ceil(_MARGIN * found.most_in_an_image / 10) * 10)
    return {
        "anchor_sizes": anchor_sizes(smallest=found.small_side, largest=found.large_side),
        "aspect_ratios": aspect_ratios(found.elongation),
        "detections_per_image": detections,
        "proposals_per_image": max(FEWEST_PROPOSALS, 2 * detections),
    }


def anchor_sizes(*, smallest: float, largest: float) -> tuple[tuple[float, ...], ...]:
    """Anchor sides of each pyramid level, finest first, from `smallest` to `largest` in even ratios.

    A level of stride s is for objects of up to 8 s; the finest also for all smaller ones, the last one for all larger.
    All levels have equally many sizes, as one convolution serves them all.
    """
    count = 1
    while count < _MOST_LEVELS and largest > _FINEST_STRIDE * _CELLS_AN_OBJECT * 2 ** (count - 1):
        count += 1
    ends = [float(_FINEST_STRIDE * _CELLS_AN_OBJECT * 2**level) for level in range(count)]
    starts = [min(smallest, ends[0]), *ends[:-1]]
    ends[-1] = max(largest, starts[-1])
    widest = max(end / start for start, end in zip(starts, ends, strict=True))
    sizes = max(2, math.ceil(math.log(widest) / math.log(_STEP) - 1e-9) + 1)
    return tuple(
        tuple(round(float(side), 1) for side in np.geomspace(start, end, sizes))
        for start, end in zip(starts, ends, strict=True)
    )


def aspect_ratios(elongation: float) -> tuple[float, ...]:
    """Height over width of the anchors: square ones, and lying and standing ones where objects are elongated."""
    if 1 / elongation >= _ROUND:
        return (1.0,)
    ratio = round(min(elongation, 4.0), 2)
    return (round(1 / ratio, 2), 1.0, ratio)


def _box_sides(codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """(objects, 2) sides of the boxes, in voxels."""
    _, places = np.unique(codes, return_inverse=True)
    numbers = places.reshape(codes.shape) + (0 if (codes == 0).any() else 1)
    boxes = ndimage.find_objects(numbers)
    return np.array([[side.stop - side.start for side in box] for box in boxes if box], dtype=np.float64).reshape(-1, 2)
