"""A made section through nerve tissue under a transmission electron microscope, with every membrane known exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable

MEMBRANE_LABELS = LabelTable.from_names(["inside", "membrane"])
"""Classes of the map of `membranes_phantom`."""

PIXEL_SIZE_MM = 4e-6
"""4 nm, as in the sections of ISBI 2012 (doi 10.3389/fnana.2015.00142)."""

_CYTOPLASM, _MEMBRANE, _MITOCHONDRION, _VESICLE = 175.0, 70.0, 105.0, 120.0
"""Mean grey values."""


def membranes_phantom(
    rng: np.random.Generator,
    *,
    shape: Sequence[int] = (512, 512),
    mean_diameter_voxel: float = 60.0,
    noise: float = 1.0,
) -> tuple[Image, LabelMap]:
    """A section ("CYX", uint8) and its membranes, drawn where two cells meet.

    Cells of all sizes press against each other with wavy borders; membranes vary in thickness and darkness, as they do
    where they run slantwise through the section. Mitochondria and vesicles are dark and are no membranes of cells.
    What stands in the label map is what was drawn.

    Args:
        rng: source of all that varies; same state, same picture.
        shape: rows and columns, each at least 32.
        mean_diameter_voxel: mean diameter of a cell, at least 12.
        noise: strength of the noise; 0 leaves the blurred picture, 1 is a usual exposure.

    Raises:
        InputError: a size or diameter that no picture can have.
    """
    size = (int(shape[0]), int(shape[1])) if len(shape) == 2 else (0, 0)
    if min(size) < 32 or mean_diameter_voxel < 12:
        message = (
            "membranes phantom: expected at least 32 rows and columns and cells of at least 12 pixels, "
            f"got {tuple(shape)} and {mean_diameter_voxel:g}."
        )
        raise InputError(message)
    cells, edge_distance = _cells(rng, size, mean_diameter_voxel)
    thickness = np.maximum(1.0, 2.2 + 0.8 * _smooth(rng, size, 25.0))
    membrane = edge_distance <= thickness
    grey = _CYTOPLASM + 14 * _smooth(rng, size, 40.0) + 9 * _smooth(rng, size, 2.0)
    grey = _with_organelles(rng, grey, cells, edge_distance)
    grey[membrane] = (_MEMBRANE + 18 * _smooth(rng, size, 12.0))[membrane]
    seen = ndimage.gaussian_filter(grey, 0.8) + noise * rng.normal(0.0, 9.0, size)
    affine = Affine(
        [[0.0, PIXEL_SIZE_MM, 0.0], [PIXEL_SIZE_MM, 0.0, 0.0], [0.0, 0.0, 1.0]], frame=WorldFrame.RAS
    )  # array axes are y, x; world axes are x, y
    metadata = ImageMetadata(notes=("generated picture, not a real section",))
    image = Image(np.clip(seen, 0, 255).astype(np.uint8)[np.newaxis], affine, "CYX", metadata)
    return image, LabelMap(membrane.astype(np.uint8), affine, "YX", MEMBRANE_LABELS)


def _smooth(rng: np.random.Generator, size: tuple[int, int], scale: float) -> NDArray[np.float64]:
    """A random field that varies over `scale` pixels, mean 0 and standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=size), scale, mode="wrap")
    return np.asarray((field - field.mean()) / field.std())


def _cells(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Number of the cell at each pixel, and its distance to the border with the next cell.

    Cells are the points nearest to one of several centres, seen through a smooth warp that makes their borders wavy.
    """
    count = max(4, int(2.2 * size[0] * size[1] / diameter**2))
    centres = rng.uniform((-diameter, -diameter), (size[0] + diameter, size[1] + diameter), (count, 2))
    places = np.moveaxis(np.indices(size, dtype=np.float64), 0, -1).copy()
    for axis in range(2):
        places[..., axis] += 0.18 * diameter * _smooth(rng, size, diameter / 3) + 1.5 * _smooth(rng, size, 6.0)
    cells = np.asarray(cKDTree(centres).query(places)[1])
    is_border = np.zeros(size, dtype=np.bool_)
    is_border[:-1] |= cells[:-1] != cells[1:]
    is_border[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    return cells, np.asarray(ndimage.distance_transform_edt(~is_border))


def _with_organelles(
    rng: np.random.Generator, grey: NDArray[np.float64], cells: NDArray[np.intp], edge_distance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mitochondria where there is room for one, and vesicles."""
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    drawn = grey.copy()
    for row, column in ndimage.maximum_position(edge_distance, cells, np.unique(cells)):
        radius = float(edge_distance[row, column])
        if radius > 14 and rng.random() < 0.6:
            angle, long, short = (
                rng.uniform(0, np.pi),
                rng.uniform(0.45, 0.65) * radius,
                rng.uniform(0.25, 0.4) * radius,
            )
            along = np.cos(angle) * (rows - row) + np.sin(angle) * (columns - column)
            across = -np.sin(angle) * (rows - row) + np.cos(angle) * (columns - column)
            inside = (along / long) ** 2 + (across / short) ** 2
            cristae = 22 * np.cos(2 * np.pi * along / 6.0)
            drawn = np.where(inside < 1, _MITOCHONDRION + cristae, drawn)
            drawn = np.where(np.abs(inside - 1) < 0.18, _MEMBRANE + 15, drawn)
    vesicles = (rng.random(grey.shape) < 8e-4) & (edge_distance > 5)
    rings = ndimage.distance_transform_edt(~vesicles)
    return np.where((rings > 1.2) & (rings < 2.8), _VESICLE, drawn)
