"""A volume of Hounsfield units that shapes given in patient millimetres are painted into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medseg.geometry import Affine, Grid

Box = tuple[slice, slice, slice]
"""Part of the volume, one slice an axis."""


class Canvas:
    """A volume in the making: its values, its organs, and where each voxel lies in the patient.

    Attributes:
        grid: places of the voxels in the world.
        hu: (*spatial) float32 values so far.
        organs: (*spatial) uint8 organ of each voxel so far; 0 is none.
        x, y, z: patient coordinates of the voxels in mm, growing to the right, front and head; each broadcasts to
            the volume's shape and has length 1 along axes it does not depend on.
    """

    def __init__(self, grid: Grid, *, world_to_patient: Affine, background_hu: float) -> None:
        self.grid = grid
        self.hu = np.full(grid.spatial_shape, background_hu, dtype=np.float32)
        self.organs = np.zeros(grid.spatial_shape, dtype=np.uint8)
        self.to_patient = Affine(world_to_patient.matrix @ grid.affine.matrix, frame=grid.affine.frame)
        self.x, self.y, self.z = (_coordinate(self.to_patient, axis, grid.spatial_shape) for axis in range(3))

    @property
    def everywhere(self) -> Box:
        """The whole volume."""
        return (slice(None), slice(None), slice(None))

    def box(self, centre_mm: ArrayLike, reach_mm: float) -> Box | None:
        """Smallest part of the volume that holds the ball of `reach_mm` about `centre_mm`; None where it misses it."""
        centre = self.to_patient.apply_inverse(centre_mm)
        steps = np.linalg.inv(self.to_patient.linear)
        reach = reach_mm * np.linalg.norm(steps, axis=1)
        start = np.maximum(np.floor(centre - reach), 0).astype(int)
        stop = np.minimum(np.ceil(centre + reach) + 1, self.grid.spatial_shape).astype(int)
        if (start >= stop).any():
            return None
        return (slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2]))

    def coordinates(self, box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Patient coordinates x, y, z in mm of the voxels in `box`, each broadcasting to its shape."""
        x, y, z = (
            values[tuple(cut if size > 1 else slice(None) for cut, size in zip(box, values.shape, strict=True))]
            for values in (self.x, self.y, self.z)
        )
        return x, y, z

    def ellipsoid(
        self, centre_mm: ArrayLike, semi_axes_mm: Sequence[float], rotation: NDArray[np.float64] | None = None
    ) -> tuple[Box, NDArray[np.float32]] | None:
        """The box of an ellipsoid and, in it, each voxel's radius: 0 at the centre, 1 on the surface.

        None where no voxel of the volume lies in it or near it. Column j of `rotation` is the patient direction of
        semi-axis j.
        """
        box = self.box(centre_mm, 1.02 * max(semi_axes_mm))
        if box is None:
            return None
        x, y, z = self.coordinates(box)
        centre = np.asarray(centre_mm, dtype=np.float32)
        offsets = (x - centre[0], y - centre[1], z - centre[2])
        turn = np.eye(3) if rotation is None else rotation
        squared = np.zeros((1, 1, 1), dtype=np.float32)
        for j, length in enumerate(semi_axes_mm):
            along = sum(np.float32(turn[i, j] / length) * offsets[i] for i in range(3) if turn[i, j] != 0)
            squared = np.asarray(squared + along * along, dtype=np.float32)
        return box, np.sqrt(squared)

    def paint(self, box: Box, mask: NDArray[np.bool_], hu: float, organ: int | None = None) -> None:
        """Set the voxels of `mask` to `hu`, and to `organ` where one is given."""
        self.hu[box][mask] = hu
        if organ is not None:
            self.organs[box][mask] = organ

    def tube(
        self, points_mm: NDArray[np.float64], radii_mm: NDArray[np.float64], hu: float, organ: int | None = None
    ) -> None:
        """Paint a vessel through `points_mm`, (n, 3), with a radius at each point.

        Where it is thinner than a voxel it brightens the voxels by the share of them that it fills. With `organ`, the
        voxels whose centres lie inside become part of it.
        """
        for start, end, radius in zip(points_mm[:-1], points_mm[1:], radii_mm[:-1], strict=True):
            self._capsule(start, end, float(radius), hu, organ)

    def _capsule(
        self, start: NDArray[np.float64], end: NDArray[np.float64], radius: float, hu: float, organ: int | None
    ) -> None:
        axis = end - start
        length_squared = float(axis @ axis) or 1.0
        box = self.box((start + end) / 2, np.sqrt(length_squared) / 2 + radius + min(self.to_patient.spacing_mm))
        if box is None:
            return
        x, y, z = self.coordinates(box)
        dx, dy, dz = (values - np.float32(at) for values, at in zip((x, y, z), start, strict=True))
        a, b, c = (axis / length_squared).astype(np.float32)
        share = np.clip(dx * a + dy * b + dz * c, 0.0, 1.0)
        u, v, w = axis.astype(np.float32)
        distance = np.sqrt((dx - share * u) ** 2 + (dy - share * v) ** 2 + (dz - share * w) ** 2)
        width = np.float32(min(self.to_patient.spacing_mm))
        most = min(1.0, float((2 * radius / width) ** 2))
        filled = np.clip((radius - distance) / width + 0.5, 0.0, most)
        self.hu[box] += filled * (np.float32(hu) - self.hu[box])
        if organ is not None:
            self.organs[box][distance < radius] = organ


def _coordinate(affine: Affine, axis: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """World coordinate `axis` of each voxel; array axes that do not change it stay of length 1."""
    total = np.full((1, 1, 1), affine.matrix[axis, 3], dtype=np.float64)
    for array_axis, size in enumerate(shape):
        step = affine.matrix[axis, array_axis]
        if abs(step) > 1e-9:
            form = [1, 1, 1]
            form[array_axis] = size
            total = total + step * np.arange(size).reshape(form)
    return total.astype(np.float32)
