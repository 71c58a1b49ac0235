"""Accuracy, IoU, Dice and their relatives, from a confusion table.

All functions take `counts`, (classes, classes) whole numbers with the reference class as row and the predicted class
as column, and return a float or one float a class. A score whose denominator is zero is nan (docs/decisions/0003);
`medseg.metrics.definitions` says for each score when that is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatPerClass = NDArray[np.float64]


def pixel_accuracy(counts: ArrayLike) -> float:
    """Share of voxels whose predicted class is the reference class; nan without voxels."""
    table = _table(counts)
    return float(_ratio(np.trace(table), table.sum()))


def recall_per_class(counts: ArrayLike) -> FloatPerClass:
    """Share of each reference class that was found, TP / (TP + FN); nan for a class that the reference lacks."""
    table = _table(counts)
    return _ratio(np.diag(table), table.sum(axis=1))


def precision_per_class(counts: ArrayLike) -> FloatPerClass:
    """Share of each predicted class that is right, TP / (TP + FP); nan for a class that the prediction lacks."""
    table = _table(counts)
    return _ratio(np.diag(table), table.sum(axis=0))


def iou_per_class(counts: ArrayLike) -> FloatPerClass:
    """Intersection over union of each class, TP / (TP + FP + FN); nan for a class that both lack."""
    table = _table(counts)
    hits: FloatPerClass = np.diag(table)
    return _ratio(hits, table.sum(axis=0) + table.sum(axis=1) - hits)


def dice_per_class(counts: ArrayLike) -> FloatPerClass:
    """Dice coefficient of each class, 2 TP / (2 TP + FP + FN); nan for a class that both lack.

    Dice 1945, doi 10.2307/1932409.
    """
    table = _table(counts)
    return _ratio(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))


def mean_accuracy(counts: ArrayLike) -> float:
    """Mean recall of the classes that the reference holds, background included; nan without voxels."""
    return mean_of_defined(recall_per_class(counts))


def mean_iou(counts: ArrayLike) -> float:
    """Mean IoU of the classes that occur in either map, background included; nan without voxels.

    Long 2015, doi 10.1109/CVPR.2015.7298965, section 5.
    """
    return mean_of_defined(iou_per_class(counts))


def frequency_weighted_iou(counts: ArrayLike) -> float:
    """IoU of each class weighted by its share of the reference; nan without voxels.

    Long 2015, doi 10.1109/CVPR.2015.7298965, section 5.
    """
    table = _table(counts)
    sizes = table.sum(axis=1)
    # A class of size 0 weighs nothing; its IoU may be nan.
    weighted = np.where(sizes > 0, sizes * np.nan_to_num(iou_per_class(table)), 0.0)
    return float(_ratio(weighted.sum(), sizes.sum()))


def volume_difference_ml(counts: ArrayLike, *, voxel_volume_mm3: float) -> FloatPerClass:
    """Predicted minus reference volume of each class, in millilitres; always defined.

    Args:
        counts: the confusion table.
        voxel_volume_mm3: volume of one voxel in mm^3.
    """
    table = _table(counts)
    difference: FloatPerClass = table.sum(axis=0) - table.sum(axis=1)
    return difference * (voxel_volume_mm3 / 1000.0)


def mean_of_defined(values: ArrayLike) -> float:
    """Mean of the values that are not nan; nan where none is."""
    array = np.asarray(values, dtype=np.float64)
    defined = array[~np.isnan(array)]
    return float(defined.mean()) if defined.size else float("nan")


def _table(counts: ArrayLike) -> FloatPerClass:
    """The counts as float64, exact up to 2^53 voxels."""
    return np.asarray(counts, dtype=np.float64)


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> FloatPerClass:
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    ratio: FloatPerClass = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return ratio
