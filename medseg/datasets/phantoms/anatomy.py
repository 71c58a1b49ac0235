"""The numbers that make one generated patient: sizes, places and tissue values, drawn before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class Organ(IntEnum):
    """What a voxel of the phantom belongs to; the values of the label map with organs (1 is a lesion)."""

    BACKGROUND = 0
    LESION = 1
    LIVER = 2
    LUNGS = 3
    KIDNEYS = 4
    SPLEEN = 5
    HEART = 6
    AORTA = 7
    BONES = 8


TISSUE_HU = MappingProxyType(
    {
        "air": -1000.0,
        "lung": -840.0,
        "fat": -100.0,
        "water": 5.0,
        "skin": 5.0,
        "muscle": 58.0,
        "liver": 108.0,
        "spleen": 118.0,
        "kidney_cortex": 185.0,
        "kidney_medulla": 145.0,
        "myocardium": 100.0,
        "blood": 155.0,
        "vein": 135.0,
        "bowel": 35.0,
        "disc": 75.0,
        "marrow": 190.0,
        "cortical_bone": 620.0,
        "liver_lesion": 48.0,
        "lung_nodule": 25.0,
    }
)
"""Nominal CT values in HU, portal venous phase, of the tissues; single patients differ by a few per cent."""


@dataclass(frozen=True)
class Anatomy:
    """One patient. Lengths are in mm of a usual adult (`scale` shrinks or stretches the whole of it afterwards).

    Patient coordinates: x grows to the patient's right, y to the front, z to the head; the origin is the middle of the
    body at the height of the diaphragm.

    Attributes:
        scale: size of this patient against a usual adult.
        half_width, half_depth: of the body's outline.
        outline_wobble: (3, 2) heights and phases of the outline's irregularity.
        fat: thickness of the fat under the skin.
        wall: thickness of the muscles around the cavity.
        rib_phase, disc_phase: where along the body the first rib and the first disc lie, as a share of their pitch.
        dome_right, dome_left: height of the diaphragm above the origin.
        liver_shift, heart_shift, spleen_shift, stomach_shift: (3,) displacement from the usual place.
        kidney_shifts: (2, 3) the same for the right and the left kidney.
        tissue_factor: factor on the nominal values of soft organs.
        table_gap: distance of the table top from the back.
    """

    scale: float
    half_width: float
    half_depth: float
    outline_wobble: NDArray[np.float64]
    fat: float
    wall: float
    rib_phase: float
    disc_phase: float
    dome_right: float
    dome_left: float
    liver_shift: NDArray[np.float64]
    heart_shift: NDArray[np.float64]
    spleen_shift: NDArray[np.float64]
    stomach_shift: NDArray[np.float64]
    kidney_shifts: NDArray[np.float64]
    tissue_factor: float
    table_gap: float

    @property
    def spine_y(self) -> float:
        """Front-to-back place of the middle of the vertebral bodies."""
        return -self.half_depth + 1.15 * self.fat + 52.0

    def hu(self, tissue: str) -> float:
        """Value of `tissue` in this patient."""
        nominal = TISSUE_HU[tissue]
        return nominal * self.tissue_factor if 20.0 < nominal < 200.0 else nominal


_ADULT_HALF_WIDTH_MM = 165.0


def draw_anatomy(rng: np.random.Generator, *, field_of_view_mm: float) -> Anatomy:
    """A patient who fills most of an in-plane field of view of `field_of_view_mm`."""
    return Anatomy(
        scale=float(field_of_view_mm * rng.uniform(0.395, 0.435) / _ADULT_HALF_WIDTH_MM),
        half_width=_ADULT_HALF_WIDTH_MM,
        half_depth=float(_ADULT_HALF_WIDTH_MM * rng.uniform(0.64, 0.72)),
        outline_wobble=np.column_stack([rng.normal(0.0, [0.012, 0.010, 0.006]), rng.uniform(0, 2 * np.pi, 3)]),
        fat=float(rng.uniform(9.0, 22.0)),
        wall=float(rng.uniform(15.0, 19.0)),
        rib_phase=float(rng.uniform(0, 1)),
        disc_phase=float(rng.uniform(0, 1)),
        dome_right=float(rng.uniform(38.0, 52.0)),
        dome_left=float(rng.uniform(24.0, 36.0)),
        liver_shift=rng.normal(0.0, 4.0, 3),
        heart_shift=rng.normal(0.0, 3.0, 3),
        spleen_shift=rng.normal(0.0, 6.0, 3),
        stomach_shift=rng.normal(0.0, 8.0, 3),
        kidney_shifts=rng.normal(0.0, [4.0, 4.0, 9.0], (2, 3)),
        tissue_factor=float(rng.uniform(0.95, 1.05)),
        table_gap=float(rng.uniform(1.0, 6.0)),
    )
