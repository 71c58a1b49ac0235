"""Putting a label map onto a grid that shares its voxels: found by world coordinates, never by a rule about flips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Grid
from medseg.io.refusals import refuse

VOXEL_TOLERANCE = 0.02
"""How far voxel centres may lie apart, in parts of the smallest voxel edge: files state positions in few digits."""


def placed_on(array: NDArray, grid: Grid, target: Grid, *, path: Path) -> NDArray:
    """`array` with its voxels where `target` has them; 0 where `target` has more.

    Axes may be permuted and reversed, and the box larger, smaller or shifted by whole voxels.

    Args:
        array: (*spatial) label values.
        grid: where they lie.
        target: where they are wanted.
        path: what is read or written, for the message.

    Raises:
        RefusedImageError: the voxels lie between those of `target`, or some that are not 0 lie outside it.
    """
    turn, shift = _whole_index_map(grid, target, path=path)
    axis_of = np.abs(turn).argmax(axis=1)  # target axis -> array axis
    turned = array.transpose(tuple(int(axis) for axis in axis_of))
    signs = turn[np.arange(grid.ndim), axis_of]
    starts = []
    for axis, (sign, size) in enumerate(zip(signs, turned.shape, strict=True)):
        if sign < 0:
            turned = np.flip(turned, axis)
        starts.append(int(shift[axis]) - (size - 1 if sign < 0 else 0))
    if tuple(turned.shape) == target.spatial_shape and not any(starts):
        return turned
    placed = np.zeros(target.spatial_shape, dtype=array.dtype)
    into, out_of = [], []
    for start, size, wanted in zip(starts, turned.shape, target.spatial_shape, strict=True):
        low, high = max(start, 0), min(start + size, wanted)
        into.append(slice(low, max(high, low)))
        out_of.append(slice(low - start, max(high, low) - start))
    part = turned[tuple(out_of)]
    if np.count_nonzero(part) != np.count_nonzero(turned):
        refuse(
            path,
            "labels-outside-source",
            "expected all labelled voxels inside the source image, got some outside it",
            "Give the image that was segmented",
        )
    placed[tuple(into)] = part
    return placed


def _whole_index_map(grid: Grid, target: Grid, *, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The map from voxel indices of `grid` to those of `target`, in whole numbers."""
    if grid.ndim != target.ndim:
        refuse(
            path,
            "other-grid",
            f"expected a label map of {target.ndim} axes, got one of {grid.ndim}",
            "Give the map of the whole volume",
        )
    index_map = target.affine.index_map_from(grid.affine)
    turn, shift = np.rint(index_map[:-1, :-1]), np.rint(index_map[:-1, -1])
    is_reordering = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
    here = grid.corners_mm
    there = target.affine.to_frame(grid.affine.frame).apply(grid.affine.apply_inverse(here) @ turn.T + shift)
    away = float(np.linalg.norm(here - there, axis=1).max())
    if not is_reordering or away > VOXEL_TOLERANCE * min(target.spacing_mm):
        refuse(
            path,
            "other-grid",
            "expected the label map on the voxels of its source series, up to the order of its axes, "
            f"got one whose voxels lie up to {away:.3g} mm beside them"
            if is_reordering
            else "expected the label map on the voxels of its source series, up to the order of its axes, "
            "got one with another voxel size or direction",
            "Bring it onto the grid of the series first (medseg.images.resample_to)",
        )
    return turn.astype(np.int64), shift.astype(np.int64)
