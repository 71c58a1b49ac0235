"""Bringing array axes into an anatomical order without touching a single value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.geometry.affine import Affine
from medseg.geometry.grid import Grid

_WORLD_AXIS = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""The world axis (x, y, z) that each anatomical letter lies on."""


@dataclass(frozen=True)
class AxisReordering:
    """A new order of array axes, some of them reversed.

    Attributes:
        permutation: new axis i is the old axis `permutation[i]`.
        flips: whether new axis i runs against that old axis.

    Raises:
        GeometryError: `permutation` does not name each axis once, or `flips` has another length.
    """

    permutation: tuple[int, ...]
    flips: tuple[bool, ...]

    def __post_init__(self) -> None:
        axes = tuple(range(len(self.permutation)))
        if tuple(sorted(self.permutation)) != axes or len(self.flips) != len(axes):
            message = (
                "axis reordering: expected each axis once and one flip for each, "
                f"got permutation {self.permutation} with flips {self.flips}."
            )
            raise GeometryError(message)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.permutation)

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self.permutation == tuple(range(self.ndim)) and not any(self.flips)

    def apply(self, array: NDArray, *, leading: int | None = None) -> NDArray:
        """View of `array` in the new order, (*leading, *new spatial).

        Args:
            array: (*leading, *spatial).
            leading: number of axes, channels for example, that stay in front; absent takes all that are not spatial.

        Raises:
            GeometryError: the array has another number of axes.
        """
        expected = self.ndim + (max(0, array.ndim - self.ndim) if leading is None else leading)
        if array.ndim != expected:
            message = f"axis reordering: expected an array of {expected} axes, got shape {array.shape}."
            raise GeometryError(message)
        first = expected - self.ndim
        order = (*range(first), *(first + axis for axis in self.permutation))
        steps: tuple[Any, ...] = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        view: NDArray = array.transpose(order)[(..., *steps)]
        return view

    def inverse(self) -> AxisReordering:
        """The reordering that undoes this one."""
        permutation = tuple(self.permutation.index(axis) for axis in range(self.ndim))
        return AxisReordering(permutation, tuple(self.flips[new] for new in permutation))

    def apply_to_grid(self, grid: Grid) -> Grid:
        """The grid of a reordered array: each voxel stays at its place in the world.

        Raises:
            GeometryError: the grid has another number of axes.
        """
        if grid.ndim != self.ndim:
            message = f"axis reordering: expected a grid of {self.ndim} axes, got {grid.ndim}."
            raise GeometryError(message)
        index_map = np.zeros((self.ndim + 1, self.ndim + 1))
        index_map[-1, -1] = 1.0
        for new, (old, flip) in enumerate(zip(self.permutation, self.flips, strict=True)):
            index_map[old, new] = -1.0 if flip else 1.0
            index_map[old, -1] = grid.spatial_shape[old] - 1 if flip else 0.0
        shape = tuple(grid.spatial_shape[old] for old in self.permutation)
        return Grid(shape, grid.affine.after_index_map(index_map))


def reordering_to(affine: Affine, orientation: str) -> AxisReordering:
    """The reordering after which the array axes grow towards the letters of `orientation`.

    For oblique grids the axes come as near to the letters as a change of order and direction can bring them; nothing is
    interpolated.

    Args:
        affine: of the array as it is; any frame.
        orientation: three letters, one each of R/L, A/P and S/I, in array axis order: "RAS".

    Raises:
        GeometryError: `orientation` is no such code, or the affine has two spatial axes.
    """
    if sorted(_WORLD_AXIS.get(letter, -1) for letter in orientation) != [0, 1, 2]:
        message = f"orientation: expected one letter each of R/L, A/P and S/I, 'RAS' for example, got {orientation!r}."
        raise GeometryError(message)
    current = affine.orientation
    axis_of = {_WORLD_AXIS[letter]: axis for axis, letter in enumerate(current)}
    permutation = tuple(axis_of[_WORLD_AXIS[letter]] for letter in orientation)
    flips = tuple(current[axis] != letter for axis, letter in zip(permutation, orientation, strict=True))
    return AxisReordering(permutation, flips)
