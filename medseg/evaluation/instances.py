"""Scores of maps with a number for each object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from medseg import metrics
from medseg.errors import InputError
from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import Presence
from medseg.evaluation.result import CaseScores
from medseg.evaluation.statistics import JoinedScore
from medseg.evaluation.task import Task
from medseg.images import LabelTable
from medseg.metrics import (
    CocoCounts,
    InstanceOverlap,
    MatchCounts,
    RankedObjects,
    coco_counts,
    coco_point_precision,
    match_counts,
    overlap_table,
    ranked_average_precision,
    ranked_objects,
)

OBJECT_LABELS = LabelTable.from_names(("background", "object"))
"""The one class of objects."""

_THRESHOLD = 0.5

_FROM_MATCHES: Mapping[str, Callable[[MatchCounts], float]] = MappingProxyType(
    {
        "panoptic_quality": metrics.panoptic_quality,
        "object_f1": metrics.object_f1,
        "object_precision": metrics.object_precision,
        "object_recall": metrics.object_recall,
        "segmentation_quality": metrics.segmentation_quality,
    }
)
_COCO: Mapping[str, Callable[[CocoCounts], float]] = MappingProxyType(
    {
        "coco_ap": coco_point_precision,
        "coco_ap_50": partial(coco_point_precision, iou_threshold=0.5),
        "coco_ap_75": partial(coco_point_precision, iou_threshold=0.75),
    }
)
_COCO_OF_SIZE: Mapping[str, Callable[[CocoCounts], float]] = MappingProxyType(
    {f"coco_ap_{size}": partial(coco_point_precision, size=size) for size in ("small", "medium", "large")}
)
"""In pixels of flat images."""

_RANKED: Mapping[str, Callable[[RankedObjects], float]] = MappingProxyType(
    {
        "coco_ap_ranked": ranked_average_precision,
        "coco_ap_50_ranked": partial(ranked_average_precision, iou_threshold=0.5),
        "coco_ap_75_ranked": partial(ranked_average_precision, iou_threshold=0.75),
    }
)
"""Of predictions whose objects have scores."""

JOINED_OBJECT_SCORES: Mapping[str, JoinedScore] = MappingProxyType(
    {key: JoinedScore("matches", function) for key, function in _FROM_MATCHES.items()}
    | {key: JoinedScore("coco", function) for key, function in {**_COCO, **_COCO_OF_SIZE}.items()}
    | {key: JoinedScore("ranked", function) for key, function in _RANKED.items()}
)
"""Scores for which the objects of all cases are taken together."""


def score_instances(pair: MapPair, *, options: ScoringOptions) -> CaseScores:
    """Scores of the objects of one case.

    Raises:
        LabelError: object ids that are not whole numbers from 0 on.
        InputError: there are scores, but not of each predicted object.
    """
    del options
    reference, prediction = pair.reference, pair.prediction
    overlap = overlap_table(reference_labels=reference.array, prediction_labels=prediction.array)
    counts = match_counts(overlap)
    scores = {key: function(counts[_THRESHOLD]) for key, function in _FROM_MATCHES.items()}
    scores["ap_dsb"] = metrics.mean_average_precision_dsb(counts.values())
    scores["ap_dsb_50"] = metrics.average_precision_dsb(counts[0.5])
    scores["ap_dsb_75"] = metrics.average_precision_dsb(counts[0.75])
    scores["aggregated_jaccard"] = metrics.aggregated_jaccard_index(metrics.jaccard_sums(overlap))
    coco = coco_counts(overlap)
    of_coco = {**_COCO, **_COCO_OF_SIZE} if reference.array.ndim == 2 else _COCO
    scores |= {key: function(coco) for key, function in of_coco.items()}
    statistics: dict[str, Any] = {"matches": counts[_THRESHOLD], "coco": coco}
    if pair.object_scores is not None:
        ranked = statistics["ranked"] = ranked_objects(overlap, scores=_scores_of(overlap, pair))
        scores |= {key: function(ranked) for key, function in _RANKED.items()}
    presence = Presence.of(reference=overlap.num_reference, prediction=overlap.num_prediction)
    return CaseScores(
        pair.case_id,
        scores,
        OBJECT_LABELS,
        task=Task.INSTANCES.value,
        statistics=statistics,
        presence={"object": presence},
    )


def _scores_of(overlap: InstanceOverlap, pair: MapPair) -> list[float]:
    """The score of each predicted object, in the order of the ids."""
    known = pair.object_scores or {}
    lacking = [number for number in overlap.prediction_ids.tolist() if number not in known]
    if lacking:
        message = (
            f"scores of case {pair.case_id!r}: expected one for each of {overlap.num_prediction} objects, got none for "
            f"object {lacking[0]}. Give the table that was written with this very mask."
        )
        raise InputError(message)
    return [known[number] for number in overlap.prediction_ids.tolist()]
