"""Where voxels lie: the map from voxel index to world millimetres, with its frame written on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medseg.errors import GeometryError
from medseg.geometry.frames import WorldFrame

_SMALLEST_DETERMINANT = 1e-6
"""Smallest determinant of the unit axes that still span a volume: relative, since voxels may measure nanometres."""

_UNIT_TOLERANCE = 1e-3
"""How far the length of a direction may be from 1; DICOM writes directions with as few as four digits."""

_CODES = {WorldFrame.RAS: (("R", "L"), ("A", "P"), ("S", "I")), WorldFrame.LPS: (("L", "R"), ("P", "A"), ("S", "I"))}
"""For each frame and world axis: the letter towards which the axis grows, then its opposite."""


@dataclass(frozen=True, eq=False, repr=False)
class Affine:
    """Homogeneous map from the index of a voxel's centre to world millimetres.

    Attributes:
        matrix: (n+1, n+1) float64, read-only; n = 2 or 3 spatial axes. Column j is the step in mm along array axis j,
            the last column the position of the first voxel's centre. World axes come in the order x, y(, z).
        frame: the convention of the world axes.

    Raises:
        GeometryError: wrong shape, not finite, last row not (0, .., 0, 1), or singular.
    """

    matrix: NDArray[np.float64]
    frame: WorldFrame

    def __init__(self, matrix: ArrayLike, *, frame: WorldFrame) -> None:
        array = np.array(matrix, dtype=np.float64) + 0.0  # turns -0.0 into 0.0, so that equal affines hash alike
        _check_matrix(array)
        array.setflags(write=False)
        object.__setattr__(self, "matrix", array)
        object.__setattr__(self, "frame", WorldFrame(frame))

    @classmethod
    def from_spacing(
        cls,
        spacing_mm: ArrayLike,
        *,
        frame: WorldFrame,
        origin_mm: ArrayLike | None = None,
        direction: ArrayLike | None = None,
    ) -> Self:
        """Affine of a grid with the given voxel size.

        Args:
            spacing_mm: (n,) voxel size in array axis order.
            frame: convention of `origin_mm` and `direction`.
            origin_mm: (n,) world position of the first voxel's centre; zero where absent.
            direction: (n, n) unit columns, column j the world direction of array axis j; identity where absent.

        Raises:
            GeometryError: a spacing is not positive, a direction not of length 1, or the sizes do not fit together.
        """
        spacing = np.asarray(spacing_mm, dtype=np.float64)
        n = spacing.size
        origin = np.zeros(n) if origin_mm is None else np.asarray(origin_mm, dtype=np.float64)
        columns = np.eye(n) if direction is None else np.asarray(direction, dtype=np.float64)
        if spacing.shape != (n,) or origin.shape != (n,) or columns.shape != (n, n):
            message = (
                f"affine: expected n spacings, an origin of n numbers and n x n directions, "
                f"got shapes {spacing.shape}, {origin.shape} and {columns.shape}."
            )
            raise GeometryError(message)
        if not (np.isfinite(spacing) & (spacing > 0)).all():
            message = f"affine: expected positive voxel sizes in mm, got {tuple(spacing.tolist())}."
            raise GeometryError(message)
        lengths = np.linalg.norm(columns, axis=0)
        if not np.allclose(lengths, 1.0, rtol=0, atol=_UNIT_TOLERANCE):
            message = f"affine: expected directions of length 1, got lengths {tuple(lengths.tolist())}."
            raise GeometryError(message)
        matrix = np.eye(n + 1)
        matrix[:n, :n] = columns * spacing
        matrix[:n, n] = origin
        return cls(matrix, frame=frame)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return int(self.matrix.shape[0]) - 1

    @property
    def linear(self) -> NDArray[np.float64]:
        """(n, n) matrix without the translation."""
        return self.matrix[:-1, :-1]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between neighbouring voxel centres along each array axis, in mm."""
        return tuple(float(length) for length in np.linalg.norm(self.linear, axis=0))

    @property
    def origin_mm(self) -> tuple[float, ...]:
        """World position of the first voxel's centre, in mm."""
        return tuple(float(value) for value in self.matrix[:-1, -1])

    @property
    def direction(self) -> NDArray[np.float64]:
        """(n, n) unit columns: column j is the world direction of array axis j."""
        return np.asarray(self.linear / np.asarray(self.spacing_mm))

    @property
    def orientation(self) -> str:
        """Anatomical letters towards which the array axes grow, "RAS" for example.

        For oblique grids each array axis gets the world axis that it follows most closely, each world axis once.

        Raises:
            GeometryError: two spatial axes have no anatomical letters.
        """
        if self.ndim != 3:
            message = "orientation: expected 3 spatial axes, got 2. Anatomical letters exist for volumes only."
            raise GeometryError(message)
        letters = []
        for axis, world in enumerate(closest_axes(self.direction)):
            towards, away = _CODES[self.frame][world]
            letters.append(towards if self.direction[world, axis] > 0 else away)
        return "".join(letters)

    @property
    def is_orthogonal(self) -> bool:
        """Whether the array axes are at right angles in the world (a tilted CT series is not)."""
        gram = self.direction.T @ self.direction
        return bool(np.allclose(gram, np.eye(self.ndim), atol=1e-4))

    def to_frame(self, frame: WorldFrame) -> Affine:
        """The same map with its world axes written in `frame`."""
        if frame == self.frame:
            return self
        flip = np.ones(self.ndim + 1)
        flip[:2] = -1.0
        return Affine(np.diag(flip) @ self.matrix, frame=frame)

    def apply(self, points_voxel: ArrayLike) -> NDArray[np.float64]:
        """World positions in mm, (..., n), of `points_voxel`, (..., n) voxel indices."""
        points = np.asarray(points_voxel, dtype=np.float64)
        return points @ self.linear.T + self.matrix[:-1, -1]

    def apply_inverse(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Voxel indices, (..., n) and in general not whole, of `points_mm`, (..., n) world positions."""
        points = np.asarray(points_mm, dtype=np.float64) - self.matrix[:-1, -1]
        return np.asarray(np.linalg.solve(self.linear, np.moveaxis(points, -1, 0).reshape(self.ndim, -1)).T).reshape(
            points.shape
        )

    def index_map_from(self, other: Affine) -> NDArray[np.float64]:
        """(n+1, n+1) homogeneous map from the voxel indices of `other` to those of this affine.

        Raises:
            GeometryError: the two differ in their number of axes.
        """
        if other.ndim != self.ndim:
            message = f"affine: expected another affine of {self.ndim} spatial axes, got one of {other.ndim}."
            raise GeometryError(message)
        index_map = np.asarray(np.linalg.solve(self.matrix, other.to_frame(self.frame).matrix), dtype=np.float64)
        index_map[-1] = np.eye(self.ndim + 1)[-1]
        return index_map

    def after_index_map(self, index_map: ArrayLike) -> Affine:
        """Affine of a new grid whose voxel index `v` lies at old index `index_map @ v`, (n+1, n+1) homogeneous."""
        return Affine(self.matrix @ np.asarray(index_map, dtype=np.float64), frame=self.frame)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine):
            return NotImplemented
        return self.frame == other.frame and np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.frame, self.matrix.tobytes()))

    def __reduce__(self) -> tuple[object, ...]:
        # Through the constructor, so that the matrix is read-only in the other process as well.
        return _rebuilt, (np.array(self.matrix), self.frame)

    def __repr__(self) -> str:
        spacing = " x ".join(f"{value:g}" for value in self.spacing_mm)
        origin = ", ".join(f"{value:g}" for value in self.origin_mm)
        axes = f", axes {self.orientation}" if self.ndim == 3 else ""
        return f"Affine({self.frame}: {spacing} mm, first voxel at ({origin}) mm{axes})"


def _rebuilt(matrix: NDArray[np.float64], frame: WorldFrame) -> Affine:
    return Affine(matrix, frame=frame)


def closest_axes(direction: NDArray[np.floating]) -> tuple[int, ...]:
    """For each column of `direction` the row along which it points most closely, each row once.

    The largest cosine is served first, so that an oblique axis cannot take the row of one that is nearer to it.
    """
    rows = [0] * len(direction)
    remaining = np.abs(direction)
    for _ in rows:
        row, column = np.unravel_index(int(np.argmax(remaining)), remaining.shape)
        rows[column] = int(row)
        remaining[row, :] = -1.0
        remaining[:, column] = -1.0
    return tuple(rows)


def _check_matrix(array: NDArray[np.float64]) -> None:
    if array.shape not in {(3, 3), (4, 4)}:
        message = f"affine: expected a (3, 3) or (4, 4) matrix, got shape {array.shape}."
        raise GeometryError(message)
    if not np.isfinite(array).all():
        message = "affine: expected finite numbers, got NaN or infinity. The file's geometry is damaged."
        raise GeometryError(message)
    last_row = np.zeros(array.shape[0])
    last_row[-1] = 1.0
    if not np.array_equal(array[-1], last_row):
        message = (
            f"affine: expected the last row (0, .., 0, 1), got {tuple(array[-1].tolist())}. Is the matrix transposed?"
        )
        raise GeometryError(message)
    lengths = np.linalg.norm(array[:-1, :-1], axis=0)
    if not lengths.all() or abs(np.linalg.det(array[:-1, :-1] / lengths)) < _SMALLEST_DETERMINANT:
        message = "affine: the matrix is singular, so voxels have no volume. The file's geometry is damaged."
        raise GeometryError(message)
