"""Lesions of the generated patient: ellipsoids of known volume, each wholly inside one organ."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.datasets.phantoms.anatomy import Anatomy, Organ
from medseg.datasets.phantoms.canvas import Box, Canvas

_HOSTS = MappingProxyType({Organ.LIVER: "liver_lesion", Organ.LUNGS: "lung_nodule"})
"""Organs that get lesions, and the tissue of which those are made."""

_MARGIN_MM = 1.0
"""Least distance from the surface of a lesion to that of its organ and of other lesions."""

_COUNT = (2, 5)
"""Fewest and most lesions of a patient."""


@dataclass(frozen=True)
class Lesion:
    """One lesion as it was drawn: the exact truth.

    Attributes:
        organ: organ that it lies in.
        centre_mm: world position (RAS) of its middle.
        semi_axes_mm: of the ellipsoid.
        rotation: (3, 3); column j is the direction of semi-axis j.
        mean_hu: value that it was painted with.
    """

    organ: Organ
    centre_mm: tuple[float, float, float]
    semi_axes_mm: tuple[float, float, float]
    rotation: NDArray[np.float64]
    mean_hu: float

    @property
    def volume_mm3(self) -> float:
        """Volume of the ellipsoid."""
        a, b, c = self.semi_axes_mm
        return float(4.0 / 3.0 * np.pi * a * b * c)

    def as_dict(self) -> dict[str, object]:
        """The truth in plain numbers, for a JSON file."""
        return {
            "organ": self.organ.name.lower(),
            "centre_mm": [round(value, 4) for value in self.centre_mm],
            "semi_axes_mm": [round(value, 4) for value in self.semi_axes_mm],
            "volume_mm3": round(self.volume_mm3, 4),
            "mean_hu": round(self.mean_hu, 2),
        }


class _Room:
    """Where in one organ a lesion of a given reach has room."""

    def __init__(self, canvas: Canvas, organ: Organ) -> None:
        mask = canvas.organs == organ
        self.is_empty = not mask.any()
        if self.is_empty:
            return
        self._box: Box = ndimage.find_objects(mask.astype(np.uint8))[0]
        # The volume's own faces count as surfaces, so that no lesion is cut off there.
        padded = np.pad(mask[self._box], 1)
        spacing = canvas.to_patient.spacing_mm
        self._room = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1].astype(np.float32)
        self._coordinates = canvas.coordinates(self._box)

    def find(self, rng: np.random.Generator, reach_mm: float) -> NDArray[np.float64] | None:
        """Patient position of a voxel about which a ball of `reach_mm` is free, each equally likely."""
        if self.is_empty:
            return None
        candidates = np.flatnonzero(self._room > reach_mm + _MARGIN_MM)
        if candidates.size == 0:
            return None
        index = np.unravel_index(int(rng.choice(candidates)), self._room.shape)
        shape = self._room.shape
        return np.array([np.broadcast_to(values, shape)[index] for values in self._coordinates], dtype=np.float64)

    def occupy(self, centre: NDArray[np.float64], reach_mm: float) -> None:
        """Leave no room for others within the ball."""
        if self.is_empty:
            return
        x, y, z = (values - np.float32(at) for values, at in zip(self._coordinates, centre, strict=True))
        np.minimum(self._room, np.sqrt(x * x + y * y + z * z) - np.float32(reach_mm), out=self._room)


def paint_lesions(
    canvas: Canvas, patient: Anatomy, rng: np.random.Generator, *, fraction: tuple[float, float]
) -> tuple[Lesion, ...]:
    """Paint lesions whose volumes add up to a share of the whole volume, and return what they are.

    The share is drawn from `fraction`, evenly on a logarithmic scale. Small lesions are as common as large ones. A
    lesion for which no organ has room is made smaller until it fits; an organ outside the volume gets none.
    """
    rooms = {organ: _Room(canvas, organ) for organ in _HOSTS}
    share = float(np.exp(rng.uniform(np.log(fraction[0]), np.log(fraction[1]))))
    voxel_mm3 = canvas.grid.voxel_volume_mm3
    total_mm3 = share * voxel_mm3 * float(np.prod(canvas.grid.spatial_shape))
    parts = np.exp(rng.normal(0.0, 0.8, int(rng.integers(_COUNT[0], _COUNT[1] + 1))))
    lesions = []
    for volume_mm3 in np.sort(total_mm3 * parts / parts.sum())[::-1]:
        lesion = _place(canvas, patient, rng, rooms, max(float(volume_mm3), voxel_mm3))
        if lesion is not None:
            lesions.append(lesion)
    return tuple(lesions)


def _place(
    canvas: Canvas, patient: Anatomy, rng: np.random.Generator, rooms: dict[Organ, _Room], volume_mm3: float
) -> Lesion | None:
    stretch = np.exp(rng.normal(0.0, 0.16, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    # Lengths on the canvas are those of a usual adult.
    semi_axes = stretch * (0.75 * volume_mm3 / np.pi) ** (1 / 3) / patient.scale
    turn = _random_rotation(rng)
    order = [Organ.LIVER, Organ.LUNGS] if rng.random() < 0.6 else [Organ.LUNGS, Organ.LIVER]
    while semi_axes.max() > 0.1:
        for organ in order:
            centre = rooms[organ].find(rng, float(semi_axes.max()))
            if centre is not None:
                rooms[organ].occupy(centre, float(semi_axes.max()))
                return _paint(canvas, patient, rng, organ, (centre, semi_axes, turn))
        semi_axes = semi_axes * 0.85
    return None


def _paint(
    canvas: Canvas,
    patient: Anatomy,
    rng: np.random.Generator,
    organ: Organ,
    place: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> Lesion | None:
    centre, semi_axes, turn = place
    hu = patient.hu(_HOSTS[organ]) + float(rng.uniform(-12, 12))
    found = canvas.ellipsoid(centre, tuple(semi_axes), turn)
    if found is None:
        return None
    box, radius = found
    canvas.paint(box, radius <= 1.0, hu, Organ.LESION)
    patient_to_world = np.linalg.inv(canvas.to_patient.matrix @ np.linalg.inv(canvas.grid.affine.matrix))
    world = patient_to_world[:3, :3] @ centre + patient_to_world[:3, 3]
    a, b, c = semi_axes * patient.scale
    return Lesion(organ, (float(world[0]), float(world[1]), float(world[2])), (float(a), float(b), float(c)), turn, hu)


def _random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation, all equally likely (QR of a normal matrix with the signs made unique)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if np.linalg.det(q) > 0 else -q)
