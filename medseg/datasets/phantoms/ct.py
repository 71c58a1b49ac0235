"""A made CT of chest and belly with small lesions, with every organ and lesion known exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.datasets.phantoms.anatomy import Anatomy, Organ, draw_anatomy
from medseg.datasets.phantoms.belly import paint_belly
from medseg.datasets.phantoms.canvas import Canvas
from medseg.datasets.phantoms.chest import paint_chest
from medseg.datasets.phantoms.lesions import paint_lesions
from medseg.datasets.phantoms.torso import Torso, paint_torso
from medseg.errors import InputError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable

CT_LABELS = LabelTable.from_names(["background", "lesion"])
"""Classes of the default label map."""

CT_ORGAN_LABELS = LabelTable.from_names([organ.name.lower() for organ in Organ])
"""Classes of the label map with organs."""

_LOWEST_HU, _HIGHEST_HU = -1024, 3071
"""What 12 bits with the usual offset of -1024 can hold."""


def ct_phantom(
    rng: np.random.Generator,
    *,
    shape: Sequence[int] = (160, 160, 64),
    spacing_mm: Sequence[float] = (2.4, 2.4, 5.0),
    lesion_fraction: Sequence[float] = (1e-4, 8e-4),
    noise_hu: float = 13.0,
    tilt_degrees: float = 0.0,
    organs: bool = False,
) -> tuple[Image, LabelMap]:
    """A CT ("CXYZ", int16 HU, axes to the left, back and head as in DICOM) and the class of each voxel.

    The patient lies on a table around the diaphragm: lungs with vessels, heart, aorta and airways above; liver with
    lesions, spleen, kidneys, stomach and bowel below; ribs, spine, fat, muscle and skin around. Every patient differs.
    The scanner blurs within and across slices and adds noise whose grain and strength depend on the place. A voxel is
    in a class when its centre lies in the shape that was drawn, so partial volume makes edges as uncertain as in life.
    `metadata.extra["lesions"]` of the label map lists the drawn lesions as `Lesion.as_dict` does.

    Args:
        rng: source of all that varies; same state, same volume.
        shape: columns, rows and slices; at least 48, 48 and 8.
        spacing_mm: voxel size; the patient's size follows the smaller in-plane field of view.
        lesion_fraction: range of the share of the volume that is lesion, between 0 and 2e-3.
        noise_hu: standard deviation of the noise in the middle of the body.
        tilt_degrees: the slices are turned by up to this angle about each world axis (an oblique volume, not sheared).
        organs: whether the label map holds organs beside lesions (`CT_ORGAN_LABELS`).

    Raises:
        InputError: a shape, spacing or share that no such volume can have.
    """
    _check_arguments(shape, spacing_mm=spacing_mm, lesion_fraction=(lesion_fraction[0], lesion_fraction[1]))
    grid = _draw_grid(rng, shape, spacing_mm, tilt_degrees=tilt_degrees)
    field_of_view = min(shape[0] * spacing_mm[0], shape[1] * spacing_mm[1])
    patient = draw_anatomy(rng, field_of_view_mm=field_of_view)
    canvas = Canvas(grid, world_to_patient=_world_to_patient(rng, grid, patient), background_hu=-1000.0)
    torso = paint_torso(canvas, patient)
    paint_chest(canvas, patient, torso, rng)
    paint_belly(canvas, patient, torso, rng)
    canvas.organs[~torso.body] = Organ.BACKGROUND
    lesions = paint_lesions(canvas, patient, rng, fraction=(lesion_fraction[0], lesion_fraction[1]))
    hu = _scan(canvas, torso, rng, noise_hu=noise_hu)
    values = canvas.organs if organs else (canvas.organs == Organ.LESION).astype(np.uint8)
    metadata = ImageMetadata(modality="CT", value_unit="HU", notes=("generated CT, not a real patient",))
    truth = ImageMetadata(extra={"lesions": tuple(lesion.as_dict() for lesion in lesions)})
    table = CT_ORGAN_LABELS if organs else CT_LABELS
    return Image(hu[np.newaxis], grid.affine, "CXYZ", metadata), LabelMap(
        values, grid.affine, "XYZ", table, metadata=truth
    )


def _check_arguments(shape: Sequence[int], *, spacing_mm: Sequence[float], lesion_fraction: Sequence[float]) -> None:
    if len(shape) != 3 or shape[0] < 48 or shape[1] < 48 or shape[2] < 8:
        message = f"CT phantom: expected a shape of at least (48, 48, 8) voxels, got {tuple(shape)}."
        raise InputError(message)
    if len(spacing_mm) != 3 or not all(0.1 <= value <= 20 for value in spacing_mm):
        message = f"CT phantom: expected three spacings of 0.1 to 20 mm, got {tuple(spacing_mm)}."
        raise InputError(message)
    if len(lesion_fraction) != 2 or not 0 < lesion_fraction[0] <= lesion_fraction[1] <= 2e-3:
        message = f"CT phantom: expected a lesion fraction range within 0 to 2e-3, got {tuple(lesion_fraction)}."
        raise InputError(message)


def _draw_grid(
    rng: np.random.Generator,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    *,
    tilt_degrees: float,
) -> Grid:
    """Grid whose axes grow to the left, back and head, as in a DICOM series, turned by the drawn tilt."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(rng.uniform(-1.0, 1.0, 3) * tilt_degrees)):
        if angle != 0.0:
            turn = _rotation(axis, float(angle)) @ turn
    direction = turn @ np.diag([-1.0, -1.0, 1.0])
    middle = np.array([0.0, 0.0, np.round(rng.uniform(-900, -200), 1)])  # the table's travel, as scanners count it
    half = (np.asarray(shape) - 1) / 2 * np.asarray(spacing_mm)
    origin = np.round(middle - direction @ half, 3)
    return Grid(
        tuple(shape), Affine.from_spacing(spacing_mm, frame=WorldFrame.RAS, origin_mm=origin, direction=direction)
    )


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _world_to_patient(rng: np.random.Generator, grid: Grid, patient: Anatomy) -> Affine:
    """World mm -> patient mm of a usual adult: the patient lies a little off the middle of the field of view."""
    middle = grid.affine.apply((np.asarray(grid.spatial_shape) - 1) / 2)
    aside = np.array([rng.uniform(-5, 5), rng.uniform(6, 16), rng.uniform(-12, 12)]) * patient.scale
    matrix = np.eye(4)
    matrix[:3, :3] /= patient.scale
    matrix[:3, 3] = -(middle + aside) / patient.scale
    return Affine(matrix, frame=WorldFrame.RAS)


