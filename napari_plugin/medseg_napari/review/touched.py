"""Which objects some changes touch, and where they gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.postprocessing import bounding_box
from medseg_napari.review.boxes import Box, moved, starts, union
from medseg_napari.review.change import Change


@dataclass(frozen=True)
class Touched:
    """The background is no object.

    Attributes:
        gained: object id -> box of the voxels that it got.
        lost: objects that lost voxels.
        voxels: object id -> number of voxels that it gained or lost.
    """

    gained: dict[int, Box]
    lost: frozenset[int]
    voxels: dict[int, int]


def touched_by(changes: Sequence[Change]) -> Touched:
    """The objects that the changes touch."""
    gained: dict[int, Box] = {}
    lost: set[int] = set()
    voxels: dict[int, int] = {}
    for change in changes:
        for number, count in _counts(change.before):
            lost.add(number)
            voxels[number] = voxels.get(number, 0) + count
        numbers = _counts(change.after)
        is_only = len(numbers) == 1 and numbers[0][1] == change.voxels
        for number, count in numbers:
            voxels[number] = voxels.get(number, 0) + count
            box = change.box if is_only else _box_of_value(change, number)
            gained[number] = union([gained[number], box]) if number in gained else box
    return Touched(gained, frozenset(lost), voxels)


def _counts(values: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Ids among the values, ascending, and how often each occurs."""
    if values.size and (values == values[0]).all():
        found = [(int(values[0]), values.size)]
    else:
        numbers, counts = np.unique(values, return_counts=True)
        found = list(zip(numbers.tolist(), counts.tolist(), strict=True))
    return [(number, count) for number, count in found if number != 0]


def _box_of_value(change: Change, number: int) -> Box:
    """Box of the voxels that get this id."""
    where = np.zeros(change.changed.shape, dtype=bool)
    where[change.changed] = change.after == number
    return moved(bounding_box(where), starts(change.box))
