"""Scores of lesions as wholes, beside the overlap of their voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from medseg import metrics
from medseg.errors import GeometryError
from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import Presence, class_presence
from medseg.evaluation.result import CaseScores
from medseg.evaluation.scores import overlap_scores
from medseg.evaluation.statistics import JoinedScore
from medseg.evaluation.task import Task
from medseg.images import LabelTable
from medseg.metrics import LesionFindings, label_lesions, lesion_candidates, lesion_findings, overlap_table
from medseg.metrics.lesion_scores import SIZE_EDGES_ML, case_auroc, froc_score, sensitivity_by_size

LESION_LABELS = LabelTable.from_names(("background", "lesion"))
"""The one class of lesions: every value of the map but 0."""

_OF_CASE: Mapping[str, Callable[[LesionFindings], float]] = MappingProxyType(
    {
        "lesion_f1": metrics.lesion_f1,
        "lesion_recall": metrics.lesion_recall,
        "lesion_precision": metrics.lesion_precision,
        "lesion_ap": metrics.lesion_average_precision,
        "lesion_froc": froc_score,
        "case_auroc": case_auroc,
        "lesion_wise_dice": metrics.lesion_wise_dice,
    }
)


def _size_bands() -> dict[str, Callable[[Any], float]]:
    edges = [f"{edge:g}" for edge in SIZE_EDGES_ML]
    names = [
        f"below {edges[0]} ml",
        *(f"{low} to {high} ml" for low, high in pairwise(edges)),
        f"from {edges[-1]} ml",
    ]

    def reader(band: int) -> Callable[[Any], float]:
        return lambda findings: float(sensitivity_by_size(findings).sensitivities[band])

    return {f"lesion_sensitivity_by_size/{name}": reader(band) for band, name in enumerate(names)}


_BY_SIZE: Mapping[str, Callable[[LesionFindings], float]] = MappingProxyType(_size_bands())

JOINED_LESION_SCORES: Mapping[str, JoinedScore] = MappingProxyType(
    {key: JoinedScore("lesions", function) for key, function in {**_OF_CASE, **_BY_SIZE}.items()}
)
"""Scores for which the lesions of all cases are taken together."""


def score_lesions(pair: MapPair, *, options: ScoringOptions) -> CaseScores:
    """Scores of the lesions of one case.

    Every value of the reference but 0 is lesion; parts that touch are one lesion. The same goes for the prediction,
    whose value is the confidence, 1 all over in a mask. Of a detection map, candidates are the parts above 0, and there
    is no overlap of voxels, for a confidence is no mask.

    Raises:
        GeometryError: the confidences have another size than the map.
    """
    del options
    reference, prediction, confidence = pair.reference, pair.prediction, pair.confidence
    if confidence is not None and confidence.shape != reference.array.shape:
        message = f"{pair.names[1]}: expected confidences of shape {reference.array.shape}, got {confidence.shape}."
        raise GeometryError(message)
    mask = prediction.array > 0
    candidates = lesion_candidates(prediction.array if confidence is None else confidence)
    lesions = reference.array > 0
    has_volume = reference.array.ndim == 3 and reference.metadata.spacing_is_known
    volume = reference.grid.voxel_volume_mm3 if has_volume else None
    findings = lesion_findings(
        overlap_table(reference_labels=label_lesions(lesions), prediction_labels=candidates.labels),
        confidences=candidates.confidences,
        # Without a voxel size there are no volumes, and so no size bands.
        voxel_volume_mm3=volume or np.nan,
    )
    scores = {key: function(findings) for key, function in _OF_CASE.items()}
    if volume is not None:
        scores |= {key: function(findings) for key, function in _BY_SIZE.items()}
    confusion = None
    if confidence is None:
        confusion = metrics.confusion_table(
            reference=lesions.view(np.uint8), prediction=mask.view(np.uint8), class_values=(0, 1)
        )
        scores |= overlap_scores(confusion.counts, LESION_LABELS, voxel_volume_mm3=volume)
        presence = class_presence(confusion, LESION_LABELS)
    else:
        presence = {"lesion": Presence.of(reference=findings.num_lesions, prediction=int(candidates.confidences.size))}
    return CaseScores(
        pair.case_id,
        scores,
        LESION_LABELS,
        confusion,
        Task.LESIONS.value,
        {"lesions": findings},
        presence,
        voxel_volume_mm3=volume,
    )