def _scan(canvas: Canvas, torso: Torso, rng: np.random.Generator, *, noise_hu: float) -> NDArray[np.int16]:
    """What the scanner makes of the painted tissues, in whole HU."""
    hu = canvas.hu + _tissue_texture(canvas, rng)
    hu = ndimage.gaussian_filter(hu, (0.62, 0.62, 0.32), truncate=3.0)
    if noise_hu > 0:
        # Rays through the middle lose most photons, so noise is strongest there.
        strength = 0.35 + 0.75 * np.clip(torso.depth_mm / 90.0, 0.0, 1.0)
        hu += noise_hu * strength * _scanner_noise(rng, hu.shape)
    _blank_outside_circle(hu)
    return np.asarray(np.clip(np.rint(hu), _LOWEST_HU, _HIGHEST_HU), dtype=np.int16)


def _tissue_texture(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.float32]:
    """Unevenness of the tissues themselves: strong in fat, marrow and lung, weak in organs."""
    hu = canvas.hu
    strength = np.full(hu.shape, 2.5, dtype=np.float32)
    strength[hu < -50.0] = 11.0
    strength[hu < -300.0] = 16.0
    strength[hu < -900.0] = 0.0
    strength[canvas.organs == Organ.BONES] = 40.0
    grain = ndimage.gaussian_filter(rng.standard_normal(hu.shape, dtype=np.float32), (1.4, 1.4, 0.7), truncate=2.5)
    return np.asarray(strength * (grain / grain.std()), dtype=np.float32)


def _scanner_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise of unit standard deviation: in a slice without slow waves, between slices a little alike."""
    white = rng.standard_normal(shape, dtype=np.float32)
    fine = ndimage.gaussian_filter(white, (0.55, 0.55, 0.45), truncate=3.0)
    slow = ndimage.uniform_filter(white, (5, 5, 1))
    noise = fine - slow
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _blank_outside_circle(hu: NDArray[np.float32]) -> None:
    """Set what lies outside the scanner's circular field of view to its padding value."""
    columns, rows = (np.linspace(-1, 1, size, dtype=np.float32) for size in hu.shape[:2])
    outside = columns[:, np.newaxis] ** 2 + rows**2 > 1.0
    hu[outside] = _LOWEST_HU
