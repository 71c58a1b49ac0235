"""A grid is an affine with a size: where the voxels of an image lie, without the voxels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.geometry.affine import Affine

GRID_TOLERANCE_MM = 1e-3
"""Two grids are the same when no corner differs by more than this; far below any scanner's accuracy, above float32."""

GRID_TOLERANCE_VOXEL = 1e-2
"""Nor by more than this part of the smallest voxel edge: voxels of an electron microscope measure 1e-6 mm."""


@dataclass(frozen=True)
class Grid:
    """The voxels' places: size in voxels and the affine that puts them in the world.

    Attributes:
        spatial_shape: number of voxels along each array axis; one entry per axis of `affine`.
        affine: voxel index -> world mm.

    Raises:
        GeometryError: sizes below 1, or their number differs from the affine's axes.
    """

    spatial_shape: tuple[int, ...]
    affine: Affine

    def __post_init__(self) -> None:
        shape = tuple(int(size) for size in self.spatial_shape)
        if len(shape) != self.affine.ndim or min(shape, default=0) < 1:
            message = f"grid: expected {self.affine.ndim} sizes of at least 1, got {shape}."
            raise GeometryError(message)
        object.__setattr__(self, "spatial_shape", shape)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.affine.ndim

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size in array axis order, in mm."""
        return self.affine.spacing_mm

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm^3 (area in mm^2 for two axes); right for sheared grids as well."""
        return float(abs(np.linalg.det(self.affine.linear)))

    @property
    def corners_mm(self) -> NDArray[np.float64]:
        """(2^n, n) world positions of the centres of the corner voxels."""
        indices = itertools.product(*[(0, size - 1) for size in self.spatial_shape])
        return self.affine.apply(np.array(list(indices), dtype=np.float64))

    @property
    def tolerance_mm(self) -> float:
        """Displacement below which a grid counts as the same as this one."""
        return min(GRID_TOLERANCE_MM, GRID_TOLERANCE_VOXEL * min(self.spacing_mm))

    def is_same_as(self, other: Grid, *, tolerance_mm: float | None = None) -> bool:
        """Whether both grids put the same number of voxels at the same places, in whichever frames they are written.

        Args:
            other: the grid to compare with.
            tolerance_mm: largest distance between corners; this grid's `tolerance_mm` where absent.
        """
        if self.spatial_shape != other.spatial_shape:
            return False
        return self._gap_mm(other) <= (self.tolerance_mm if tolerance_mm is None else tolerance_mm)

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Grid:
        """The part from voxel `start` up to but not including `stop`; negative starts and stops past the end pad.

        Raises:
            GeometryError: nothing is left, or another number of axes.
        """
        self._check_entries(start, stop)
        shape = tuple(int(end) - int(begin) for begin, end in zip(start, stop, strict=True))
        shift = np.eye(self.ndim + 1)
        shift[:-1, -1] = start
        return Grid(shape, self.affine.after_index_map(shift))

    def _gap_mm(self, other: Grid) -> float:
        """Largest distance between corresponding corners of two grids of one size."""
        theirs = Grid(other.spatial_shape, other.affine.to_frame(self.affine.frame))
        return float(np.linalg.norm(self.corners_mm - theirs.corners_mm, axis=1).max())

    def _check_entries(self, *vectors: Sequence[float]) -> None:
        if any(len(vector) != self.ndim for vector in vectors):
            given = ", ".join(str(tuple(vector)) for vector in vectors)
            message = f"grid: expected {self.ndim} numbers, one per spatial axis, got {given}."
            raise GeometryError(message)

    def padded(self, before: Sequence[int], after: Sequence[int]) -> Grid:
        """The grid with `before` and `after` voxels more at the two ends of each axis.

        Raises:
            GeometryError: another number of axes.
        """
        self._check_entries(before, after)
        stop = [size + more for size, more in zip(self.spatial_shape, after, strict=True)]
        return self.cropped([-more for more in before], stop)

    def with_spacing(self, spacing_mm: Sequence[float]) -> Grid:
        """The grid that covers the same field of view with voxels of `spacing_mm`.

        The outer faces of the field of view stay where they are, to within half a new voxel at the far end: the new
        size is rounded, at least 1, and the first voxel's centre moves so that its outer face stays.

        Raises:
            GeometryError: a spacing is not positive, or another number of axes.
        """
        self._check_entries(spacing_mm)
        factors = np.asarray(spacing_mm, dtype=np.float64) / np.asarray(self.spacing_mm)
        if (factors <= 0).any() or not np.isfinite(factors).all():
            message = f"resampling: expected positive spacings in mm, got {tuple(spacing_mm)}."
            raise GeometryError(message)
        shape = tuple(max(1, round(size / factor)) for size, factor in zip(self.spatial_shape, factors, strict=True))
        index_map = np.eye(self.ndim + 1)
        index_map[:-1, :-1] = np.diag(factors)
        index_map[:-1, -1] = (factors - 1.0) / 2.0
        return Grid(shape, self.affine.after_index_map(index_map))


def check_same_grid(
    first: Grid,
    second: Grid,
    *,
    names: tuple[str, str],
    sizes_are_known: bool = True,
    axes: tuple[str, str] | None = None,
) -> None:
    """Pass when both grids are the same.

    Args:
        first: one grid.
        second: the other.
        names: what the two belong to, for the message.
        sizes_are_known: False where a file states no voxel size (masks in TIFF and PNG often have none); an equal
            number of voxels along axes in one order is then all there is to compare.
        axes: letters of the spatial axes of each. Of files without a voxel size they alone tell the rows of a square
            picture from its columns.

    Raises:
        GeometryError: they differ; the message says in what and how to mend it.
    """
    if not sizes_are_known and first.ndim == second.ndim:
        if axes is not None and axes[0] != axes[1]:
            message = (
                f"{names[0]} and {names[1]} differ in the order of their axes: {axes[0]} vs {axes[1]}, and without "
                "a voxel size nothing else says which is which. Bring both to one format with medseg convert."
            )
            raise GeometryError(message)
        second = Grid(second.spatial_shape, first.affine)
    if first.is_same_as(second):
        return
    if first.spatial_shape != second.spatial_shape:
        what = f"size: {first.spatial_shape} vs {second.spatial_shape} voxels"
    elif not np.allclose(first.spacing_mm, second.spacing_mm, rtol=0, atol=first.tolerance_mm):
        what = f"spacing: {_mm(first.spacing_mm)} vs {_mm(second.spacing_mm)}"
    else:
        what = f"position or direction: their corners are up to {first._gap_mm(second):.4g} mm apart"
    message = f"{names[0]} and {names[1]} differ in {what}. Resample one like the other first."
    raise GeometryError(message)


def _mm(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ") mm"
