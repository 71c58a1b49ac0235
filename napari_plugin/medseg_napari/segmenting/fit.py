"""Whether an image is what the models were made for, before one runs, and which of them suits it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import MedsegError
from medseg.images import Image
from medseg_napari.segmenting.models import ModelChoice

_MOST_VALUES = 1_000_000
"""Values that are looked at."""
_LARGEST_ABSOLUTE, _LARGEST_OF_SHAPES = 0.5, 0.1
"""Distance of values below which an image counts as one of the kind that a model was trained on: nothing else tells
an electron micrograph from a picture of cells, where neither states more than its pixels. Of shapes, micrographs lie up
to 0.05 from em-membranes and fluorescent nuclei up to 0.09 from nuclei; each lies more than 0.15 from the other."""


@dataclass(frozen=True)
class Fit:
    """What to tell the user.

    Attributes:
        can_run: whether a run would be refused.
        sentences: doubts, or the refusal; empty where nothing that is known speaks against a run.
        distance: how far the image's values lie from those of the training images; below 1 they are of one kind.
    """

    can_run: bool
    sentences: tuple[str, ...] = ()
    distance: float = 0.0


def fit_of(folder: Path, image: Image) -> Fit:
    """How `image` fits the model in `folder`. Loads torch; call it in the models' process."""
    from medseg.inference import check_image, read_manifest

    try:
        manifest = read_manifest(folder)
        sentences = check_image(image, manifest)
    except MedsegError as error:
        return Fit(can_run=False, sentences=(str(error),))
    trained = manifest.input.intensity
    distance = 0.0
    if trained is not None:
        absolute = manifest.values_are_absolute
        distance = distance_of_values(image.array, trained.percentiles, absolute=absolute)
        distance /= _LARGEST_ABSOLUTE if absolute else _LARGEST_OF_SHAPES
    return Fit(can_run=True, sentences=sentences, distance=distance)


def distance_of_values(values: NDArray, trained: Mapping[str, float], *, absolute: bool) -> float:
    """Mean distance of the percentiles of an image from those of other images, as a share of their range.

    Args:
        values: of the image.
        trained: percentage as text -> value, of the other images.
        absolute: whether values mean the same in every image; else both are scaled to 0..1 first, so that the
            distance is one of shapes: many dark pixels and few bright ones, or as many of both.
    """
    others = np.array(list(trained.values()))
    if others.size == 0 or np.ptp(others) <= 0:
        return 0.0
    flat = values.reshape(-1)
    found = np.percentile(flat[:: max(1, flat.size // _MOST_VALUES)], [float(share) for share in trained])
    if not absolute:
        found, others = _scaled(found), _scaled(others)
    return float(np.abs(found - others).mean() / np.ptp(others))


def _scaled(percentiles: NDArray) -> NDArray:
    """From 0 to 1; what is all one value is 0."""
    return (percentiles - percentiles.min()) / max(float(np.ptp(percentiles)), np.finfo(float).tiny)


def fits_of(folders: Sequence[Path], image: Image) -> list[Fit]:
    """How `image` fits each model; see `fit_of`."""
    return [fit_of(folder, image) for folder in folders]


def best_fitting(choices: Sequence[ModelChoice], fits: Sequence[Fit], image: Image) -> int | None:
    """Index of the model to propose for an image; None where none was trained on images like it.

    One for the very modality that the image states comes first, whatever else is doubtful, then one without a doubt
    whose training images had such values, the nearest of several. Where a scan states no modality (NIfTI), one for
    scans with such values is proposed even if the voxel size is another than in training.
    """
    ranks = [_rank(choice, fit, image) for choice, fit in zip(choices, fits, strict=True)]
    suiting = [place for place, rank in enumerate(ranks) if rank > 0]
    return max(suiting, key=lambda place: (ranks[place], -fits[place].distance), default=None)


def _rank(choice: ModelChoice, fit: Fit, image: Image) -> int:
    if not fit.can_run:
        return 0
    stated = image.metadata.modality
    is_scan, is_for_scans = image.axes == "CXYZ", choice.modality is not None
    if stated is not None and is_for_scans:
        return 4 if choice.modality == stated else 0
    # A model of pictures may go through a stack of them; that it can go through a scan as well means nothing.
    if fit.distance >= 1 or (is_scan and choice.spatial_dims != image.affine.ndim):
        return 0
    if not fit.sentences:
        return 2
    return 1 if is_scan and is_for_scans else 0
