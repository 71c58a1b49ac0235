"""Grids as they come from scanners and microscopes, each with a name that says what is special about it."""

import itertools
from dataclasses import dataclass

import numpy as np

from medseg.geometry import Affine, Grid, WorldFrame

SPACING_MM = (0.5, 0.8, 3.0)
"""Anisotropic: three different steps, so that no mix-up of axes goes unseen."""
SHAPE = (5, 4, 3)
"""Three different sizes, for the same reason."""
ORIGIN_MM = (-12.5, 40.25, 7.0)

PAIRS = ("RL", "AP", "SI")
"""The letters of each world axis: towards which it grows in RAS, then away."""
ORIENTATIONS = tuple(
    "".join(letters) for pairs in itertools.permutations(PAIRS) for letters in itertools.product(*pairs)
)
"""All 48 orders and directions of three anatomical axes; half of them left-handed."""


@dataclass(frozen=True)
class GridCase:
    """A grid, its name and, for volumes, its anatomical letters worked out without medseg."""

    name: str
    grid: Grid
    orientation: str | None = None


def directions_of(orientation):
    """(3, 3) unit columns in RAS that point along the letters, from the letters' meaning alone."""
    columns = np.zeros((3, 3))
    for axis, letter in enumerate(orientation):
        world = next(i for i, pair in enumerate(PAIRS) if letter in pair)
        columns[world, axis] = 1.0 if letter == PAIRS[world][0] else -1.0
    return columns


def rotation(degrees_x, degrees_y, degrees_z):
    """(3, 3) rotation about x, then y, then z."""
    a, b, c = np.deg2rad([degrees_x, degrees_y, degrees_z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def volume(orientation, *, turn=None, shape=SHAPE, spacing_mm=SPACING_MM):
    """A grid whose axes grow towards `orientation`, turned by the rotation matrix `turn` where given."""
    direction = directions_of(orientation)
    if turn is not None:
        direction = turn @ direction
    affine = Affine.from_spacing(spacing_mm, frame=WorldFrame.RAS, origin_mm=ORIGIN_MM, direction=direction)
    return Grid(shape, affine)


def _planes():
    for swapped, first, second in itertools.product((False, True), (1.0, -1.0), (1.0, -1.0)):
        direction = np.diag([first, second])
        direction = direction[:, ::-1] if swapped else direction
        affine = Affine.from_spacing((0.5, 0.8), frame=WorldFrame.RAS, origin_mm=(3.0, -2.0), direction=direction)
        yield GridCase(f"plane-{'yx' if swapped else 'xy'}{first:+.0f}{second:+.0f}", Grid((5, 4), affine))


def _tilted_gantry():
    """CT whose slices are moved along the tilt: axes not at right angles (15 degrees about x)."""
    direction = np.eye(3)
    direction[:, 2] = rotation(-15, 0, 0)[:, 2]
    affine = Affine.from_spacing((0.7, 0.7, 5.0), frame=WorldFrame.RAS, origin_mm=ORIGIN_MM, direction=direction)
    return Grid(SHAPE, affine)


def _electron_microscope():
    """Serial sections: 4 x 4 x 50 nm voxels of a ZYX stack."""
    direction = np.eye(3)[:, ::-1]
    return Grid((4, 6, 5), Affine.from_spacing((50e-6, 4e-6, 4e-6), frame=WorldFrame.RAS, direction=direction))


OBLIQUE = rotation(12.0, -20.0, 8.0)
"""Less than 45 degrees in all, so that the letters stay what they are."""

STRAIGHT_VOLUMES = tuple(GridCase(f"straight-{code}", volume(code), code) for code in ORIENTATIONS)
OBLIQUE_VOLUMES = tuple(GridCase(f"oblique-{code}", volume(code, turn=OBLIQUE), code) for code in ORIENTATIONS)
PLANES = tuple(_planes())
ODD_VOLUMES = (
    GridCase("tilted-gantry", _tilted_gantry(), "RAS"),
    GridCase("electron-microscope", _electron_microscope(), "SAR"),
    GridCase("one-slice", volume("LPS", shape=(5, 4, 1)), "LPS"),
    GridCase("one-voxel", volume("RAS", shape=(1, 1, 1)), "RAS"),
)
VOLUMES = STRAIGHT_VOLUMES + OBLIQUE_VOLUMES + ODD_VOLUMES
ALL = VOLUMES + PLANES
