"""The frame of the generated patient: skin, fat, muscles, ribs, spine, cavity, and the table below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.datasets.phantoms.anatomy import Anatomy, Organ
from medseg.datasets.phantoms.canvas import Canvas

_RIB_PITCH_MM = 27.0
_RIB_SLOPE = 0.5
"""Ribs fall towards the front by this many mm a mm."""

_VERTEBRA_PITCH_MM = 31.0


@dataclass(frozen=True)
class Torso:
    """Fields over the whole volume that organs are fitted into.

    Attributes:
        body: voxels of the patient.
        depth_mm: distance below the skin along the ray from the body's middle.
        cavity: voxels inside muscles and ribs, and not in the spine.
        dome_mm: height of the diaphragm above each place, broadcasting to the volume.
        chest: voxels of the cavity above the diaphragm.
        belly: voxels of the cavity below it.
    """

    body: NDArray[np.bool_]
    depth_mm: NDArray[np.float32]
    cavity: NDArray[np.bool_]
    dome_mm: NDArray[np.float32]
    chest: NDArray[np.bool_]
    belly: NDArray[np.bool_]


def paint_torso(canvas: Canvas, patient: Anatomy) -> Torso:
    """Paint everything around the organs and return where there is room for them."""
    _paint_table(canvas, patient)
    depth = _depth_below_skin(canvas, patient)
    body = depth > 0
    fat_end, wall_end = _layers(canvas, patient)
    canvas.hu[body] = patient.hu("fat")
    canvas.hu[body & (depth < 2.0)] = patient.hu("skin")
    canvas.hu[depth > fat_end] = patient.hu("muscle")
    inside = depth > wall_end
    canvas.hu[inside] = patient.hu("fat")
    _paint_ribs(canvas, patient, depth, fat_end)
    _paint_sternum(canvas, patient)
    dome = _diaphragm(canvas, patient)
    spine_room = ((canvas.x / 27.0) ** 2 + ((canvas.y - patient.spine_y + 14.0) / 36.0) ** 2) < 1.0
    canvas.hu[inside & spine_room] = patient.hu("muscle")
    _paint_spine(canvas, patient, body)
    cavity = inside & ~spine_room
    above = canvas.z > dome
    canvas.hu[cavity & ~above & (canvas.z > dome - 3.5)] = patient.hu("muscle")
    return Torso(body, depth, cavity, dome, cavity & above, cavity & (canvas.z < dome - 3.5))


def _paint_table(canvas: Canvas, patient: Anatomy) -> None:
    """A curved carbon table with a mattress, below the back."""
    top = -patient.half_depth - patient.table_gap + (canvas.x / 165.0) ** 2 * 16.0
    below = top - canvas.y
    wide = np.abs(canvas.x) < 190.0
    canvas.hu[np.broadcast_to((below > 0) & (below < 9.0) & wide, canvas.hu.shape)] = -930.0
    canvas.hu[np.broadcast_to((below >= 9.0) & (below < 34.0) & wide, canvas.hu.shape)] = -955.0
    shell = ((below >= 9.0) & (below < 12.5)) | ((below >= 30.5) & (below < 34.0))
    canvas.hu[np.broadcast_to(shell & wide, canvas.hu.shape)] = -250.0


def _depth_below_skin(canvas: Canvas, patient: Anatomy) -> NDArray[np.float32]:
    """Distance below the skin in mm along the ray from the middle; negative outside."""
    x, y, z = canvas.x, canvas.y, canvas.z
    exponent = 2.35
    # The back is flatter than the front.
    depth_here = np.where(y < 0, patient.half_depth * 0.97, patient.half_depth)
    radius = (np.abs(x / patient.half_width) ** exponent + np.abs(y / depth_here) ** exponent) ** (1 / exponent)
    angle = np.arctan2(y, x)
    heights, phases = patient.outline_wobble.T
    wobble = sum(
        height * np.cos((order + 2) * angle + phase)
        for order, (height, phase) in enumerate(zip(heights, phases, strict=True))
    )
    taper = 1.0 - 0.06 * np.clip(z / 170.0, 0.0, 1.5) ** 2 - 0.03 * np.clip(-z / 170.0, 0.0, 1.5) ** 2
    from_middle = np.hypot(x, y)
    share = np.maximum(radius / (1.0 + wobble), 1e-3)
    return np.asarray((from_middle / share) * taper - from_middle, dtype=np.float32)


def _layers(canvas: Canvas, patient: Anatomy) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depths in mm where the fat under the skin ends and where the muscles end."""
    from_front = canvas.y / np.maximum(np.hypot(canvas.x, canvas.y), 1.0)
    lower = np.clip(-canvas.z / 160.0, -0.6, 1.0)
    fat = patient.fat * (1.0 + 0.22 * from_front * lower + 0.25 * lower - 0.2 * np.abs(from_front))
    back = np.where(canvas.y < 0, np.exp(-((canvas.x / 48.0) ** 2)), 0.0)
    wall = patient.wall * (0.9 + 1.1 * back - 0.15 * np.clip(-canvas.z / 100.0, 0, 1))
    return np.asarray(fat + 2.0, dtype=np.float32), np.asarray(fat + 2.0 + wall, dtype=np.float32)


