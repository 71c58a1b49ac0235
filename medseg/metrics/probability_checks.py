"""Checks of class probabilities and their reference, and how many voxels are looked at in one go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError, LabelError

FloatArray = NDArray[np.float64]

CHUNK_VOXELS = 1 << 18
"""Voxels looked at in one go: intermediate arrays stay small however large the volume is."""

_SUM_TOLERANCE = 1e-3
"""How far the probabilities of a voxel may be from 1 together: half precision on disk, interpolation."""


def check_shapes_and_classes(
    reference: NDArray[np.integer], probabilities: NDArray[np.floating], region: NDArray[np.bool_] | None
) -> None:
    """Pass when the shapes fit and each reference class has a channel.

    Args:
        reference: (*spatial) class index of each voxel.
        probabilities: (K, *spatial).
        region: (*spatial), or None.

    Raises:
        GeometryError: shapes that do not fit.
        LabelError: reference classes that are not whole numbers from 0 to K - 1.
    """
    if probabilities.shape[1:] != reference.shape or probabilities.ndim != reference.ndim + 1:
        message = (
            f"probabilities: expected one channel a class and the reference's shape {reference.shape}, "
            f"got {probabilities.shape}."
        )
        raise GeometryError(message)
    if region is not None and region.shape != reference.shape:
        message = f"region: expected the reference's shape {reference.shape}, got {region.shape}."
        raise GeometryError(message)
    if reference.dtype.kind not in "iu":
        message = f"reference: expected whole numbers as class indices, got {reference.dtype}."
        raise LabelError(message)
    if reference.size and not 0 <= int(reference.min()) <= int(reference.max()) < len(probabilities):
        message = (
            f"reference: expected class indices 0 to {len(probabilities) - 1}, one for each channel of the "
            f"probabilities, got {int(reference.min())} to {int(reference.max())}."
        )
        raise LabelError(message)


def check_probabilities(probabilities: FloatArray) -> None:
    """Pass when all are 0 to 1 with sum 1 over the classes.

    Raises:
        InputError: they are not.
    """
    sums = probabilities.sum(axis=0)
    # Written so that nan, which compares as False, is refused too.
    if not (probabilities.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE):
        message = (
            f"probabilities: expected 0 to 1 with sum 1 over the classes, got values from {probabilities.min():g} "
            f"and sums from {sums.min():g} to {sums.max():g}. Give the softmax of all classes."
        )
        raise InputError(message)
