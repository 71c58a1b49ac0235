"""A made picture of touching cells under a fluorescence microscope, with every cell known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable

CELL_LABELS = LabelTable.from_names(["background", "cell"])
"""Classes of the semantic map of `cells_phantom`."""

PIXEL_SIZE_MM = 5e-4
"""0.5 micrometres: a 20x objective on a common camera."""

_SMALLEST_CELL_PIXELS = 30
"""Slivers that survive between larger cells are no cells anyone would draw."""

_HIGHEST_COUNT = 4095
"""Full scale of a 12-bit camera."""


@dataclass(frozen=True)
class _Cell:
    """One cell before it is pressed against its neighbours: an ellipse whose radius wobbles with the angle."""

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float
    wobble: tuple[float, ...]
    phases: tuple[float, ...]
    brightness: float
    nucleus_offset: tuple[float, float]


def cells_phantom(
    rng: np.random.Generator,
    *,
    shape: Sequence[int] = (256, 256),
    coverage: float = 0.45,
    mean_radius_voxel: float = 13.0,
    noise: float = 1.0,
) -> tuple[Image, LabelMap]:
    """A picture of touching cells ("CYX", uint16) and the number of the cell each pixel belongs to.

    Cells grow in clusters and share straight borders where they touch. The light is uneven, the focus soft, part of it
    comes from out of focus; photons and camera add noise. Bright debris is no cell. What stands in the label map is
    what was drawn: it does not follow from the picture by any threshold. `cell_mask` makes the semantic map of it.

    Args:
        rng: source of all that varies; same state, same picture.
        shape: rows and columns, each at least 32.
        coverage: share of the picture that cells should cover, 0 to 0.8, reached roughly.
        mean_radius_voxel: mean radius of a cell.
        noise: strength of the noise; 0 leaves the blurred picture, 1 is a usual exposure.

    Raises:
        InputError: a size, coverage or radius that no picture can have.
    """
    _check_arguments(shape, coverage=coverage, mean_radius_voxel=mean_radius_voxel)
    size = (int(shape[0]), int(shape[1]))
    cells = _draw_cells(rng, size, coverage=coverage, mean_radius=mean_radius_voxel)
    numbers, nearness = _rasterise(cells, size)
    numbers = _without_fragments(numbers)
    light = _cell_light(rng, cells, numbers, nearness)
    counts = _camera(rng, light, noise=noise)
    instances = _numbered_without_gaps(numbers)
    affine = Affine(
        [[0.0, PIXEL_SIZE_MM, 0.0], [PIXEL_SIZE_MM, 0.0, 0.0], [0.0, 0.0, 1.0]], frame=WorldFrame.RAS
    )  # array axes are y, x; world axes are x, y
    metadata = ImageMetadata(modality="GM", value_unit="counts", notes=("generated picture, not a real sample",))
    image = Image(counts[np.newaxis], affine, "CYX", metadata)
    return image, LabelMap(instances, affine, "YX", CELL_LABELS, LabelKind.INSTANCES)


def _numbered_without_gaps(numbers: NDArray[np.int32]) -> NDArray[np.uint16]:
    kept, index = np.unique(numbers, return_inverse=True)
    first = 0 if kept[0] == 0 else 1
    return np.asarray(index.reshape(numbers.shape) + first, dtype=np.uint16)


def cell_mask(instances: LabelMap) -> LabelMap:
    """Semantic map of an instance map: 1 inside cells, 0 elsewhere and on the border between touching cells.

    Every pixel with a neighbour (of eight) in another cell becomes background, so that the cells are the connected
    components of the mask and can be counted again.
    """
    mask = (instances.array > 0) & ~_touches_another(instances.array)
    return LabelMap(mask.astype(np.uint8), instances.affine, instances.axes, CELL_LABELS)


def _check_arguments(shape: Sequence[int], *, coverage: float, mean_radius_voxel: float) -> None:
    if len(shape) != 2 or min(shape) < 32:
        message = f"cells phantom: expected two sizes of at least 32 pixels, got {tuple(shape)}."
        raise InputError(message)
    if not 0 <= coverage <= 0.8:
        message = f"cells phantom: expected a coverage of 0 to 0.8, got {coverage:g}."
        raise InputError(message)
    if not 4 <= mean_radius_voxel <= min(shape) / 4:
        message = f"cells phantom: expected a mean radius of 4 to {min(shape) / 4:g} pixels, got {mean_radius_voxel:g}."
        raise InputError(message)


def _draw_cells(
    rng: np.random.Generator, shape: tuple[int, int], *, coverage: float, mean_radius: float
) -> list[_Cell]:
    """Cells in clusters: half of them start beside one that is there already, the others anywhere."""
    wanted = coverage * shape[0] * shape[1]
    cells: list[_Cell] = []
    covered = 0.0
    for _ in range(20 * int(1 + wanted / mean_radius**2)):
        if covered >= wanted:
            break
        radius = mean_radius * float(np.clip(rng.normal(1.0, 0.18), 0.6, 1.6))
        if cells and rng.random() < 0.65:
            mother = cells[int(rng.integers(len(cells)))]
            direction = rng.uniform(0, 2 * np.pi)
            step = 0.85 * (radius + np.mean(mother.semi_axes))
            centre = mother.centre[0] + step * np.sin(direction), mother.centre[1] + step * np.cos(direction)
        else:
            centre = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        cell = _draw_cell(rng, (float(centre[0]), float(centre[1])), radius)
        if _has_room(cell, cells, shape):
            cells.append(cell)
            covered += np.pi * radius**2
    return cells


def _draw_cell(rng: np.random.Generator, centre: tuple[float, float], radius: float) -> _Cell:
    stretch = float(np.exp(rng.normal(0.0, 0.18)))
    return _Cell(
        centre=centre,
        semi_axes=(radius * stretch, radius / stretch),
        angle=float(rng.uniform(0, np.pi)),
        wobble=tuple(rng.normal(0.0, [0.07, 0.05, 0.03]).tolist()),
        phases=tuple(rng.uniform(0, 2 * np.pi, 3).tolist()),
        brightness=float(np.exp(rng.normal(0.0, 0.28))),
        nucleus_offset=tuple(rng.normal(0.0, 0.12, 2).tolist()),
    )


def _has_room(cell: _Cell, others: list[_Cell], shape: tuple[int, int]) -> bool:
    """Whether the cell's centre lies in the picture and no nearer to another's than pressed cells would allow."""
    if not all(0 <= value < size for value, size in zip(cell.centre, shape, strict=True)):
        return False
    reach = float(np.mean(cell.semi_axes))
    return all(
        np.hypot(cell.centre[0] - other.centre[0], cell.centre[1] - other.centre[1])
        > 0.78 * (reach + float(np.mean(other.semi_axes)))
        for other in others
    )


def _rasterise(cells: list[_Cell], shape: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Number of the cell that a pixel lies deepest in (0: in none), and how deep: 0 at the centre, 1 at the edge."""
    numbers = np.zeros(shape, dtype=np.int32)
    nearness = np.ones(shape, dtype=np.float32)
    for number, cell in enumerate(cells, start=1):
        window = _window(cell, shape)
        if window is None:
            continue
        depth = _depth(cell, window)
        closer = depth < nearness[window]
        nearness[window][closer] = depth[closer]
        numbers[window][closer] = number
    return numbers, nearness


