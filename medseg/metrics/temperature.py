"""Temperature scaling: one number that makes probabilities less (or more) sure, and changes no decision.

Guo 2017, doi 10.48550/arXiv.1706.04599: logits are divided by T before the softmax. On probabilities p the same is
p^(1/T), divided by its sum over the classes; no logits need be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from medseg.errors import InputError
from medseg.metrics.probability_checks import CHUNK_VOXELS, check_probabilities, check_shapes_and_classes

FloatArray = NDArray[np.float64]
CalibrationCase = tuple[NDArray[np.integer], NDArray[np.floating]]

TEMPERATURES = (0.05, 20.0)
"""Smallest and largest temperature that is fitted; a fit that wants more ends there."""

_LEAST_PROBABILITY = 1e-30
"""Taken for smaller ones before the logarithm; float32 has no room for much less."""


def fit_temperature(cases: Callable[[], Iterable[CalibrationCase]]) -> float:
    """The temperature with the least log loss over all voxels of the validation cases.

    The log loss is convex in 1/T, so its only minimum is where its derivative is 0, which is found by bracketing; the
    cases are read about ten times, one at a time.

    Args:
        cases: gives the validation cases anew at each call, as pairs of a reference (*spatial), class indices, and
            uncalibrated probabilities (K, *spatial). They must not be training cases: there the network is too sure.

    Raises:
        GeometryError: shapes that do not fit.
        LabelError: reference classes that are not whole numbers from 0 to K - 1.
        InputError: no voxel at all, or probabilities that are none.
    """
    coldest, hottest = TEMPERATURES

    def slope(log_temperature: float) -> float:
        return _log_loss_slope(cases(), inverse=float(np.exp(-log_temperature)))

    # The slope is towards 1/T: above 0 means that a smaller 1/T, a higher temperature, is better.
    if slope(np.log(hottest)) >= 0:
        return hottest
    if slope(np.log(coldest)) <= 0:
        return coldest
    return float(np.exp(brentq(slope, np.log(coldest), np.log(hottest), xtol=1e-4)))


def apply_temperature(probabilities: NDArray[np.floating], *, temperature: float) -> NDArray[np.floating]:
    """Probabilities at that temperature, (K, *spatial), of the same kind; above 1 is less sure, 1 changes nothing.

    The order of the classes of a voxel stays the same.

    Raises:
        InputError: the temperature is not above 0.
    """
    if not 0 < temperature < np.inf:
        message = f"temperature: expected a number above 0, got {temperature}."
        raise InputError(message)
    least = np.finfo(probabilities.dtype).tiny  # where all are 0, outside the image, they stay 0
    # Over the greatest first: the powers then neither overflow nor vanish all together.
    scaled = probabilities / np.maximum(probabilities.max(axis=0), least)
    scaled **= probabilities.dtype.type(1.0 / temperature)
    scaled /= np.maximum(scaled.sum(axis=0), least)
    return np.asarray(scaled)


def _log_loss_slope(cases: Iterable[CalibrationCase], *, inverse: float) -> float:
    """Derivative of the mean log loss by 1/T at `inverse`: mean of (expected minus right) log probability."""
    total, voxels = 0.0, 0
    for reference, probabilities in cases:
        check_shapes_and_classes(reference, probabilities, None)
        classes = reference.reshape(-1)
        flat = probabilities.reshape(len(probabilities), -1)
        for start in range(0, classes.size, CHUNK_VOXELS):
            part = slice(start, start + CHUNK_VOXELS)
            total += _slope_sum(classes[part], flat[:, part].astype(np.float64), inverse)
        voxels += classes.size
    if voxels == 0:
        message = "temperature: expected validation cases with voxels, got none."
        raise InputError(message)
    return total / voxels


def _slope_sum(reference: NDArray[np.integer], probabilities: FloatArray, inverse: float) -> float:
    check_probabilities(probabilities)
    logs = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    weights = np.exp(inverse * (logs - logs.max(axis=0)))
    weights /= weights.sum(axis=0)
    right = np.take_along_axis(logs, reference[np.newaxis].astype(np.intp), axis=0)[0]
    return float(((weights * logs).sum(axis=0) - right).sum())
