"""What a folder of images and labels holds, measured before there is a recipe: sizes, values, classes or objects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.datasets.pairing import Pair
from medseg.errors import LabelError
from medseg.geometry.orientation import reordering_to
from medseg.images import Image, LabelKind, LabelMap
from medseg.io.base import ReadRequest
from medseg.io.dispatch import read_labels_with, read_with
from medseg.training.progress import Reporter

ORIENTATION = "RAS"

_WITH_PATIENT = frozenset({"nifti", "dicom", "nrrd", "metaimage"})
"""Formats whose volumes lie in the world of a patient."""

_MOST_VALUES = 50_000
"""Voxels of an image that its statistics are taken of, evenly spread."""


@dataclass(frozen=True)
class CaseFacts:
    """One image and its labels; axes of a patient's volume in the order of `ORIENTATION`.

    Attributes:
        shape: voxels along each spatial axis.
        spacing_mm: voxel size; None where the file states none.
        is_patient: whether a volume lies in the world of a patient.
        modality: DICOM modality code where the source states it.
        least: smallest value sampled.
        zero_share: share of the voxels with the value 0.
        foreground_values: of the image where something is labelled, a sample.
        label_values: value in the label file -> voxels.
        parts: connected regions of equal value, by how many values there are besides 0; nan without any.
        sides: length in voxels of each region of labelled voxels: side of the square, or cube, as large as its box.
        value_sides: the same of each label value.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    is_patient: bool
    modality: str | None
    least: float
    zero_share: float
    foreground_values: NDArray[np.floating]
    label_values: Mapping[int, int]
    parts: float
    sides: tuple[float, ...]
    value_sides: tuple[float, ...]


def read_facts(
    pairs: Sequence[Pair], *, axes: str | None = None, label_axes: str | None = None, reporter: Reporter
) -> tuple[CaseFacts, ...]:
    """Facts of each pair; one is in memory at a time.

    Args:
        pairs: images and label files on the same grids (`medseg.datasets.folder_checks.check_pairs`).
        axes: of the image files where these do not say.
        label_axes: of the label files, likewise.
        reporter: whom to tell.

    Raises:
        ImageFormatError: a file cannot be read.
        LabelError: labels that are no whole numbers from 0.
    """
    found = []
    for number, pair in enumerate(pairs, start=1):
        reporter.say(f"reading {number} of {len(pairs)}: {pair.case_id}")
        image = read_with(pair.image, ReadRequest(axes=axes))
        request = ReadRequest(axes=label_axes, as_labels=True)
        labels = read_labels_with(pair.label, request, labels=None, kind=LabelKind.INSTANCES)
        found.append(_facts_of(image, labels))
    return tuple(found)


def _facts_of(image: Image, labels: LabelMap) -> CaseFacts:
    grid = image.grid
    is_patient = grid.ndim == 3 and image.metadata.format in _WITH_PATIENT
    if is_patient:
        grid = reordering_to(grid.affine, ORIENTATION).apply_to_grid(grid)
    sample = _spread(image.array)
    values, places, counts = np.unique(labels.array, return_inverse=True, return_counts=True)
    # Counted from 1: what lists the boxes has an entry for each number up to the largest, which may be any.
    numbers = np.where(labels.array > 0, places.reshape(labels.array.shape) + 1, 0)
    values_found = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    regions = _regions_of_equal_value(numbers)
    foreground = image.array[0][labels.array > 0]
    return CaseFacts(
        shape=grid.spatial_shape,
        spacing_mm=grid.spacing_mm if image.metadata.spacing_is_known else None,
        is_patient=is_patient,
        modality=image.metadata.modality,
        least=float(sample.min()),
        zero_share=float((sample == 0).mean()),
        foreground_values=np.asarray(_spread(foreground), dtype=np.float32),
        label_values=values_found,
        parts=regions / len(set(values_found) - {0}) if set(values_found) - {0} else math.nan,
        sides=_sides(_connected(labels.array > 0)),
        value_sides=_sides(numbers),
    )


def _spread(values: NDArray[np.generic]) -> NDArray[np.generic]:
    flat = values.reshape(-1)
    return flat[:: -(-flat.size // _MOST_VALUES) or 1]


def _connected(mask: NDArray[np.bool_]) -> NDArray[np.integer]:
    numbers, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))
    return np.asarray(numbers)


def _regions_of_equal_value(labels: NDArray[np.integer]) -> int:
    """Connected regions of each value but 0, counted together."""
    count = 0
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            count += int(_connected(labels[box] == value).max())
    return count


def _sides(numbers: NDArray[np.integer]) -> tuple[float, ...]:
    """Side of the square, or cube, as large as the box around each number."""
    boxes = ndimage.find_objects(numbers)
    return tuple(math.prod(one.stop - one.start for one in box) ** (1 / numbers.ndim) for box in boxes if box)


def check_labelled(facts: Sequence[CaseFacts]) -> None:
    """Pass where something is labelled at all.

    Raises:
        LabelError: nothing but background anywhere.
    """
    if not any(set(one.label_values) - {0} for one in facts):
        message = f"nothing is labelled in any of the {len(facts)} label files; all of them hold 0 alone. Label some."
        raise LabelError(message)
