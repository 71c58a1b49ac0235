"""Tiny named situations of objects in a row of voxels, with what a person derives by hand.

A digit is an object's number, a dot background. Distances are in steps of the row, whose length in mm is the spacing
along it: each voxel of a row one voxel wide is surface. Counts are of objects matched at an IoU above 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObjectCase:
    """A situation and what it must score.

    Attributes:
        name: the situation.
        reference: the row of the reference.
        prediction: the row of the prediction.
        counts: true positives, false positives, false negatives.
        iou_sum: of the matched objects.
        dice: of the voxels of all objects together.
        hausdorff_steps: largest distance between the surfaces of all objects together.
        assd_steps: mean of the distances of all surface voxels of both.
    """

    name: str
    reference: str
    prediction: str
    counts: tuple[int, int, int]
    iou_sum: float
    dice: float
    hausdorff_steps: float
    assd_steps: float


OBJECT_CASES = (
    ObjectCase("one step apart", "..1..", "...1.", (0, 1, 1), 0.0, 0.0, 1, (1 + 1) / 2),
    ObjectCase("touching and found", ".111222.", ".111222.", (2, 0, 0), 2.0, 1.0, 0, 0.0),
    # 3 of 5 voxels in common; the first of the reference and the last of the prediction are one step away.
    ObjectCase("shifted by 1", ".1111..", "..1111.", (1, 0, 0), 3 / 5, 6 / 8, 1, (1 + 1) / 8),
    # 2 of 6: no match. Distances 2, 1, 0, 0 and 0, 0, 1, 2.
    ObjectCase("shifted by 2", ".1111...", "...1111.", (0, 1, 1), 0.0, 4 / 8, 2, (3 + 3) / 8),
    ObjectCase("split", ".111111.", ".111122.", (1, 1, 0), 4 / 6, 1.0, 0, 0.0),
    ObjectCase("split in halves", ".111111.", ".111222.", (0, 2, 1), 0.0, 1.0, 0, 0.0),
    ObjectCase("merged", ".111122.", ".111111.", (1, 0, 1), 4 / 6, 1.0, 0, 0.0),
    # The second object's voxels are 4 and 5 steps from the first's last.
    ObjectCase("missed", ".11...22.", ".11......", (1, 0, 1), 1.0, 4 / 6, 5, (4 + 5) / 6),
    ObjectCase("spurious", ".11......", ".11...22.", (1, 1, 0), 1.0, 4 / 6, 5, (4 + 5) / 6),
)


def in_a_volume(row: str, *, axis: int) -> np.ndarray:
    """The row's numbers along `axis` in the middle of a volume of 5 voxels along the other two axes."""
    numbers = np.array([0 if letter == "." else int(letter) for letter in row], dtype=np.uint8)
    volume = np.zeros((5, 5, numbers.size), dtype=np.uint8)
    volume[2, 2] = numbers
    return np.moveaxis(volume, 2, axis)
