"""A made block of tissue with vessels and a few small lesions, every lesion known exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.datasets.phantoms.canvas import Canvas
from medseg.datasets.phantoms.ct import CT_LABELS
from medseg.errors import InputError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap

_SPACING_MM = 1.0
_TISSUE_HU = 60.0
_BRIGHT_HU = 130.0
"""Of lesions and vessels alike: the form tells them apart, not the brightness."""
_TEXTURE_HU = 4.0
_LESION_COUNT = (1, 3)
"""Fewest and most lesions of a block."""
_SMALLEST_LESION_VOXELS = 20.0
_VESSEL_RADII_MM = (0.8, 2.0)
_VOXELS_PER_VESSEL = 130_000
_MARGIN_MM = 2.0
"""Least distance of a lesion from the faces of the block and from other lesions."""


def tissue_phantom(
    rng: np.random.Generator,
    *,
    shape: Sequence[int] = (128, 128, 96),
    lesion_fraction: float = 1e-4,
    noise_hu: float = 15.0,
) -> tuple[Image, LabelMap]:
    """A block of enhanced tissue ("CXYZ", int16 HU, 1 mm voxels) and a label map of its lesions.

    One to three ellipsoids are lesions. Straight vessels of the same brightness run through the block and fill several
    times as many voxels. A scanner blurs by 0.6 voxels and adds noise. A voxel is lesion when its centre lies in an
    ellipsoid.

    Args:
        rng: source of all that varies; same state, same block.
        shape: voxels along x, y and z, each at least 32.
        lesion_fraction: share of the block that is lesion, above 0 and at most 2e-3; reached to within a few per cent.
        noise_hu: standard deviation of the noise.

    Raises:
        InputError: a shape or share that no such block can have.
    """
    _check_arguments(shape, lesion_fraction)
    grid = Grid(
        (int(shape[0]), int(shape[1]), int(shape[2])),
        Affine.from_spacing((_SPACING_MM,) * 3, frame=WorldFrame.RAS, origin_mm=(0.0, 0.0, 0.0), direction=np.eye(3)),
    )
    canvas = Canvas(grid, world_to_patient=Affine(np.eye(4), frame=WorldFrame.RAS), background_hu=_TISSUE_HU)
    _paint_vessels(canvas, rng)
    _paint_lesions(canvas, rng, fraction=lesion_fraction)
    grain = ndimage.gaussian_filter(rng.standard_normal(canvas.hu.shape, dtype=np.float32), 2.0, truncate=2.5)
    hu = ndimage.gaussian_filter(canvas.hu + _TEXTURE_HU * grain / grain.std(), 0.6, truncate=3.0)
    hu += noise_hu * rng.standard_normal(hu.shape, dtype=np.float32)
    metadata = ImageMetadata(modality="CT", value_unit="HU", notes=("generated tissue, not a real patient",))
    image = Image(np.rint(hu).astype(np.int16)[np.newaxis], grid.affine, "CXYZ", metadata)
    return image, LabelMap(canvas.organs, grid.affine, "XYZ", CT_LABELS)


def _check_arguments(shape: Sequence[int], lesion_fraction: float) -> None:
    if len(shape) != 3 or min(shape) < 32:
        message = f"tissue phantom: expected three sizes of at least 32 voxels, got {tuple(shape)}."
        raise InputError(message)
    if not 0 < lesion_fraction <= 2e-3:
        message = f"tissue phantom: expected a lesion fraction above 0 and at most 2e-3, got {lesion_fraction:g}."
        raise InputError(message)


def _paint_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Straight tubes through the whole block, in all directions."""
    size = np.asarray(canvas.grid.spatial_shape) * _SPACING_MM
    for _ in range(max(1, round(canvas.hu.size / _VOXELS_PER_VESSEL))):
        middle = rng.uniform(0, size)
        direction = rng.normal(size=3)
        half = direction / np.linalg.norm(direction) * float(np.linalg.norm(size))
        radius = float(rng.uniform(*_VESSEL_RADII_MM))
        canvas.tube(np.stack([middle - half, middle + half]), np.full(2, radius), _BRIGHT_HU)


def _paint_lesions(canvas: Canvas, rng: np.random.Generator, *, fraction: float) -> None:
    wanted = fraction * canvas.hu.size
    most = min(_LESION_COUNT[1], max(1, int(wanted / _SMALLEST_LESION_VOXELS)))
    parts = rng.uniform(0.5, 1.5, int(rng.integers(_LESION_COUNT[0], most + 1)))
    # The largest first: while there is most room.
    for voxels in np.sort(wanted * parts / parts.sum())[::-1]:
        stretch = np.exp(rng.normal(0.0, 0.12, 3))
        stretch /= np.prod(stretch) ** (1 / 3)
        semi_axes = stretch * (0.75 * voxels / np.pi) ** (1 / 3) * _SPACING_MM
        centre = _free_centre(canvas, rng, reach=float(semi_axes.max()) + _MARGIN_MM)
        found = canvas.ellipsoid(centre, tuple(semi_axes))
        assert found is not None  # noqa: S101 - the centre lies in the block
        box, radius = found
        canvas.paint(box, radius <= 1.0, _BRIGHT_HU, 1)


def _free_centre(canvas: Canvas, rng: np.random.Generator, *, reach: float) -> NDArray[np.float64]:
    """A place about which a ball of `reach` lies in the block and meets no other lesion."""
    size = np.asarray(canvas.grid.spatial_shape) * _SPACING_MM
    while True:
        centre = rng.uniform(reach, size - reach)
        box = canvas.box(centre, reach)
        if box is not None and not canvas.organs[box].any():
            return centre
