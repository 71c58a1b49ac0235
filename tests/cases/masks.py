"""Tiny named situations of a reference and a prediction, each with the scores that a person derives by hand.

Class 0 is background, class 1 the object. Counts are written out in the comments; nan is an undefined score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NAN = math.nan


@dataclass(frozen=True, eq=False)
class MaskCase:
    """A situation and what class 1 and the whole must score in it."""

    name: str
    reference: np.ndarray
    prediction: np.ndarray
    accuracy: float
    mean_iou: float
    dice: float
    iou: float
    precision: float
    recall: float


def _mask(*rows: str) -> np.ndarray:
    return np.array([[int(letter == "#") for letter in row] for row in rows], dtype=np.uint8)


def _ship() -> np.ndarray:
    """100 pixels of which 5 are ship: the lectures' example of why accuracy misleads."""
    picture = np.zeros((10, 10), dtype=np.uint8)
    picture[4, 2:7] = 1
    return picture


_SQUARE = _mask("....", ".##.", ".##.", "....")
_EMPTY = np.zeros((4, 4), dtype=np.uint8)
_SHIFTED = _mask("....", "..##", "..##", "....")

MASK_CASES = (
    MaskCase("ship_not_found", _ship(), np.zeros((10, 10), np.uint8), 0.95, (0.95 + 0) / 2, 0.0, 0.0, NAN, 0.0),
    MaskCase("perfect", _SQUARE, _SQUARE, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    MaskCase("both_empty", _EMPTY, _EMPTY, 1.0, 1.0, NAN, NAN, NAN, NAN),
    # 12 of 16 right; background 12 / 16, object 0 / 4.
    MaskCase("missed", _SQUARE, _EMPTY, 12 / 16, (12 / 16 + 0) / 2, 0.0, 0.0, NAN, 0.0),
    MaskCase("spurious", _EMPTY, _SQUARE, 12 / 16, (12 / 16 + 0) / 2, 0.0, 0.0, 0.0, NAN),
    # Two pixels in common, two missed, two extra: background 10 of 14, object 2 of 6.
    MaskCase("shifted_by_one", _SQUARE, _SHIFTED, 12 / 16, (10 / 14 + 2 / 6) / 2, 4 / 8, 2 / 6, 2 / 4, 2 / 4),
    MaskCase(
        "full_against_half",
        np.ones((2, 4), np.uint8),
        _mask("##..", "##.."),
        4 / 8,
        (0 / 4 + 4 / 8) / 2,
        8 / 12,
        4 / 8,
        1.0,
        4 / 8,
    ),
)


@dataclass(frozen=True, eq=False)
class BoundaryCase:
    """A situation of cells (True) and membranes, with V_rand and V_info by hand."""

    name: str
    reference_cells: np.ndarray
    prediction_cells: np.ndarray
    v_rand: float
    v_info: float


def _cells(*rows: str) -> np.ndarray:
    return np.array([[letter == "." for letter in row] for row in rows])


_TWO = _cells("..#..", "..#..", "..#..", "..#..")
_ONE = _cells(".....", ".....", ".....", ".....")
_STUB = _cells("..#..", "..#..", ".....", ".....")
_WALL = _cells(*[".....#....."] * 3)
_WALL_TO_THE_RIGHT = _cells(*["......#...."] * 3)

BOUNDARY_CASES = (
    BoundaryCase("identical", _TWO, _TWO, 1.0, 1.0),
    # Two true cells of 8 pixels joined: sum p^2 = 64 + 64, sum s^2 = 16^2, sum t^2 = 64 + 64; nothing is known.
    BoundaryCase("merged", _TWO, _ONE, 128 / (0.5 * (256 + 128)), 0.0),
    # One true cell of 20 pixels split into 8, 8 and 4 single line pixels.
    BoundaryCase("split", _ONE, _TWO, 132 / (0.5 * (132 + 400)), 0.0),
    # A wall that ends in the middle of a cell parts nothing and vanishes by thinning.
    BoundaryCase("stub", _TWO, _TWO & _STUB, 1.0, 1.0),
    # True cells 15 and 15. Predicted: 15 in the left one, 12 in the right one, and 3 single line pixels in it.
    BoundaryCase(
        "wall_one_pixel_aside",
        _WALL,
        _WALL_TO_THE_RIGHT,
        (15**2 + 12**2 + 3) / (0.5 * ((15**2 + 12**2 + 3) + 2 * 15**2)),
        # The prediction splits the truth, so I = H(T) = ln 2; H(S) from the shares 15/30, 12/30 and three of 1/30.
        math.log(2) / (0.5 * (math.log(2) - (0.5 * math.log(0.5) + 0.4 * math.log(0.4) + 3 / 30 * math.log(1 / 30)))),
    ),
)
