"""Lesion scores from findings: precision, recall, F1, AP, FROC, case AUROC, sensitivity by size, lesion-wise Dice.

A missed lesion has no confidence and is missed at every threshold: it lowers the curves to their end. (Where misses are
given the confidence 0 and the threshold 0 is kept, as plain library calls do, each miss is counted as found there.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from medseg.errors import InputError
from medseg.metrics.lesions import LesionFindings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FALSE_POSITIVES_PER_CASE = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Rates at which the FROC score reads the curve (Setio 2017, doi 10.1016/j.media.2017.06.015)."""

SIZE_EDGES_ML = (0.1, 0.5, 1.0, 5.0)
"""Borders of the size bands, in ml; the first band is below the first border, the last from the last border on."""


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """Sensitivity against false positives, threshold by threshold from high to low.

    Attributes:
        thresholds: (T,) distinct confidences, descending; a candidate counts from its confidence on.
        sensitivities: (T,) share of all lesions found; nan without lesions.
        false_positives_per_case: (T,) false candidates over cases.
    """

    thresholds: FloatArray
    sensitivities: FloatArray
    false_positives_per_case: FloatArray


@dataclass(frozen=True, eq=False)
class SizeBands:
    """Lesions and those found among them by size.

    Attributes:
        edges_ml: (B - 1,) borders between the bands; a lesion on a border is in the upper band.
        lesions: (B,) lesions of the reference in each band.
        found: (B,) those found.
        sensitivities: (B,) found over lesions; nan for a band without lesions.
        unknown: lesions whose volume is unknown (nan); they are in no band.
    """

    edges_ml: FloatArray
    lesions: IntArray
    found: IntArray
    sensitivities: FloatArray
    unknown: int


def lesion_recall(findings: LesionFindings) -> float:
    """Share of the lesions that were found, at whatever confidence; nan without lesions."""
    return _quotient(findings.num_found, findings.num_lesions)


def lesion_precision(findings: LesionFindings) -> float:
    """Found lesions over found lesions and false candidates; nan without either."""
    return _quotient(findings.num_found, findings.num_found + findings.num_false)


def lesion_f1(findings: LesionFindings) -> float:
    """2 TP / (2 TP + FP + FN) of lesions; nan where there is no lesion and no false candidate."""
    return _quotient(2 * findings.num_found, findings.num_found + findings.num_false + findings.num_lesions)


def lesion_average_precision(findings: LesionFindings) -> float:
    """Area under the precision-recall curve of all candidates by confidence, as steps; nan without lesions.

    Sum over distinct confidences of the recall gained there times the precision there; recall that is never reached
    adds nothing.
    """
    if findings.num_lesions == 0:
        return float("nan")
    thresholds, found, false = _counts_by_threshold(findings)
    if thresholds.size == 0:
        return 0.0
    gained = np.diff(found, prepend=0) / findings.num_lesions
    return float((gained * (found / (found + false))).sum())


def froc(findings: LesionFindings) -> FrocCurve:
    """The free-response curve (Bunch 1977, doi 10.1117/12.955926); empty where no candidate counts.

    Raises:
        InputError: no case.
    """
    if findings.num_cases == 0:
        message = "FROC: expected at least one case, got none."
        raise InputError(message)
    thresholds, found, false = _counts_by_threshold(findings)
    lesions = findings.num_lesions
    sensitivities = found / lesions if lesions else np.full(len(found), np.nan)
    return FrocCurve(thresholds, sensitivities, false / findings.num_cases)


def froc_sensitivity(findings: LesionFindings, *, false_positives_per_case: float) -> float:
    """Largest sensitivity at a threshold with at most so many false positives a case; nan without lesions.

    Not interpolated: there is a threshold that reaches it. 0 where already the most certain candidate is too much.
    """
    if findings.num_lesions == 0:
        return float("nan")
    curve = froc(findings)
    allowed = curve.false_positives_per_case <= false_positives_per_case
    return float(curve.sensitivities[allowed].max(initial=0.0))


def froc_score(findings: LesionFindings, *, rates: Sequence[float] = FALSE_POSITIVES_PER_CASE) -> float:
    """Mean sensitivity at several rates of false positives a case; nan without lesions.

    Setio 2017, doi 10.1016/j.media.2017.06.015, but read from the steps instead of interpolated between them.
    """
    return float(np.mean([froc_sensitivity(findings, false_positives_per_case=rate) for rate in rates]))


def case_auroc(findings: LesionFindings) -> float:
    """Chance that a case with lesions has a more certain candidate than one without; ties count half.

    nan unless there are cases with and without lesions. Cases without candidates have confidence 0.
    Hanley 1982, doi 10.1148/radiology.143.1.7063747.
    """
    positive = findings.has_lesion
    with_lesion, without = int(positive.sum()), int((~positive).sum())
    if with_lesion == 0 or without == 0:
        return float("nan")
    ranks = rankdata(findings.case_confidences)
    above = float(ranks[positive].sum()) - with_lesion * (with_lesion + 1) / 2
    return above / (with_lesion * without)


def sensitivity_by_size(findings: LesionFindings, *, edges_ml: Sequence[float] = SIZE_EDGES_ML) -> SizeBands:
    """Share of the lesions found in each band of size, at whatever confidence.

    Args:
        findings: of all cases.
        edges_ml: borders of the bands, ascending, above 0.

    Raises:
        InputError: borders that do not ascend.
    """
    edges = np.asarray(edges_ml, dtype=np.float64)
    if edges.size == 0 or not (np.diff(edges, prepend=0.0) > 0).all():
        message = f"edges_ml: expected ascending volumes above 0, got {list(edges_ml)}."
        raise InputError(message)
    known = ~np.isnan(findings.lesion_volumes_ml)
    band = np.digitize(findings.lesion_volumes_ml[known], edges)
    bands = edges.size + 1
    lesions = np.bincount(band, minlength=bands).astype(np.int64)
    found = np.bincount(band[findings.lesion_confidences[known] > 0], minlength=bands).astype(np.int64)
    share: FloatArray = np.divide(found, lesions, out=np.full(bands, np.nan), where=lesions > 0)
    return SizeBands(edges, lesions, found, share, unknown=int(np.count_nonzero(~known)))


def lesion_wise_dice(findings: LesionFindings) -> float:
    """Mean Dice over lesions and strays; nan without either.

    A lesion has its Dice with all candidates together that share a voxel with it, 0 if none does; a candidate that
    shares no voxel with any lesion (a stray) adds a 0. So a small lesion weighs as much as a large one. The BraTS
    challenge of 2023 does the same after growing the lesions of the reference by dilation, which is not done here.
    """
    return _quotient(float(findings.lesion_dices.sum()), findings.num_lesions + findings.strays)


def _counts_by_threshold(findings: LesionFindings) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct confidences, descending, and the numbers of found lesions and false candidates from each one up."""
    found = findings.lesion_confidences[findings.lesion_confidences > 0]
    thresholds = np.unique(np.concatenate((found, findings.false_confidences)))[::-1]
    return thresholds, _at_least(found, thresholds), _at_least(findings.false_confidences, thresholds)


def _at_least(values: FloatArray, thresholds: FloatArray) -> IntArray:
    return np.asarray(values.size - np.searchsorted(np.sort(values), thresholds, side="left"), dtype=np.int64)


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