def _window(cell: _Cell, shape: tuple[int, int]) -> tuple[slice, slice] | None:
    reach = 1.4 * max(cell.semi_axes)
    bounds = [
        (max(0, int(value - reach)), min(size, int(value + reach) + 2))
        for value, size in zip(cell.centre, shape, strict=True)
    ]
    (top, bottom), (left, right) = bounds
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _depth(cell: _Cell, window: tuple[slice, slice]) -> NDArray[np.float32]:
    rows, columns = np.ogrid[window]
    down, across = rows - cell.centre[0], columns - cell.centre[1]
    along = (down * np.sin(cell.angle) + across * np.cos(cell.angle)) / cell.semi_axes[0]
    beside = (down * np.cos(cell.angle) - across * np.sin(cell.angle)) / cell.semi_axes[1]
    theta = np.arctan2(beside, along)
    radius = 1.0 + sum(
        height * np.cos((order + 2) * theta + phase)
        for order, (height, phase) in enumerate(zip(cell.wobble, cell.phases, strict=True))
    )
    return np.asarray(np.hypot(along, beside) / np.maximum(radius, 0.5), dtype=np.float32)


def _touches_another(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of a cell with a pixel of another cell among their eight neighbours."""
    as_signed = numbers.astype(np.int64)
    highest = ndimage.maximum_filter(as_signed, size=3, mode="nearest")
    nothing = np.iinfo(np.int64).max
    lowest = ndimage.minimum_filter(np.where(as_signed == 0, nothing, as_signed), size=3, mode="nearest")
    return np.asarray((as_signed > 0) & ((highest != as_signed) | (lowest != as_signed)))


def _without_fragments(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """The map with one piece a cell: what the border to a neighbour cuts off, and slivers, become background.

    Removing a fragment can only free borders, so the components of `cell_mask` stay one a cell.
    """
    interior = np.where(_touches_another(numbers), 0, numbers)
    pieces, count = ndimage.label(interior > 0)
    if count == 0:
        return np.zeros_like(numbers)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    owners = np.zeros(count + 1, dtype=np.int64)
    owners[pieces.ravel()] = interior.ravel()
    owners[0] = 0
    largest: dict[int, int] = {}
    for piece in range(1, count + 1):
        owner = int(owners[piece])
        if sizes[piece] > sizes[largest.get(owner, 0)] or owner not in largest:
            largest[owner] = piece
    kept = np.zeros(count + 1, dtype=bool)
    kept[[piece for piece in largest.values() if sizes[piece] >= _SMALLEST_CELL_PIXELS]] = True
    core = np.where(kept[pieces], interior, 0)
    # Pixels on a border belong to their cell still where they touch its kept core.
    grown = ndimage.maximum_filter(core, size=3, mode="nearest")
    return np.asarray(np.where(grown == numbers, numbers, core), dtype=np.int32)


def _cell_light(
    rng: np.random.Generator, cells: list[_Cell], numbers: NDArray[np.int32], nearness: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Light that leaves the sample, about 1 inside a cell: thicker middles, nuclei, granules, thin dark borders."""
    shape = numbers.shape
    brightness = np.array([0.0, *(cell.brightness for cell in cells)], dtype=np.float32)
    inside = (numbers > 0) & ~_touches_another(numbers)
    edge_distance = ndimage.distance_transform_edt(inside).astype(np.float32)
    profile = 0.30 + 0.70 * (1.0 - np.exp(-edge_distance / 3.5))
    granules = 1.0 + 0.32 * _smooth_noise(rng, shape, 1.6) + 0.18 * _smooth_noise(rng, shape, 5.0)
    light = brightness[numbers] * profile * np.clip(granules, 0.2, None)
    light[_touches_another(numbers)] *= 0.55
    light += _nuclei(cells, numbers, nearness)
    return np.asarray(light + _debris(rng, shape), dtype=np.float32)


def _nuclei(cells: list[_Cell], numbers: NDArray[np.int32], nearness: NDArray[np.float32]) -> NDArray[np.float32]:
    light = np.zeros(numbers.shape, dtype=np.float32)
    for number, cell in enumerate(cells, start=1):
        window = _window(cell, numbers.shape)
        if window is None:
            continue
        rows, columns = np.ogrid[window]
        reach = 0.42 * float(np.mean(cell.semi_axes))
        down = rows - cell.centre[0] - cell.nucleus_offset[0] * cell.semi_axes[0]
        across = columns - cell.centre[1] - cell.nucleus_offset[1] * cell.semi_axes[1]
        blob = np.clip(1.6 * (1.0 - np.hypot(down, across) / reach), 0.0, 0.75)
        light[window] += np.where(numbers[window] == number, cell.brightness * blob, 0.0)
    return light * (nearness < 0.9)


def _debris(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    light = np.zeros(shape, dtype=np.float32)
    for _ in range(int(rng.poisson(shape[0] * shape[1] / 9000))):
        row, column = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        size = int(rng.integers(1, 3))
        light[row : row + size, column : column + size] += rng.uniform(0.6, 2.2)
    return light


def _camera(rng: np.random.Generator, light: NDArray[np.float32], *, noise: float) -> NDArray[np.uint16]:
    """Counts of the camera: light out of focus and through the lens, uneven lamp, photons, read noise, 12 bits."""
    shape = light.shape
    focus = rng.uniform(0.9, 1.4)
    seen = 0.86 * ndimage.gaussian_filter(light, focus) + 0.14 * ndimage.gaussian_filter(light, 12.0)
    seen = (seen + rng.uniform(0.06, 0.12)) * _lamp(rng, shape)
    photons = rng.uniform(140, 260) * seen
    if noise > 0:
        photons = photons + noise * np.sqrt(photons) * rng.standard_normal(shape, dtype=np.float32)
        photons = photons + noise * 3.0 * rng.standard_normal(shape, dtype=np.float32)
    offset, gain = 100.0, rng.uniform(4.0, 5.5)
    return np.asarray(np.clip(np.rint(offset + gain * photons), 0, _HIGHEST_COUNT), dtype=np.uint16)


def _lamp(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Brightness of the lamp over the picture: a bright spot off the middle that falls off to its edges."""
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, np.newaxis]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)
    spot = rng.uniform(-0.5, 0.5, 2)
    fall = rng.uniform(0.18, 0.38)
    return np.asarray(1.15 - fall * ((rows - spot[0]) ** 2 + (columns - spot[1]) ** 2), dtype=np.float32).clip(0.25)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> NDArray[np.float32]:
    """Noise of unit standard deviation whose grains are about `sigma` voxels wide."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return np.asarray(field / field.std(), dtype=np.float32)
