"""What lies below the diaphragm of the generated patient: liver, spleen, kidneys, stomach, bowel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.datasets.phantoms.anatomy import Anatomy, Organ
from medseg.datasets.phantoms.canvas import Canvas
from medseg.datasets.phantoms.torso import Torso
from medseg.datasets.phantoms.vessels import draw_tree


def paint_belly(canvas: Canvas, patient: Anatomy, torso: Torso, rng: np.random.Generator) -> None:
    """Paint the organs of the belly; later ones keep off earlier ones."""
    _paint_psoas(canvas, patient, torso)
    _paint_liver(canvas, patient, torso, rng)
    _paint_spleen(canvas, patient, torso)
    _paint_kidneys(canvas, patient, torso, rng)
    _paint_pancreas(canvas, torso)
    _paint_stomach(canvas, patient, torso)
    _paint_colon(canvas, torso, rng)
    _paint_bowel(canvas, patient, torso, rng)


def _free(canvas: Canvas, torso: Torso) -> NDArray[np.bool_]:
    """Voxels of the belly that hold nothing but fat so far."""
    return np.asarray(torso.belly & (canvas.organs == Organ.BACKGROUND) & (canvas.hu < -50.0))


def _paint_psoas(canvas: Canvas, patient: Anatomy, torso: Torso) -> None:
    size = np.clip((-55.0 - canvas.z) / 60.0, 0.0, 1.0) * 10.0 + 9.0
    across = np.hypot((np.abs(canvas.x) - 30.0 - 0.4 * size) / size, (canvas.y - patient.spine_y + 8.0) / (1.25 * size))
    canvas.hu[torso.belly & (across < 1.0) & (canvas.z < -55.0)] = patient.hu("muscle")
    quadratus = np.hypot((np.abs(canvas.x) - 62.0) / 22.0, (canvas.y - patient.spine_y + 30.0) / 11.0)
    canvas.hu[torso.belly & (quadratus < 1.0) & (canvas.z < -70.0)] = patient.hu("muscle")


def _paint_liver(canvas: Canvas, patient: Anatomy, torso: Torso, rng: np.random.Generator) -> None:
    top = patient.dome_right
    shift = patient.liver_shift
    mask = np.zeros(canvas.hu.shape, dtype=bool)
    for centre, semi_axes in (
        ((74.0, 0.0, top - 66.0), (86.0, 88.0, 82.0)),
        ((8.0, 40.0, top - 42.0), (78.0, 44.0, 44.0)),
    ):
        found = canvas.ellipsoid(np.array(centre) + shift, semi_axes)
        if found is not None:
            box, radius = found
            mask[box] |= radius < 1.0
    lower_edge = top - 78.0 - 0.55 * canvas.x - 0.12 * canvas.y
    mask &= torso.belly & (canvas.z > lower_edge + shift[2]) & (canvas.hu < -50.0)
    before_spine = np.hypot((canvas.x + 2.0) / 34.0, (canvas.y - patient.spine_y - 14.0) / 34.0)
    mask &= before_spine > 1.0
    outside = np.where(mask, 0.0, canvas.hu)
    canvas.paint(canvas.everywhere, mask, patient.hu("liver"), Organ.LIVER)
    _paint_liver_vessels(canvas, patient, rng)
    canvas.hu[...] = np.where(mask, canvas.hu, outside)
    gallbladder = canvas.ellipsoid(np.array([46.0, 38.0, top - 108.0]) + shift, (14.0, 17.0, 25.0))
    if gallbladder is not None:
        box, radius = gallbladder
        inside = (radius < 1.0) & torso.belly[box]
        canvas.paint(box, inside, patient.hu("muscle"), Organ.BACKGROUND)
        canvas.paint(box, inside & (radius < 0.88), patient.hu("water") + 6.0)


def _paint_liver_vessels(canvas: Canvas, patient: Anatomy, rng: np.random.Generator) -> None:
    top, shift = patient.dome_right, patient.liver_shift
    porta = np.array([30.0, 2.0, top - 80.0]) + shift
    bright = patient.hu("blood")
    for direction, size in (([0.9, -0.1, 0.35], 5.5), ([0.1, 0.6, 0.8], 4.5), ([0.7, -0.6, -0.3], 4.5)):
        for points, radii in draw_tree(rng, porta, np.array(direction), radius_mm=size, length_mm=34.0, levels=5):
            canvas.tube(points, radii, bright)
    veins = np.array([20.0, patient.spine_y + 34.0, top - 22.0]) + shift
    for direction, size in (([0.95, 0.1, -0.2], 5.0), ([0.55, 0.7, -0.3], 4.5), ([-0.3, 0.9, -0.2], 4.0)):
        for points, radii in draw_tree(rng, veins, np.array(direction), radius_mm=size, length_mm=38.0, levels=4):
            canvas.tube(points, radii, bright - 8.0)


def _paint_spleen(canvas: Canvas, patient: Anatomy, torso: Torso) -> None:
    centre = np.array([-100.0, -38.0, patient.dome_left - 48.0]) + patient.spleen_shift
    found = canvas.ellipsoid(centre, (30.0, 44.0, 52.0), _turn_about_z(25.0))
    if found is not None:
        box, radius = found
        canvas.paint(box, (radius < 1.0) & _free(canvas, torso)[box], patient.hu("spleen"), Organ.SPLEEN)


def _paint_kidneys(canvas: Canvas, patient: Anatomy, torso: Torso, rng: np.random.Generator) -> None:
    for side, shift, height in zip((1.0, -1.0), patient.kidney_shifts, (-92.0, -80.0), strict=True):
        centre = np.array([side * 62.0, patient.spine_y + 2.0, height]) + shift
        turn = _turn_about_z(-side * 30.0)
        found = canvas.ellipsoid(centre, (30.0, 24.0, 52.0), turn)
        if found is None:
            continue
        box, radius = found
        free = torso.belly[box] & ((canvas.organs[box] == 0) | (canvas.organs[box] == Organ.LIVER))
        near = (radius < 1.22) & free
        canvas.paint(box, near, patient.hu("fat"), Organ.BACKGROUND)
        canvas.paint(box, (radius < 1.0) & free, patient.hu("kidney_cortex"), Organ.KIDNEYS)
        _paint_pyramids(canvas, patient, centre, rng)
        sinus = canvas.ellipsoid(centre + turn @ np.array([-side * 12.0, 4.0, 0.0]), (17.0, 9.0, 26.0), turn)
        if sinus is not None:
            box, radius = sinus
            mask = (radius < 1.0) & (canvas.organs[box] == Organ.KIDNEYS)
            canvas.paint(box, mask, -60.0, Organ.BACKGROUND)
            canvas.paint(box, mask & (radius < 0.5), patient.hu("water"))


def _paint_pyramids(canvas: Canvas, patient: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> None:
    for height in (-30.0, -10.0, 10.0, 30.0):
        for angle in rng.uniform(0, 2 * np.pi, 3):
            offset = np.array([14.0 * np.cos(angle), 11.0 * np.sin(angle), height])
            found = canvas.ellipsoid(centre + offset, (7.5, 7.5, 8.0))
            if found is not None:
                box, radius = found
                inside = (radius < 1.0) & (canvas.organs[box] == Organ.KIDNEYS)
                canvas.paint(box, inside, patient.hu("kidney_medulla"))


def _paint_pancreas(canvas: Canvas, torso: Torso) -> None:
    outside = np.where(_free(canvas, torso), np.nan, canvas.hu)
    points = np.array([[34, 12, -76], [30, 14, -56], [0, 22, -46], [-40, 8, -36], [-74, -8, -28]], dtype=np.float64)
    canvas.tube(points, np.array([12.0, 13.0, 9.0, 8.5, 8.0]), 95.0)
    canvas.hu[...] = np.where(np.isnan(outside), canvas.hu, outside)


def _paint_stomach(canvas: Canvas, patient: Anatomy, torso: Torso) -> None:
    centre = np.array([-56.0, 34.0, patient.dome_left - 44.0]) + patient.stomach_shift
    found = canvas.ellipsoid(centre, (44.0, 36.0, 46.0), _turn_about_z(-20.0))
    if found is None:
        return
    box, radius = found
    mask = (radius < 1.0) & _free(canvas, torso)[box]
    _, y, _ = canvas.coordinates(box)
    canvas.paint(box, mask, 75.0)
    canvas.paint(box, mask & (radius < 0.88), patient.hu("bowel"))
    canvas.paint(box, mask & (radius < 0.88) & (y > centre[1] + 14.0), patient.hu("air") + 20.0)


def _paint_colon(canvas: Canvas, torso: Torso, rng: np.random.Generator) -> None:
    free = _free(canvas, torso)
    outside = canvas.hu.copy()
    for side in (1.0, -1.0):
        heights = np.arange(-240.0, -58.0 if side > 0 else -38.0, 9.0)
        wander = rng.normal(0.0, 3.0, (heights.size, 2))
        points = np.column_stack([side * 106.0 + wander[:, 0], -14.0 + wander[:, 1], heights])
        canvas.tube(points, 17.0 + rng.normal(0.0, 1.6, heights.size), 62.0)
        canvas.tube(points, 14.0 + rng.normal(0.0, 1.8, heights.size), -30.0)
        canvas.tube(points + np.array([0.0, 4.0, 0.0]), np.clip(rng.normal(6.0, 3.5, heights.size), 0.5, 10.0), -900.0)
    canvas.hu[...] = np.where(free, canvas.hu, outside)


def _paint_bowel(canvas: Canvas, patient: Anatomy, torso: Torso, rng: np.random.Generator) -> None:
    """Loops of small bowel in front, some with gas that rises."""
    free = _free(canvas, torso)
    for _ in range(75):
        centre = np.array([rng.uniform(-92, 92), rng.uniform(-8, 62), rng.uniform(-230, -72)])
        size = rng.uniform(11.0, 16.0)
        turn = _turn_about_z(float(rng.uniform(0, 180)))
        found = canvas.ellipsoid(centre, (size * rng.uniform(1.2, 2.4), size, size * 1.1), turn)
        gas = rng.random() < 0.22
        if found is None:
            continue
        box, radius = found
        mask = (radius < 1.0) & free[box]
        _, y, _ = canvas.coordinates(box)
        canvas.paint(box, mask, 82.0)
        canvas.paint(box, mask & (radius < 0.80), patient.hu("bowel") + float(rng.normal(0, 8)))
        if gas:
            canvas.paint(box, mask & (radius < 0.80) & (y > centre[1] + 2.0), -920.0)
        free[box] &= radius > 1.12


def _turn_about_z(degrees: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
