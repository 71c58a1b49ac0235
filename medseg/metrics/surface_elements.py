"""How large the piece of surface is that passes between 2^n neighbouring voxels.

Between the centres of 2^n voxels (a small square or cube) marching cubes (Lorensen 1987, doi 10.1145/37402.37422) or
its two-dimensional form draws the surface through the middle of each edge whose ends differ. Here the pieces are
derived, not looked up: on each face the midpoints are joined so that foreground corners stay apart from each other (of
more than half a cell's corners, the background's), the joins close to loops, and a loop is cut into triangles. A loop
that is not flat can be cut in several ways of unequal area. The cut of the largest area at cubic voxels is taken, for
then the sizes are those of Nikolov 2021 (doi 10.2196/26151), whose surface Dice weighs with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, ...]
Point = tuple[float, ...]
Triangle = tuple[Point, Point, Point]

_FACE_RING = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Corners of a square in the order in which one walks around it."""


@lru_cache(maxsize=16)  # a set of cases has few spacings, and many classes of each
def element_sizes(spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Size of the surface element of each neighbourhood code: length in mm (2-D) or area in mm^2 (3-D).

    In a code, bit k stands for the k-th of the 2^n voxels, counted with the last axis fastest; there are 16 or 256
    codes. The array is read-only.

    Args:
        spacing_mm: voxel size along two or three axes.
    """
    scale = np.asarray(spacing_mm, dtype=np.float64)
    if len(spacing_mm) == 2:
        sizes = [_lengths(_segments_of_code(code), scale) for code in range(16)]
    else:
        sizes = [_areas(_triangles_of_code(code), scale) for code in range(256)]
    result = np.array([of_code.sum() for of_code in sizes])
    result.setflags(write=False)
    return result


def _corners(axes: int) -> list[Corner]:
    return list(product((0, 1), repeat=axes))


def _inside(code: int, axes: int) -> frozenset[Corner]:
    """The corners to keep apart: the foreground's, or the background's where they are fewer."""
    corners = _corners(axes)
    inside = frozenset(corner for bit, corner in enumerate(corners) if code >> bit & 1)
    return inside if 2 * len(inside) <= len(corners) else frozenset(corners) - inside


def _joins(ring: Sequence[Corner], inside: frozenset[Corner]) -> list[tuple[Point, Point]]:
    """Joins of edge midpoints on one square; each cuts off one run of neighbouring inside corners."""
    joins = []
    for place, corner in enumerate(ring):
        if corner not in inside or ring[place - 1] in inside:
            continue
        last = next(step for step in range(4) if ring[(place + step + 1) % 4] not in inside)
        end = (place + last) % 4
        joins.append((_middle(ring[place - 1], corner), _middle(ring[end], ring[(end + 1) % 4])))
    return joins


def _middle(first: Corner, second: Corner) -> Point:
    return tuple((a + b) / 2 for a, b in zip(first, second, strict=True))


@cache
def _segments_of_code(code: int) -> tuple[tuple[Point, Point], ...]:
    return tuple(_joins(_FACE_RING, _inside(code, axes=2)))


@cache
def _triangles_of_code(code: int) -> tuple[Triangle, ...]:
    inside = _inside(code, axes=3)
    joins = [join for ring in _face_rings() for join in _joins(ring, inside)]
    return tuple(triangle for loop in _loops(joins) for triangle in _largest_cut(loop))


def _face_rings() -> Iterator[list[Corner]]:
    """The corners of each of the cube's six faces, in order around the face."""
    for axis, side in product(range(3), (0, 1)):
        yield [(*ring[:axis], side, *ring[axis:]) for ring in _FACE_RING]


def _loops(joins: Sequence[tuple[Point, Point]]) -> Iterator[tuple[Point, ...]]:
    """The closed loops that the joins make; each point has two joins, one on either face of its edge."""
    neighbours: dict[Point, list[Point]] = {}
    for first, second in joins:
        neighbours.setdefault(first, []).append(second)
        neighbours.setdefault(second, []).append(first)
    while neighbours:
        point: Point | None = min(neighbours)
        loop = []
        while point is not None:
            loop.append(point)
            point = next((other for other in neighbours.pop(point) if other in neighbours), None)
        yield tuple(loop)


def _largest_cut(loop: tuple[Point, ...]) -> tuple[Triangle, ...]:
    """The cut of a loop into triangles with the largest area at cubic voxels; the first of equals."""
    return max(_cuts(loop), key=lambda cut: round(float(_areas(cut, np.ones(3)).sum()), 9))


def _cuts(loop: tuple[Point, ...]) -> list[tuple[Triangle, ...]]:
    """All ways to cut a loop into triangles without new points."""
    if len(loop) < 3:
        return [()]
    first, *_, last = loop
    return [
        ((first, loop[middle], last), *before, *after)
        for middle in range(1, len(loop) - 1)
        for before in _cuts(loop[: middle + 1])
        for after in _cuts(loop[middle:])
    ]


def _lengths(segments: Sequence[tuple[Point, Point]], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.asarray(segments, dtype=np.float64).reshape(-1, 2, 2) * scale
    return np.asarray(np.linalg.norm(points[:, 1] - points[:, 0], axis=1))


def _areas(triangles: Sequence[Triangle], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.asarray(triangles, dtype=np.float64).reshape(-1, 3, 3) * scale
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    return np.asarray(0.5 * np.linalg.norm(normals, axis=1))