def _paint_ribs(canvas: Canvas, patient: Anatomy, depth: NDArray[np.float32], fat_end: NDArray[np.float32]) -> None:
    along = canvas.z + _RIB_SLOPE * canvas.y
    turn = np.mod(along / _RIB_PITCH_MM + patient.rib_phase, 1.0) - 0.5
    radius = np.hypot((depth - fat_end - 0.62 * patient.wall) / 5.0, turn * (_RIB_PITCH_MM / 7.5))
    at_front = (canvas.y > 0.5 * patient.half_depth) & (np.abs(canvas.x) < 95.0)
    behind_spine = (canvas.y < 0) & (np.abs(canvas.x) < 26.0)
    ribs = (radius < 1.0) & (along > -78.0) & ~behind_spine
    cartilage = ribs & at_front
    _paint_bone(canvas, ribs & ~at_front, (radius > 0.62), patient)
    canvas.hu[cartilage & (canvas.z > 0)] = 110.0


def _paint_sternum(canvas: Canvas, patient: Anatomy) -> None:
    middle = patient.half_depth - patient.fat - 0.55 * patient.wall - 4.0
    radius = np.maximum(np.abs(canvas.x / 19.0), np.abs((canvas.y - middle) / 6.5))
    mask = (radius < 1.0) & (canvas.z > 42.0)
    _paint_bone(canvas, mask, np.broadcast_to(radius > 0.7, mask.shape), patient)


def _paint_bone(canvas: Canvas, mask: NDArray[np.bool_], shell: NDArray[np.bool_], patient: Anatomy) -> None:
    canvas.hu[mask] = patient.hu("marrow")
    canvas.hu[mask & shell] = patient.hu("cortical_bone")
    canvas.organs[mask] = Organ.BONES


def _paint_spine(canvas: Canvas, patient: Anatomy, body: NDArray[np.bool_]) -> None:
    x, y, z = canvas.x, canvas.y - patient.spine_y, canvas.z
    turn = np.mod(z / _VERTEBRA_PITCH_MM + patient.disc_phase, 1.0) - 0.5  # 0 is the middle of a disc
    waist = 1.0 - 0.14 * np.clip(np.abs(turn) * 2.0, 0.0, 1.0) ** 2
    radius = np.hypot(x / 20.0, y / 16.0) / waist
    column = radius < 1.0
    disc = np.abs(turn) < 0.12
    endplate = (np.abs(turn) < 0.18) | (radius > 0.88)
    _paint_bone(canvas, column & ~disc, np.broadcast_to(endplate, column.shape), patient)
    canvas.hu[column & disc] = patient.hu("disc")
    canal = np.hypot(x / 10.0, (y + 26.0) / 8.5)
    falling = np.mod((z - 0.7 * y) / _VERTEBRA_PITCH_MM + patient.disc_phase, 1.0) - 0.5
    arch = (canal < 1.75) & (y < -12.0) & (np.abs(turn) > 0.16)
    spinous = (np.abs(x) < 4.2) & (y < -30.0) & (y > -58.0) & (np.abs(falling) > 0.20)
    transverse = (np.abs(y + 27.0 + 0.12 * np.abs(x)) < 5.0) & (np.abs(x) < 37.0) & (np.abs(turn) > 0.33)
    processes = (arch | spinous | transverse) & body
    _paint_bone(canvas, processes, processes & ~(spinous & (np.abs(x) < 2.0)) & ~(canal > 1.5), patient)
    tunnel = np.broadcast_to(canal < 1.0, canvas.hu.shape)
    canvas.hu[tunnel] = 18.0
    canvas.hu[np.broadcast_to(canal < 0.55, canvas.hu.shape)] = 38.0
    canvas.organs[tunnel] = Organ.BACKGROUND


def _diaphragm(canvas: Canvas, patient: Anatomy) -> NDArray[np.float32]:
    """Height of the diaphragm: a dome on each side that falls steeply towards ribs and back."""
    sides = (
        height - 46.0 * ((canvas.x - middle) / 78.0) ** 2 - 62.0 * ((canvas.y - 14.0) / 78.0) ** 2
        for height, middle in ((patient.dome_right, 68.0), (patient.dome_left, -68.0))
    )
    right, left = sides
    return np.asarray(np.maximum(np.maximum(right, left), -105.0), dtype=np.float32)
