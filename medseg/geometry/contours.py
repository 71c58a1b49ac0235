"""Contours of masks, along the voxels' edges, and masks from contours: the second undoes the first exactly.

Coordinates are voxel indices of a plane: a voxel's centre has whole numbers, its edges lie half a voxel beside it. A
contour from here runs along edges, so no centre is nearer to it than half a voxel, and rounding cannot move one across.
A voxel is inside a contour where its centre is, or where its centre lies on the contour: tools that draw through the
centres of the outermost voxels are read right as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

ON_CONTOUR_VOXEL = 0.01
"""A centre this near to a contour, in voxels, lies on it: files state positions in as few as two decimals."""
_STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
"""Directions of an edge, each a quarter turn after the one before."""
_MOST_CROSSINGS = 1 << 21
"""Crossings of contour edges with voxel rows that are worked on at a time."""


def outlines(mask: ArrayLike) -> list[NDArray[np.float64]]:
    """Closed polygons around the regions of a mask, each (points, 2) voxel indices, the first point not repeated.

    Regions that touch at a corner only are separate. A hole is joined to the outline around it by a channel of width 0
    (the keyhole of PS3.3 C.8.8.6.3), so that one polygon bounds one region, whether filled by the even-odd rule or by
    winding numbers. Points where nothing turns are left out.

    Args:
        mask: (m, n), inside where not 0.
    """
    inside = np.asarray(mask) != 0
    starts, directions, following = _edges(inside)
    loops = list(_loops(following))
    if not loops:
        return []
    points = [(int(x), int(y)) for x, y in starts]
    outer = _joined(loops, points, following, directions, shape=inside.shape)
    polygons = []
    for first in outer:
        path = np.array([points[node] for node in _walk(following, first)], dtype=np.float64)
        polygons.append(_corners(path) - 0.5)
    return polygons


def filled(polygons: Sequence[ArrayLike], shape: tuple[int, int], *, with_edges: bool = True) -> NDArray[np.bool_]:
    """The voxels inside the polygons together, by the even-odd rule: a polygon in another is a hole.

    Args:
        polygons: each (points, 2) voxel indices, closed by its first point.
        shape: of the plane; what lies outside it is cut off.
        with_edges: count voxels whose centre lies on a polygon.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    starts, ends = _segments(polygons)
    if not len(starts):
        return mask
    reach = np.stack([np.minimum(starts, ends).min(axis=0) - 1, np.maximum(starts, ends).max(axis=0) + 1])
    low, high = np.clip(reach, 0, shape).astype(np.int64)
    size = (int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1)
    size = (min(size[0], shape[0] - int(low[0])), min(size[1], shape[1] - int(low[1])))
    if min(size) < 1:
        return mask
    inside = _parity(starts - low, ends - low, size)
    edge = _on_edges(starts - low, ends - low, size)
    mask[low[0] : low[0] + size[0], low[1] : low[1] + size[1]] = inside | edge if with_edges else inside & ~edge
    return mask


