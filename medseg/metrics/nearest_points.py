"""Distance in mm from each point of a grid to the nearest of other points of the same grid.

Surfaces to compare mostly lie a few voxels apart. So the other points are laid out in a block of memory, in which one
sweep up and one down gives each place its distance along one axis (the first half of an exact distance transform,
Felzenszwalb 2012, doi 10.4086/toc.2012.v008a019). The second half is done only at the points asked for and only over
the nearest columns, by distance, until no column left can hold a nearer point. What then is open, and what is too
sparse for a block, is answered by a tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Points = NDArray[np.int32]
Distances = NDArray[np.float64]

_FAR = 254
"""Steps along a column that stand for "this many or more": one more still fits in a byte."""

_MOST_COLUMNS = 128
"""Columns looked at before the tree is asked; in cubic voxels those up to 6 steps away."""

_TRIAL_COLUMNS = 32
"""Columns after which at least half of the points must be done: surfaces far apart are the tree's from then on."""

_COLUMNS_BETWEEN = 4
"""Columns looked at between two counts of the points that are still open."""

_BLOCK_PER_POINT = 256
"""Places of the block for each point from which on a tree costs less than the sweeps."""


class _Columns(NamedTuple):
    """The columns around a place, nearest first, and what a step count in each amounts to."""

    offsets: NDArray[np.int64]
    """Steps to the column along each axis but the swept one; (columns, axes - 1)."""
    squares: NDArray[np.float64]
    """Squared distance in mm^2 of a point so many steps along the column; (columns, 256), inf from _FAR on."""
    settled: NDArray[np.float64]
    """Squared distance up to which nothing nearer can come after the column; (columns,)."""


def distances_to_nearest(points: Points, others: Points, *, spacing_mm: Sequence[float]) -> Distances:
    """Distance in mm from each point to the nearest of the others, (points,); inf where there are no others.

    Args:
        points: indices, (points, axes) of two or three axes.
        others: indices on the same grid, (others, axes).
        spacing_mm: voxel size along each axis.
    """
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    spacing = tuple(float(size) for size in spacing_mm)
    extent = np.maximum(points.max(axis=0), others.max(axis=0)) - np.minimum(points.min(axis=0), others.min(axis=0)) + 1
    if extent.prod(dtype=np.float64) > _BLOCK_PER_POINT * (len(points) + len(others)):
        return _by_tree(points, others, spacing)
    squares, is_open = _by_columns(points, others, spacing)
    distances = np.sqrt(squares)
    if is_open.size:
        distances[is_open] = _by_tree(points[is_open], others, spacing)
    return distances


def _by_tree(points: Points, others: Points, spacing: tuple[float, ...]) -> Distances:
    scale = np.asarray(spacing)
    tree = cKDTree(others * scale, balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(points * scale)
    # From whole steps, not from the tree's coordinates: three steps of 0.1 mm must not depend on where they start.
    offsets = (points - others[nearest]) * scale
    return np.asarray(np.sqrt(np.square(offsets).sum(axis=1)))


def _by_columns(points: Points, others: Points, spacing: tuple[float, ...]) -> tuple[Distances, NDArray[np.int64]]:
    """Squared distances in mm^2, and the indices of the points for which theirs is not yet certain."""
    columns = _columns(spacing)
    order = _swept_first(spacing)
    halo = np.array([0, *np.abs(columns.offsets).max(axis=0)])
    low = np.minimum(points.min(axis=0), others.min(axis=0))[order] - halo
    shape = np.maximum(points.max(axis=0), others.max(axis=0))[order] + halo - low + 1
    strides = np.append(np.cumprod(shape[:0:-1], dtype=np.int64)[::-1], 1)
    steps = _steps_along_first((others[:, order] - low) @ strides, shape)
    # Counted from the lowest place that a column offset can lead to, so that slices stand for the offsets.
    margin = int(halo @ strides)
    starts = margin + columns.offsets @ strides[1:]
    places = (points[:, order] - low) @ strides - margin

    result = np.empty(len(points))
    is_open, nearest = np.arange(len(points)), np.full(len(points), np.inf)
    last = len(starts) - 1
    for number, start in enumerate(starts):
        np.minimum(nearest, columns.squares[number][steps[start:][places]], out=nearest)
        if number % _COLUMNS_BETWEEN and number != last:
            continue
        result[is_open] = nearest
        still = np.flatnonzero(nearest > columns.settled[number])
        is_open, nearest, places = is_open[still], nearest[still], places[still]
        if not is_open.size or (number >= _TRIAL_COLUMNS and 2 * is_open.size > len(points)):
            break
    return result, is_open


def _steps_along_first(places: NDArray[np.int64], shape: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Steps along the first axis from everywhere to the nearest of the places, at most _FAR; flat."""
    block = np.full(shape, _FAR, dtype=np.uint8)
    flat = block.reshape(-1)
    flat[places] = 0
    one_on = np.empty(shape[1:], dtype=np.uint8)
    for sweep in (block, block[::-1]):
        for behind, here in pairwise(sweep):
            np.add(behind, 1, out=one_on)
            np.minimum(here, one_on, out=here)
    return flat


def _swept_first(spacing: tuple[float, ...]) -> list[int]:
    """The axes, that of the smallest voxel size first: the fewest columns then lie within a distance."""
    return sorted(range(len(spacing)), key=lambda axis: (axis != np.argmin(spacing), axis))


@lru_cache(maxsize=16)  # a set of cases has few spacings, and many classes of each
def _columns(spacing: tuple[float, ...]) -> _Columns:
    swept, *across = _swept_first(spacing)
    reach = np.arange(-(_MOST_COLUMNS // 2), _MOST_COLUMNS // 2 + 1)  # a nearer column always comes from within
    grid = np.stack(np.meshgrid(*[reach] * len(across), indexing="ij"), axis=-1).reshape(-1, len(across))
    distances = np.square(grid * np.asarray(spacing)[across]).sum(axis=1)
    nearest = np.argsort(distances, kind="stable")[: _MOST_COLUMNS + 1]
    offsets, next_distances = grid[nearest[:-1]], distances[nearest[1:]]
    squares = np.zeros((len(offsets), 256))
    for axis, size in enumerate(spacing):  # in this order, as the tree's distances are summed
        steps = np.arange(256)[None, :] if axis == swept else offsets[:, [across.index(axis)]]
        squares += np.square(steps * size)
    squares[:, _FAR:] = np.inf
    return _Columns(offsets, squares, np.minimum(next_distances, (_FAR * spacing[swept]) ** 2))
