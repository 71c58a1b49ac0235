"""What lies above the diaphragm of the generated patient: lungs with their vessels, heart, aorta, airways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.datasets.phantoms.anatomy import Anatomy, Organ
from medseg.datasets.phantoms.canvas import Canvas
from medseg.datasets.phantoms.torso import Torso
from medseg.datasets.phantoms.vessels import draw_tree

_LUNG_BRANCHES = (
    (0.6, 0.45, 0.65),
    (0.35, -0.35, 0.85),
    (0.75, 0.1, -0.65),
    (0.35, -0.45, -0.8),
    (0.55, -0.75, -0.1),
    (0.5, 0.75, -0.25),
    (0.9, 0.05, 0.15),
)
"""Directions, away from the middle, front and head, in which the vessels of a lung leave its root."""


def paint_chest(canvas: Canvas, patient: Anatomy, torso: Torso, rng: np.random.Generator) -> None:
    """Paint lungs, heart, great vessels and airways."""
    lungs = torso.chest & ~_mediastinum(canvas, patient) & _below_apex(canvas)
    lungs &= torso.depth_mm > patient.fat + patient.wall + 1.0
    heart = _heart_mask(canvas, patient, torso, 1.10)
    lungs &= ~heart
    canvas.organs[lungs] = Organ.LUNGS
    _paint_lungs(canvas, patient, lungs, rng)
    _paint_heart(canvas, patient, torso)
    _paint_great_vessels(canvas, patient)
    _paint_airways(canvas)


def _mediastinum(canvas: Canvas, patient: Anatomy) -> NDArray[np.bool_]:
    """Voxels between the lungs: narrow behind the breastbone, wide before the spine."""
    x, y, z = canvas.x, canvas.y, canvas.z
    near_spine = np.exp(-(((y - patient.spine_y - 12.0) / 34.0) ** 2))
    roots = np.exp(-(((z - 92.0) / 30.0) ** 2)) * np.exp(-(((y + 2.0) / 30.0) ** 2))
    half_width = 13.0 + 17.0 * near_spine + 15.0 * roots + 12.0 * np.clip((z - 110.0) / 60.0, 0.0, 1.0)
    return np.asarray(np.abs(x - 1.0) < half_width)


def _below_apex(canvas: Canvas) -> NDArray[np.bool_]:
    """Voxels below the rounded tops of the lungs."""
    height = np.clip((canvas.z - 95.0) / 115.0, 0.0, 1.2)
    shoulder = ((np.abs(canvas.x) - 58.0) / 92.0) ** 2 + ((canvas.y + 8.0) / 95.0) ** 2
    return np.asarray(shoulder + height**2 < 1.25)


def _paint_lungs(canvas: Canvas, patient: Anatomy, lungs: NDArray[np.bool_], rng: np.random.Generator) -> None:
    outside = np.where(lungs, 0.0, canvas.hu)
    # Blood sinks: the lung is denser towards the back of a patient who lies on it.
    gravity = patient.hu("lung") + 12.0 - 0.35 * canvas.y
    canvas.hu[...] = gravity
    for side in (1.0, -1.0):
        root = np.array([side * 34.0, -4.0, 90.0])
        for direction in _LUNG_BRANCHES:
            start = np.array([side * direction[0], direction[1], direction[2]])
            for points, radii in draw_tree(rng, root, start, radius_mm=4.8, length_mm=32.0, levels=7):
                canvas.tube(points, radii, 42.0)
    canvas.hu[...] = np.where(lungs, canvas.hu, outside)


def _heart_turn() -> NDArray[np.float64]:
    """Columns: long axis (to the left, front and down), then two across it."""
    long_axis = np.array([-0.78, 0.52, -0.35])
    long_axis /= np.linalg.norm(long_axis)
    across = np.cross(long_axis, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    return np.column_stack([long_axis, across, np.cross(long_axis, across)])


def _heart_centre(patient: Anatomy) -> NDArray[np.float64]:
    return np.array([-20.0, 22.0, patient.dome_left + 30.0]) + patient.heart_shift


def _heart_mask(canvas: Canvas, patient: Anatomy, torso: Torso, size: float) -> NDArray[np.bool_]:
    mask = np.zeros(canvas.hu.shape, dtype=bool)
    found = canvas.ellipsoid(_heart_centre(patient), (58.0 * size, 45.0 * size, 43.0 * size), _heart_turn())
    if found is not None:
        box, radius = found
        mask[box] = (radius < 1.0) & torso.chest[box]
    return mask


def _paint_heart(canvas: Canvas, patient: Anatomy, torso: Torso) -> None:
    heart = _heart_mask(canvas, patient, torso, 1.0)
    canvas.paint(canvas.everywhere, heart, patient.hu("myocardium"), Organ.HEART)
    turn = _heart_turn()
    chambers = (
        ((20.0, 8.0, -5.0), (27.0, 17.0, 17.0)),  # left ventricle
        ((12.0, -22.0, 5.0), (32.0, 13.0, 20.0)),  # right ventricle, before it
        ((-28.0, 14.0, 6.0), (17.0, 20.0, 18.0)),  # left atrium
        ((-26.0, -16.0, -4.0), (17.0, 18.0, 21.0)),  # right atrium
    )
    for offset, semi_axes in chambers:
        found = canvas.ellipsoid(_heart_centre(patient) + turn @ np.array(offset), semi_axes, turn)
        if found is not None:
            box, radius = found
            canvas.paint(box, (radius < 1.0) & heart[box], patient.hu("blood"))


def _paint_great_vessels(canvas: Canvas, patient: Anatomy) -> None:
    before_spine = patient.spine_y + 27.0
    heart = _heart_centre(patient)
    vein, blood = patient.hu("vein"), patient.hu("blood")
    _tube(canvas, [(20, before_spine + 4, -250), (21, before_spine + 4, -20), (20, 2, heart[2] - 18)], 11.0, vein)
    _tube(canvas, [(24, 8, heart[2]), (27, 12, 110), (26, 8, 190)], 9.5, vein)
    _tube(canvas, [(-6, 32, heart[2] + 25), (-14, 18, 104), (-20, 6, 106)], 13.0, blood)
    _tube(canvas, [(-18, 6, 106), (-44, -6, 98)], 10.0, blood)
    _tube(canvas, [(-16, 8, 104), (8, 0, 98), (42, -6, 92)], 10.0, blood)
    aorta = [
        (-9, before_spine, -250),
        (-9, before_spine, -60),
        (-17, before_spine - 3, 30),
        (-19, before_spine, 112),
        (-22, before_spine + 12, 128),
        (-18, 8, 136),
        (-3, 21, 130),
        (8, 26, 108),
        (2, 24, heart[2] + 14),
    ]
    _tube(canvas, aorta, 11.5, patient.hu("blood") + 8.0, organ=Organ.AORTA)
    _tube(canvas, [(1, before_spine + 2, 190), (1, before_spine + 2, 60), (-14, 12, 12)], 6.0, 45.0)


def _paint_airways(canvas: Canvas) -> None:
    windpipe = [(7, -3, 200), (7, -2, 112)]
    for points, radius in (
        (windpipe, 9.0),
        ([(7, -2, 113), (26, -2, 96), (44, -6, 86)], 6.5),
        ([(7, -2, 113), (-20, 5, 98), (-46, -2, 88)], 6.0),
    ):
        _tube(canvas, points, radius + 1.8, 30.0, organ=Organ.BACKGROUND)
        _tube(canvas, points, radius, -985.0)


def _tube(
    canvas: Canvas, points: Sequence[Sequence[float]], radius: float, hu: float, *, organ: int | None = None
) -> None:
    canvas.tube(np.array(points, dtype=np.float64), np.full(len(points), radius), hu, organ)
