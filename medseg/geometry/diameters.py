"""The longest diameter of an object within a slice, and the longest one across it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from medseg.errors import GeometryError
from medseg.geometry.contours import outlines

_MOST_PASSINGS = 1 << 20
_SAME_PLACE = 1e-9
"""Distance below which two places along the diameter are one, as a share of its length."""

Ends = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class SliceDiameters:
    """Two diameters at right angles in one slice, as drawn for RECIST 1.1 and WHO measurements.

    Attributes:
        longest_mm: the longest straight line from outer voxel edge to outer voxel edge.
        across_mm: the longest one at a right angle to it in the same slice.
        slice_index: index of the slice.
        longest_ends_voxel: the two ends of the longest, in voxel indices of the mask; voxel edges lie on halves.
        across_ends_voxel: the same of the other.
    """

    longest_mm: float
    across_mm: float
    slice_index: int
    longest_ends_voxel: Ends
    across_ends_voxel: Ends


def slice_diameters(mask: ArrayLike, steps_mm: ArrayLike, *, slice_axis: int = 0) -> SliceDiameters | None:
    """The diameters in the slice in which the longest is longest, the first of equals; None for an empty mask.

    Parts in one slice count as one, and a line may leave the object between its ends (Eisenhauer et al. 2009, RECIST
    1.1, doi 10.1016/j.ejca.2008.10.026; Miller et al. 1981 for the product of two diameters).

    Args:
        mask: (*spatial) of three axes, inside where not 0.
        steps_mm: (d, 3) world step of each array axis as columns: the linear part of the affine, or a diagonal.
        slice_axis: axis along which the slices are counted.

    Raises:
        GeometryError: the mask or the steps have another number of axes.
    """
    inside, steps = np.asarray(mask) != 0, np.asarray(steps_mm, dtype=np.float64)
    if inside.ndim != 3 or steps.ndim != 2 or steps.shape[1] != 3:
        message = f"diameters: expected a mask of 3 axes and a step for each, got shapes {inside.shape}, {steps.shape}."
        raise GeometryError(message)
    slices = np.moveaxis(inside, slice_axis, 0)
    # In-plane millimetres: distances and angles are those of the world, whatever the slice's tilt.
    to_plane = np.linalg.qr(np.delete(steps, slice_axis, axis=1))[1]
    best, found = 0.0, None
    for index in np.flatnonzero(slices.any(axis=(1, 2))).tolist():
        corners = _outer_corners(slices[index])
        points = corners @ to_plane.T
        if np.linalg.norm(np.ptp(points, axis=0)) <= best:
            continue
        first, second, length = _farthest(points)
        if length > best:
            best, found = length, (index, corners[first], corners[second])
    if found is None:
        return None
    index, start, stop = found
    across_mm, across = _across(slices[index], to_plane, start, stop)
    return SliceDiameters(
        best, across_mm, index, _placed((start, stop), index, slice_axis), _placed(across, index, slice_axis)
    )


def _outer_corners(plane: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n, 2) corners of the first and the last voxel of each row: the convex hull's are among them."""
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1) - 0.5
    last = plane.shape[1] - plane[rows, ::-1].argmax(axis=1) - 0.5
    corners = [np.stack([rows + half, columns], axis=1) for half in (-0.5, 0.5) for columns in (first, last)]
    return np.asarray(np.concatenate(corners), dtype=np.float64)


def _farthest(points: NDArray[np.float64]) -> tuple[int, int, float]:
    """The two points farthest from each other, and their distance."""
    hull = np.sort(ConvexHull(points).vertices)
    between = points[hull, None] - points[None, hull]
    squares = (between**2).sum(axis=-1)
    first, second = np.unravel_index(int(squares.argmax()), squares.shape)
    return int(hull[first]), int(hull[second]), float(np.sqrt(squares[first, second]))


def _across(
    plane: NDArray[np.bool_], to_plane: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> tuple[float, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Length and ends of the longest line at a right angle to the one from `start` to `stop`.

    The outline's reach to either side is linear between its corners, so the longest line passes through one of them.
    """
    line = to_plane @ (stop - start)
    along = line / np.linalg.norm(line)
    frame = np.stack([along, np.array([-along[1], along[0]])])
    polygons = [polygon @ to_plane.T @ frame.T for polygon in outlines(plane)]
    begin = np.concatenate(polygons)
    end = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    near = _SAME_PLACE * float(np.linalg.norm(line))
    places = np.unique(begin[:, 0])
    top, bottom = _reach(places, begin, end, near=near)
    widest = int((top - bottom).argmax())
    ends = np.array([[places[widest], bottom[widest]], [places[widest], top[widest]]])
    back = np.linalg.solve(to_plane, (ends @ frame).T).T
    return float(top[widest] - bottom[widest]), (back[0], back[1])


def _reach(
    places: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64], *, near: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest and lowest point of the edges from `begin` to `end` at each of `places`, ascending, along the first axis.

    Each edge is looked at where it passes only: an outline as rough as noise has tens of thousands of short edges, and
    all of them at all places would take gigabytes.
    """
    top, bottom = np.full(places.size, -np.inf), np.full(places.size, np.inf)
    low, high = np.minimum(begin[:, 0], end[:, 0]), np.maximum(begin[:, 0], end[:, 0])
    first = np.searchsorted(places, low - near)
    counts = np.searchsorted(places, high + near, side="right") - first
    for part in _parts(counts):
        edge = np.repeat(np.arange(part.start, part.stop), counts[part])
        at = first[edge] + np.arange(edge.size) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        rise = end[edge, 0] - begin[edge, 0]
        is_flat = np.abs(rise) <= near
        share = (places[at] - begin[edge, 0]) / np.where(is_flat, 1.0, rise)
        height = begin[edge, 1] + np.clip(np.where(is_flat, 0.0, share), 0.0, 1.0) * (end[edge, 1] - begin[edge, 1])
        other = np.where(is_flat, end[edge, 1], height)
        np.maximum.at(top, at, np.maximum(height, other))
        np.minimum.at(bottom, at, np.minimum(height, other))
    return top, bottom


def _parts(counts: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of edges that pass at most about `_MOST_PASSINGS` places together."""
    stops = np.searchsorted(np.cumsum(counts), np.arange(_MOST_PASSINGS, counts.sum() + _MOST_PASSINGS, _MOST_PASSINGS))
    start = 0
    for stop in [*(int(stop) + 1 for stop in stops[:-1]), counts.size]:
        if stop > start:
            yield slice(start, stop)
            start = stop


def _placed(ends: tuple[NDArray[np.float64], NDArray[np.float64]], index: int, slice_axis: int) -> Ends:
    """In-plane ends as indices of the whole mask."""
    first, second = (tuple(float(value) for value in np.insert(end, slice_axis, index)) for end in ends)
    return first, second
