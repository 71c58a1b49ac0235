"""Scores of class probabilities beside those of the mask made of them: Brier score, log loss, calibration errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medseg import metrics
from medseg.errors import LabelError, MedsegError
from medseg.evaluation.result import CaseScores
from medseg.evaluation.statistics import JoinedScore
from medseg.evaluation.task import Task
from medseg.images import LabelMap, LabelTable
from medseg.metrics import CalibrationTable, calibration_table

STATISTIC = "calibration"
"""Name of the table among a case's statistics."""

_OF_TABLE: Mapping[str, Callable[[CalibrationTable], float]] = MappingProxyType(
    {
        "brier_score": metrics.brier_score,
        "expected_calibration_error": metrics.expected_calibration_error,
        "maximum_calibration_error": metrics.maximum_calibration_error,
        "log_loss": metrics.log_loss,
    }
)

JOINED_CALIBRATION_SCORES: Mapping[str, JoinedScore] = MappingProxyType(
    {key: JoinedScore(STATISTIC, function) for key, function in _OF_TABLE.items()}
)
"""Over several cases the voxels of all are taken together."""


def with_calibration(
    scores: CaseScores, *, reference: LabelMap, probabilities: NDArray[np.floating], name: str
) -> tuple[CaseScores, str]:
    """The case's scores with those of its probabilities, and a sentence on voxels left out; empty where none were.

    Voxels in which all probabilities are 0 are left out: the model never saw them (they lie outside its field of view).

    Args:
        scores: of the case's mask.
        reference: the truth; for lesions every value but 0 is lesion.
        probabilities: (K, *spatial), one channel a class.
        name: of the probabilities, for messages.

    Raises:
        GeometryError: another size than the reference's.
        LabelError: not one channel a class.
        InputError: values that are no probabilities.
    """
    classes = _class_indices(reference, task=scores.task, labels=scores.labels, channels=len(probabilities), name=name)
    seen: NDArray[np.bool_] = np.asarray(probabilities.any(axis=0), dtype=np.bool_)
    outside = seen.size - int(np.count_nonzero(seen))
    region = seen if outside and seen.shape == classes.shape else None
    try:
        table = calibration_table(reference=classes, probabilities=probabilities, region=region)
    except MedsegError as error:
        message = f"{name}: {error}"
        raise type(error)(message) from error
    note = f"{name}: {outside} voxels without any probability were left out of the calibration." if outside else ""
    added = {key: function(table) for key, function in _OF_TABLE.items()}
    return replace(scores, scores={**scores.scores, **added}, statistics={**scores.statistics, STATISTIC: table}), note


def _class_indices(
    reference: LabelMap, *, task: str, labels: LabelTable, channels: int, name: str
) -> NDArray[np.integer]:
    """Place of the channel of each reference voxel's class.

    Values that are all below the number of channels are their own places (a table made of the maps may lack a class);
    other classes have their channels in ascending order of their values.
    """
    if task == Task.LESIONS.value:
        if channels != 2:
            message = f"{name}: expected two channels, background and lesion, got {channels}."
            raise LabelError(message)
        return (reference.array > 0).view(np.uint8)
    values = labels.values
    if max(values) < channels:
        return reference.array
    if len(values) == channels:
        return np.searchsorted(np.array(values), reference.array).astype(np.min_scalar_type(channels))
    listed = ", ".join(str(label.value) for label in labels)
    message = (
        f"{name}: expected one channel for each of the {len(values)} classes (values {listed}), got {channels}. "
        "Give the model's classes with --labels."
    )
    raise LabelError(message)