def _edges(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """Start and direction of each edge between inside and outside, and the edge that follows it, inside on the left.

    Where two regions touch at a corner, the edge that stays with its voxel follows.
    """
    padded = np.pad(inside, 1)
    here, m, n = padded[1:-1, 1:-1], *inside.shape
    leaves = np.zeros((4, m + 1, n + 1), dtype=np.bool_)
    leaves[0, :m, :n] = here & ~padded[1:-1, :-2]
    leaves[1, 1:, :n] = here & ~padded[2:, 1:-1]
    leaves[2, 1:, 1:] = here & ~padded[1:-1, 2:]
    leaves[3, :m, 1:] = here & ~padded[:-2, 1:-1]
    directions, x, y = np.nonzero(leaves)
    number = np.full(leaves.shape, -1, dtype=np.int64)
    number[directions, x, y] = np.arange(len(directions))
    end_x, end_y = x + _STEPS[directions, 0], y + _STEPS[directions, 1]
    left, ahead, right = (number[(directions + turn) % 4, end_x, end_y] for turn in (1, 0, 3))
    following = np.where(left >= 0, left, np.where(ahead >= 0, ahead, right))
    return np.stack([x, y], axis=1), directions.tolist(), following.tolist()


def _walk(following: list[int], first: int) -> Iterator[int]:
    node = first
    while True:
        yield node
        node = following[node]
        if node == first:
            return


def _loops(following: list[int]) -> Iterator[list[int]]:
    seen = bytearray(len(following))
    for first in range(len(following)):
        if not seen[first]:
            loop = list(_walk(following, first))
            for node in loop:
                seen[node] = 1
            yield loop


def _joined(
    loops: list[list[int]],
    points: list[tuple[int, int]],
    following: list[int],
    directions: list[int],
    *,
    shape: tuple[int, ...],
) -> list[int]:
    """A node of each outer loop, after the holes were joined to them; `points` and `following` grow."""
    outer: list[int] = []
    holes: list[int] = []
    for loop in loops:
        # The first corner in order of (x, y) is convex: an outer loop leaves it along x, a hole along y.
        first = min(loop, key=lambda node: points[node])
        (outer if directions[first] == 0 else holes).append(first)
    node_at = np.full((shape[0] + 1, shape[1] + 1), -1, dtype=np.int64)
    for loop in loops:
        for node in loop:
            node_at[points[node]] = node
    for hole in sorted(holes, key=lambda node: points[node]):
        x, y = points[hole]
        # Everything from here down to the next contour is inside; that contour was joined already if it is a hole.
        below = int(np.flatnonzero(node_at[:x, y] >= 0)[-1])
        _join(points, following, at=int(node_at[below, y]), hole=hole)
    return outer


def _join(points: list[tuple[int, int]], following: list[int], *, at: int, hole: int) -> None:
    """Lead the path that passes node `at` to `hole`, around it and back."""
    last = next(node for node in _walk(following, hole) if following[node] == hole)
    again, back = len(points), len(points) + 1
    points += [points[hole], points[at]]
    following += [back, following[at]]
    following[last] = again
    following[at] = hole


def _corners(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points at which a path along the axes turns."""
    steps = np.sign(np.roll(path, -1, axis=0) - path)
    return np.asarray(path[(steps != np.roll(steps, 1, axis=0)).any(axis=1)])


def _segments(polygons: Sequence[ArrayLike]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 2) starts and ends of all edges, each from lower to higher row, so that a channel has two equal sides."""
    arrays = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    arrays = [array for array in arrays if len(array)]
    if not arrays:
        return np.empty((0, 2)), np.empty((0, 2))
    first = np.concatenate(arrays)
    second = np.concatenate([np.roll(array, -1, axis=0) for array in arrays])
    swap = (first[:, 0] > second[:, 0]) | ((first[:, 0] == second[:, 0]) & (first[:, 1] > second[:, 1]))
    return np.where(swap[:, None], second, first), np.where(swap[:, None], first, second)


def _parity(starts: NDArray[np.float64], ends: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Voxels whose centre has an odd number of edges beside it along its row."""
    first = np.clip(np.ceil(starts[:, 0]), 0, shape[0]).astype(np.int64)
    stop = np.clip(np.ceil(ends[:, 0]), 0, shape[0]).astype(np.int64)
    flips = np.zeros(shape[0] * (shape[1] + 1), dtype=np.int64)
    for rows, columns in _crossings(starts, ends, first, stop):
        column = np.clip(np.ceil(columns), 0, shape[1]).astype(np.int64)
        flips += np.bincount(rows * (shape[1] + 1) + column, minlength=flips.size)
    return np.asarray(np.cumsum(flips.reshape(shape[0], -1), axis=1)[:, :-1] % 2 == 1)


def _on_edges(starts: NDArray[np.float64], ends: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Voxels whose centre lies on an edge."""
    near = ON_CONTOUR_VOXEL
    touched = np.zeros(shape, dtype=np.bool_)
    is_flat = ends[:, 0] - starts[:, 0] <= 2 * near
    sloping = ~is_flat
    first = np.clip(np.ceil(starts[sloping, 0] - near), 0, shape[0]).astype(np.int64)
    stop = np.clip(np.floor(ends[sloping, 0] + near) + 1, 0, shape[0]).astype(np.int64)
    for rows, columns in _crossings(starts[sloping], ends[sloping], first, stop):
        nearest = np.rint(columns)
        hit = (np.abs(columns - nearest) <= near) & (nearest >= 0) & (nearest < shape[1])
        touched[rows[hit], nearest[hit].astype(np.int64)] = True
    row = np.rint((starts[is_flat, 0] + ends[is_flat, 0]) / 2)
    sides = np.stack([starts[is_flat, 1], ends[is_flat, 1]])
    on_row = (np.abs(starts[is_flat, 0] - row) <= near) & (np.abs(ends[is_flat, 0] - row) <= near)
    on_row &= (row >= 0) & (row < shape[0])
    row = row[on_row].astype(np.int64)
    begin = np.clip(np.ceil(sides.min(axis=0)[on_row] - near), 0, shape[1]).astype(np.int64)
    end = np.clip(np.floor(sides.max(axis=0)[on_row] + near) + 1, 0, shape[1]).astype(np.int64)
    spans = np.zeros((shape[0], shape[1] + 1), dtype=np.int64)
    np.add.at(spans, (row, begin), 1)
    np.add.at(spans, (row, np.maximum(begin, end)), -1)
    return np.asarray(touched | (np.cumsum(spans, axis=1)[:, :-1] > 0))


def _crossings(
    starts: NDArray[np.float64], ends: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Row and column of each crossing of an edge with the rows `first` to `stop`, some edges at a time."""
    counts = np.maximum(stop - first, 0)
    edges = np.flatnonzero(counts)
    parts = np.cumsum(counts[edges]) // _MOST_CROSSINGS
    for part in range(int(parts[-1]) + 1 if len(parts) else 0):
        chosen = edges[parts == part]
        number = counts[chosen]
        edge = np.repeat(chosen, number)
        rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
        rise = (ends - starts)[edge]
        along = np.clip((rows - starts[edge, 0]) / rise[:, 0], 0.0, 1.0)
        yield rows, starts[edge, 1] + along * rise[:, 1]
