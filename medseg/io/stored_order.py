"""The order in which a format keeps its axes: to and from medseg's channels-first arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.geometry import Affine, WorldFrame

_WORLD_ROW = {"X": 0, "Y": 1, "Z": 2}
_AXIS_ALIGNED_TOLERANCE = 1e-5
"""Largest sideways share of a unit axis that still counts as aligned; 0.005 mm over 500 mm."""


def affine_of_axes(axes: str, *, spacing_mm: Mapping[str, float], origin_mm: Mapping[str, float]) -> Affine:
    """Affine of an array whose axis named X runs along world x, Y along y, Z along z.

    Args:
        axes: the array's spatial axes, "ZYX" for example.
        spacing_mm: axis letter -> voxel size in mm; 1 where absent.
        origin_mm: axis letter -> position of the first voxel in mm; 0 where absent.
    """
    ndim = len(axes)
    matrix = np.zeros((ndim + 1, ndim + 1))
    matrix[ndim, ndim] = 1.0
    for column, letter in enumerate(axes):
        matrix[_WORLD_ROW[letter], column] = spacing_mm.get(letter, 1.0)
        matrix[_WORLD_ROW[letter], ndim] = origin_mm.get(letter, 0.0)
    return Affine(matrix, frame=WorldFrame.RAS)


def channels_first(array: NDArray, axes: str) -> tuple[NDArray, str]:
    """The array with its channel axis first (a new one of length 1 where `axes` has no C), and its new axes."""
    if "C" not in axes:
        return array[np.newaxis], f"C{axes}"
    where = axes.index("C")
    return np.moveaxis(array, where, 0), "C" + axes.replace("C", "")


def native(array: NDArray) -> NDArray:
    """The array in the machine's byte order; booleans as 0 and 1."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def in_order_of(axes: str, array: NDArray, *, affine: Affine, stored_axes: str) -> tuple[NDArray, Affine]:
    """`array` with spatial `axes` transposed to `stored_axes`, with its affine; leading axes stay where they are."""
    order = [axes.index(letter) for letter in stored_axes]
    leading = array.ndim - len(axes)
    moved = np.transpose(array, [*range(leading), *(leading + axis for axis in order)])
    index_map = np.zeros((len(axes) + 1, len(axes) + 1))
    index_map[-1, -1] = 1.0
    for new, old in enumerate(order):
        index_map[old, new] = 1.0
    return moved, affine.after_index_map(index_map)


def along_world_axes(
    array: NDArray, *, affine: Affine, name: object, keeps_directions: bool = False
) -> tuple[NDArray, Affine]:
    """The same voxels ordered so that the spatial axes run along +z, +y, +x (or +y, +x), with their affine.

    Args:
        array: leading axes, then those of `affine`.
        affine: of the spatial axes.
        name: the file, for messages.
        keeps_directions: whether an axis that runs backwards stays so: for files that can say it, and for those that
            say nothing of places, where the order of the pixels is all that other programs go by.

    Raises:
        GeometryError: the grid is oblique, so that no order of its axes does.
    """
    ndim = affine.ndim
    rows = np.argmax(np.abs(affine.direction), axis=0)
    sideways = np.abs(affine.direction)
    sideways[rows, range(ndim)] = 0.0
    if len(set(rows.tolist())) != ndim or sideways.max() > _AXIS_ALIGNED_TOLERANCE:
        message = f"{name}: this format holds grids along x, y, z only, and this one is oblique. Write .nii.gz instead."
        raise GeometryError(message)
    leading = array.ndim - ndim
    order = [int(np.nonzero(rows == row)[0][0]) for row in reversed(range(ndim))]
    index_map = np.zeros((ndim + 1, ndim + 1))
    index_map[-1, -1] = 1.0
    flips = []
    for new, old in enumerate(order):
        backwards = not keeps_directions and affine.linear[rows[old], old] < 0
        index_map[old, new] = -1.0 if backwards else 1.0
        index_map[old, -1] = array.shape[leading + old] - 1 if backwards else 0.0
        flips.append(slice(None, None, -1) if backwards else slice(None))
    moved = np.transpose(array, [*range(leading), *(leading + axis for axis in order)])
    flipped = moved[tuple([slice(None)] * leading + flips)]
    return flipped, affine.after_index_map(index_map)
