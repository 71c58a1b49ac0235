"""Fitting the temperature of a model on validation cases, so that its probabilities are what they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ModelPackageError
from medseg.geometry import check_same_grid
from medseg.images import Image, LabelMap
from medseg.inference.predictor import Predictor
from medseg.metrics import CalibrationTable, apply_temperature, calibration_table, fit_temperature

VOXELS_PER_CASE = 50_000
"""Voxels drawn of each case: far more than one number needs, and few enough to hold those of hundreds of cases."""

_Drawn = tuple[NDArray[np.intp], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class TemperatureFit:
    """A temperature, and how good the probabilities were before and after.

    Attributes:
        temperature: for the package's `inference.temperature`; it takes the place of the one that was there.
        cases: number of cases it was fitted on.
        before: calibration with the package as it is, on the voxels that were drawn.
        after: with the new temperature, on the same voxels; a little better than on new cases.
    """

    temperature: float
    cases: int
    before: CalibrationTable
    after: CalibrationTable


def fit_model_temperature(
    predictor: Predictor,
    cases: Iterable[tuple[Image, LabelMap]],
    *,
    voxels_per_case: int = VOXELS_PER_CASE,
    seed: int = 0,
) -> TemperatureFit:
    """The temperature with which the model's probabilities have the least log loss on validation cases.

    Voxels of each case are drawn by chance, all alike, so background weighs as much as it fills the images. Cases are
    predicted once, one at a time.

    Args:
        predictor: the model.
        cases: images and references on one grid, with the model's classes; not training cases.
        voxels_per_case: at most so many voxels of each case.
        seed: of the draw; the same seed and cases give the same temperature.

    Raises:
        GeometryError: an image and its reference lie on different grids.
        LabelError: a reference holds values that are not the model's.
        InputError: no case.
    """
    rng = np.random.default_rng(seed)
    drawn = [_drawn(predictor, image, reference, count=voxels_per_case, rng=rng) for image, reference in cases]
    # The predictor's answers carry its present temperature, so what is fitted to them is a factor to it.
    factor = fit_temperature(lambda: drawn)
    before = [calibration_table(reference=classes, probabilities=given) for classes, given in drawn]
    after = [
        calibration_table(reference=classes, probabilities=apply_temperature(given, temperature=factor))
        for classes, given in drawn
    ]
    return TemperatureFit(
        predictor.manifest.inference.temperature * factor,
        len(drawn),
        sum(before[1:], start=before[0]),
        sum(after[1:], start=after[0]),
    )


def _drawn(predictor: Predictor, image: Image, reference: LabelMap, *, count: int, rng: np.random.Generator) -> _Drawn:
    """Class indices and probabilities, (K, n), of voxels drawn from one case."""
    check_same_grid(image.grid, reference.grid, names=("the image", "its reference"))
    table = predictor.manifest.label_table
    reference.replace(labels=table).check_values(name=reference.metadata.source or "the reference")
    probabilities = predictor.predict(image, with_probabilities=True).probabilities
    if probabilities is None:
        message = f"{predictor.manifest.name}: the model gives no probabilities."
        raise ModelPackageError(message)
    total = reference.array.size
    places = np.sort(rng.choice(total, size=min(count, total), replace=False, shuffle=False))
    classes = np.searchsorted(np.array(table.values), reference.array.reshape(-1)[places])
    flat = probabilities.array.reshape(len(probabilities.array), -1)
    return classes, flat[:, places].astype(np.float32)
