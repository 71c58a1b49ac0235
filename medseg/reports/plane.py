"""Which slice of a volume a picture shows, and which way up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Grid

_THICK_SLICES = 1.5
"""A volume whose coarsest spacing is this many times the next was acquired in slices; it is shown as acquired."""

_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}

_PLANES = {
    "S": ("axial", "L", "P"),
    "A": ("coronal", "L", "I"),
    "R": ("sagittal", "P", "I"),
}
"""Axis through the plane -> its name, and the letters at the right and the bottom of the picture: radiological
convention, as if seen from the patient's feet or facing the patient."""


@dataclass(frozen=True)
class DisplayPlane:
    """How to cut a picture out of an array.

    Attributes:
        through: array axis through the plane; None for an image of two axes.
        number: slice along that axis.
        transpose: whether the two remaining axes are exchanged, to make the first one run downwards.
        flip_rows: whether the picture is then turned upside down.
        flip_columns: whether it is mirrored.
        pixel_aspect: height of a pixel over its width.
        letters: anatomical letters at the left, right, top and bottom; None for images that are of no patient.
        caption: which slice it is, for people; empty for an image of two axes.
    """

    through: int | None = None
    number: int = 0
    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    pixel_aspect: float = 1.0
    letters: tuple[str, str, str, str] | None = None
    caption: str = ""

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """The plane of a (*spatial) array, (rows, columns)."""
        plane = array if self.through is None else np.moveaxis(array, self.through, 0)[self.number]
        plane = plane.T if self.transpose else plane
        plane = plane[::-1] if self.flip_rows else plane
        return plane[:, ::-1] if self.flip_columns else plane


def choose_plane(
    grid: Grid, *, axes: str, reference: NDArray[Any] | None = None, prediction: NDArray[Any] | None = None
) -> DisplayPlane:
    """The plane that tells most: most wrong voxels, else most foreground, else the middle.

    A volume with axes in the order X, Y, Z is a patient's and is shown in radiological convention: through the axis
    of its thick slices, or else head to foot. A stack (Z, Y, X) is shown slice by slice as in its file.

    Args:
        grid: places of the voxels.
        axes: one letter a spatial axis.
        reference: (*spatial) label values.
        prediction: (*spatial) label values.
    """
    if grid.ndim == 2:
        return DisplayPlane(transpose=axes == "XY", pixel_aspect=_aspect(grid, rows=int(axes == "XY")))
    is_patient = axes == "XYZ"
    through = _slice_axis(grid) if is_patient else 0
    number, why = _most_telling(grid.spatial_shape, through, reference, prediction)
    plane = _radiological(grid, through) if is_patient else _as_stored(grid, axes, through)
    name = _PLANES[_family(grid.affine.orientation[through])][0] + " " if is_patient else ""
    caption = f"{name}slice {number} of 0-{grid.spatial_shape[through] - 1}, {why}"
    return DisplayPlane(
        through=through,
        number=number,
        transpose=plane.transpose,
        flip_rows=plane.flip_rows,
        flip_columns=plane.flip_columns,
        pixel_aspect=plane.pixel_aspect,
        letters=plane.letters,
        caption=caption,
    )


def _slice_axis(grid: Grid) -> int:
    """Axis of the thick slices; the one that runs between feet and head where the voxels are about cubes."""
    ordered = sorted(grid.spacing_mm)
    if ordered[2] > _THICK_SLICES * ordered[1]:
        return int(np.argmax(grid.spacing_mm))
    return next(axis for axis, letter in enumerate(grid.affine.orientation) if letter in "SI")


def _family(letter: str) -> str:
    return letter if letter in _PLANES else _OPPOSITE[letter]


def _radiological(grid: Grid, through: int) -> DisplayPlane:
    letters = grid.affine.orientation
    _, to_right, to_bottom = _PLANES[_family(letters[through])]
    first, second = (axis for axis in range(3) if axis != through)
    rows, columns = (first, second) if letters[first] in (to_bottom, _OPPOSITE[to_bottom]) else (second, first)
    return DisplayPlane(
        transpose=rows > columns,
        flip_rows=letters[rows] != to_bottom,
        flip_columns=letters[columns] != to_right,
        pixel_aspect=grid.spacing_mm[rows] / grid.spacing_mm[columns],
        letters=(_OPPOSITE[to_right], to_right, _OPPOSITE[to_bottom], to_bottom),
    )


def _as_stored(grid: Grid, axes: str, through: int) -> DisplayPlane:
    first, second = (axis for axis in range(3) if axis != through)
    swap = axes[first] == "X"
    rows, columns = (second, first) if swap else (first, second)
    return DisplayPlane(transpose=swap, pixel_aspect=grid.spacing_mm[rows] / grid.spacing_mm[columns])


def _aspect(grid: Grid, *, rows: int) -> float:
    return grid.spacing_mm[rows] / grid.spacing_mm[1 - rows]


def _most_telling(
    shape: tuple[int, ...], through: int, reference: NDArray[Any] | None, prediction: NDArray[Any] | None
) -> tuple[int, str]:
    """The slice to show and why."""
    others = tuple(axis for axis in range(3) if axis != through)
    for voxels, why in _criteria(reference, prediction):
        counts = voxels.sum(axis=others, dtype=np.int64)
        if counts.any():
            return int(np.argmax(counts)), why
    return shape[through] // 2, "the middle one"


def _criteria(
    reference: NDArray[Any] | None, prediction: NDArray[Any] | None
) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """What makes a slice worth showing, the best reason first."""
    if reference is not None and prediction is not None:
        yield reference != prediction, "the one with most wrong voxels"
    for one in (reference, prediction):
        if one is not None:
            yield one > 0, "the one with most foreground"
