"""Bounding boxes: arithmetic on tuples of slices, and the box of every object of a label array, kept up to date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import LabelError
from medseg.postprocessing import bounding_box

Box = tuple[slice, ...]

_MOST_NUMBERS = 1 << 22
"""Up to this id a list of boxes by id costs less than looking for the ids that occur."""

_VOXELS_AT_ONCE = 1 << 21
"""Looked through in about a hundredth of a second."""


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of `boxes`, of which there is at least one."""
    sides = zip(*boxes, strict=True)
    return tuple(slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)


def widened(box: Box, margin: tuple[int, ...], *, shape: tuple[int, ...]) -> Box:
    """The box with `margin` voxels more on both sides of each axis, cut off at the array's faces."""
    return tuple(
        slice(max(side.start - more, 0), min(side.stop + more, length))
        for side, more, length in zip(box, margin, shape, strict=True)
    )


def moved(box: Box, start: tuple[int, ...]) -> Box:
    """A box within a part of an array, as a box of the array; the part begins at `start`."""
    return tuple(slice(side.start + first, side.stop + first) for side, first in zip(box, start, strict=True))


def starts(box: Box) -> tuple[int, ...]:
    """Index of the box's first voxel."""
    return tuple(side.start for side in box)


class ObjectBoxes:
    """The bounding box of each object of a label array.

    The array is looked at once, here; after that only where an edit changed it.

    Args:
        labels: object ids, 0 is background.

    Raises:
        LabelError: the ids are not whole numbers of 0 or more.
    """

    def __init__(self, labels: NDArray[np.integer]) -> None:
        if labels.dtype.kind not in "iu":
            message = f"objects: expected whole numbers as object ids, got {labels.dtype}. Number the objects first."
            raise LabelError(message)
        if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
            message = f"objects: expected ids of 0 (background) or more, got {labels.min()}. Renumber the objects."
            raise LabelError(message)
        self._labels = labels
        self._boxes = _found(labels)

    def __getitem__(self, object_id: int) -> Box:
        if object_id not in self._boxes:
            message = f"objects: expected the id of an object that is there, got {object_id}. Select one in the table."
            raise LabelError(message)
        return self._boxes[object_id]

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._boxes

    def __iter__(self) -> Iterator[int]:
        return iter(self._boxes)

    def __len__(self) -> int:
        return len(self._boxes)

    def get(self, object_id: int) -> Box | None:
        """The object's box; None where there is no such object."""
        return self._boxes.get(object_id)

    def restore(self, boxes: Mapping[int, Box | None]) -> None:
        """Put boxes back that were right when the array was as it is now; nothing is looked at."""
        for object_id, box in boxes.items():
            if box is None:
                self._boxes.pop(object_id, None)
            else:
                self._boxes[object_id] = box

    def refresh(self, *, gained: dict[int, Box], lost: Iterable[int]) -> None:
        """Follow a change: `gained` are the boxes of the voxels an object got, `lost` the objects that lost some."""
        for object_id, box in gained.items():
            self._boxes[object_id] = union([self._boxes[object_id], box]) if object_id in self._boxes else box
        for object_id in lost:
            around = self._boxes.get(object_id)
            if around is None:
                continue
            inside = bounding_box(self._labels[around] == object_id)
            if inside[0].start == inside[0].stop:
                del self._boxes[object_id]
            else:
                self._boxes[object_id] = moved(inside, starts(around))


def _found(labels: NDArray[np.integer]) -> dict[int, Box]:
    highest = int(labels.max()) if labels.size else 0
    if highest < _MOST_NUMBERS:
        return _found_in_parts(labels, highest)
    ids, places = np.unique(labels, return_inverse=True)
    boxes = ndimage.find_objects(places.reshape(labels.shape) + 1)
    return {int(number): box for number, box in zip(ids, boxes, strict=True) if number != 0}


def _found_in_parts(labels: NDArray[np.integer], highest: int) -> dict[int, Box]:
    """Box of each object, a few slices at a time: scipy lets no other thread of Python run while it looks."""
    at_once = max(1, _VOXELS_AT_ONCE * len(labels) // max(1, labels.size))
    found: dict[int, Box] = {}
    for start in range(0, len(labels), at_once):
        boxes = ndimage.find_objects(labels[start : start + at_once], max_label=highest)
        for number, box in enumerate(boxes, start=1):
            if box is not None:
                here = moved(box, (start,) + (0,) * (labels.ndim - 1))
                found[number] = union([found[number], here]) if number in found else here
    return dict(sorted(found.items()))
