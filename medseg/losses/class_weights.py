"""Weights of classes from how often they occur."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medseg.errors import InputError


class ClassWeighting(StrEnum):
    """How weights follow from counts."""

    INVERSE_FREQUENCY = "inverse_frequency"
    """Of each class n / (K n_c): all classes together have as many votes as if each had the same number of voxels."""
    MEDIAN_FREQUENCY = "median_frequency"
    """Of each class median(f) / f_c, f_c its share of the voxels of those images in which it occurs."""


def class_weights_from_counts(counts: ArrayLike, *, weighting: ClassWeighting) -> tuple[float, ...]:
    """One weight a class; that of a class which never occurs is 0.

    `inverse_frequency` is n / (K n_c), n the voxels, n_c those of class c, K the classes that occur: the balanced
    weights of King 2001, doi 10.1093/oxfordjournals.pan.a004868. `median_frequency` is Eigen 2015,
    doi 10.1109/ICCV.2015.304, used by SegNet.

    Args:
        counts: voxels of each class in each image, shape (images, K).
        weighting: which of the two.

    Raises:
        InputError: the counts have another shape, are negative, or are all 0.
    """
    found = np.asarray(counts, dtype=np.float64)
    if found.ndim != 2 or (found < 0).any() or not found.any():
        message = (
            f"class weights: expected numbers of voxels of shape (images, classes), one at least above 0, got shape "
            f"{found.shape} with the sum {found.sum():g}."
        )
        raise InputError(message)
    rarity = _RARITY[weighting](found)
    return tuple(float(weight) for weight in rarity)


def _inverse_frequency(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    by_class = counts.sum(0)
    there = by_class > 0
    return np.divide(by_class.sum() / there.sum(), by_class, out=np.zeros_like(by_class), where=there)


def _median_frequency(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    by_class = counts.sum(0)
    there = by_class > 0
    voxels = ((counts > 0) * counts.sum(1, keepdims=True)).sum(0)
    frequency = np.divide(by_class, voxels, out=np.zeros_like(by_class), where=there)
    return np.divide(np.median(frequency[there]), frequency, out=np.zeros_like(by_class), where=there)


_RARITY: Mapping[ClassWeighting, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    ClassWeighting.INVERSE_FREQUENCY: _inverse_frequency,
    ClassWeighting.MEDIAN_FREQUENCY: _median_frequency,
}
