"""Which predicted object is which reference object, and the scores that follow from counting such matches.

Two objects may match when their IoU is *above* the threshold (Kirillov 2019 and the Data Science Bowl 2018 say so;
COCO's "at least" is in `medseg.metrics.coco`). No object matches twice. From a threshold of 0.5 on, at most one partner
is above it, so the matching is unique. Below, the matching with the most matches is taken, and among those the one
with the largest sum of IoUs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medseg.errors import InputError
from medseg.metrics.instance_overlap import InstanceOverlap, IntArray
from medseg.metrics.overlap import mean_of_defined

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""The thresholds over which the Data Science Bowl 2018 and COCO take their means."""


@dataclass(frozen=True)
class MatchCounts:
    """How many objects were matched; they add up over images.

    Attributes:
        true_positives: matched pairs.
        false_positives: predicted objects without a match.
        false_negatives: objects of the reference without a match.
        iou_sum: sum of the IoUs of the matched pairs.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    iou_sum: float

    def __add__(self, other: MatchCounts) -> MatchCounts:
        """Counts of both."""
        return MatchCounts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.iou_sum + other.iou_sum,
        )


@dataclass(frozen=True, eq=False)
class ObjectMatches:
    """The matched pairs of an overlap table.

    Attributes:
        overlap: the table.
        reference: (M,) places of the matched reference objects in the table, ascending.
        prediction: (M,) place of the match of each.
        ious: (M,) their IoUs.
    """

    overlap: InstanceOverlap
    reference: IntArray
    prediction: IntArray
    ious: NDArray[np.float64]

    @property
    def counts(self) -> MatchCounts:
        """How many were matched and how many were not."""
        matched = len(self.reference)
        return MatchCounts(
            matched, self.overlap.num_prediction - matched, self.overlap.num_reference - matched, float(self.ious.sum())
        )

    @property
    def missed(self) -> IntArray:
        """Ids of the reference's objects without a match."""
        return np.asarray(np.delete(self.overlap.reference_ids, self.reference), dtype=np.int64)

    @property
    def spurious(self) -> IntArray:
        """Ids of the predicted objects without a match."""
        return np.asarray(np.delete(self.overlap.prediction_ids, self.prediction), dtype=np.int64)


def match(overlap: InstanceOverlap, *, iou_threshold: float) -> ObjectMatches:
    """The optimal one-to-one matching of objects whose IoU is above the threshold.

    Args:
        overlap: the table of both label images.
        iou_threshold: 0 or more, below 1.

    Raises:
        InputError: the threshold is outside that range.
    """
    if not 0 <= iou_threshold < 1:
        message = f"IoU threshold: expected at least 0 and below 1, got {iou_threshold}."
        raise InputError(message)
    ious = overlap.ious
    candidates = np.flatnonzero(ious > iou_threshold)
    if iou_threshold < 0.5:
        candidates = _optimal(overlap, candidates, ious)
    order = candidates[np.argsort(overlap.pair_reference[candidates])]
    return ObjectMatches(overlap, overlap.pair_reference[order], overlap.pair_prediction[order], ious[order])


def match_counts(
    overlap: InstanceOverlap, *, iou_thresholds: Iterable[float] = IOU_THRESHOLDS
) -> dict[float, MatchCounts]:
    """Counts at each threshold.

    Raises:
        InputError: a threshold below 0, or of 1 and more.
    """
    return {threshold: match(overlap, iou_threshold=threshold).counts for threshold in iou_thresholds}


def object_precision(counts: MatchCounts) -> float:
    """Share of the predicted objects that have a match, TP / (TP + FP); nan without predicted objects."""
    return _ratio(counts.true_positives, counts.true_positives + counts.false_positives)


def object_recall(counts: MatchCounts) -> float:
    """Share of the reference's objects that have a match, TP / (TP + FN); nan without objects in the reference."""
    return _ratio(counts.true_positives, counts.true_positives + counts.false_negatives)


def object_f1(counts: MatchCounts) -> float:
    """2 TP / (2 TP + FP + FN), also known as recognition quality; nan where neither image has an object."""
    hits = 2 * counts.true_positives
    return _ratio(hits, hits + counts.false_positives + counts.false_negatives)


def average_precision_dsb(counts: MatchCounts) -> float:
    """TP / (TP + FP + FN), "average precision" in the Data Science Bowl 2018; nan where neither image has an object.

    It is no area under a curve: objects need no scores. Caicedo 2019, doi 10.1038/s41592-019-0612-7.
    """
    return _ratio(counts.true_positives, counts.true_positives + counts.false_positives + counts.false_negatives)


def mean_average_precision_dsb(counts: Iterable[MatchCounts]) -> float:
    """Mean of `average_precision_dsb` over the counts at several thresholds; nan where neither image has an object.

    Args:
        counts: counts of the same objects at each threshold, as `match_counts(overlap).values()`.
    """
    return mean_of_defined([average_precision_dsb(one) for one in counts])


def segmentation_quality(counts: MatchCounts) -> float:
    """Mean IoU of the matched pairs; nan without a match. It says nothing of objects missed or made up."""
    return _ratio(counts.iou_sum, counts.true_positives)


def panoptic_quality(counts: MatchCounts) -> float:
    """Sum of the matches' IoUs / (TP + FP / 2 + FN / 2) = segmentation quality times F1; 0 without a match.

    It is nan where neither image has an object. The counts must be those at an IoU above 0.5.
    Kirillov 2019, doi 10.1109/CVPR.2019.00963.
    """
    return _ratio(2 * counts.iou_sum, 2 * counts.true_positives + counts.false_positives + counts.false_negatives)


def _optimal(overlap: InstanceOverlap, candidates: IntArray, ious: NDArray[np.float64]) -> IntArray:
    """The candidates that form the matching with the most pairs and, among those, the largest sum of IoUs."""
    rows, columns = overlap.pair_reference[candidates], overlap.pair_prediction[candidates]
    nodes = overlap.num_reference + overlap.num_prediction
    graph = coo_array((np.ones(len(rows)), (rows, columns + overlap.num_reference)), shape=(nodes, nodes))
    _, group_of_node = connected_components(graph, directed=False)
    groups = group_of_node[rows]
    by_group = np.argsort(groups, kind="stable")
    # Objects that touch no common partner cannot compete: each group is a small problem of its own.
    bounds = np.flatnonzero(np.diff(groups[by_group])) + 1
    chosen = [
        _best_of_group(rows[part], columns[part], ious[candidates[part]], candidates[part])
        for part in np.split(by_group, bounds)
        if part.size
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *chosen])


def _best_of_group(rows: IntArray, columns: IntArray, ious: NDArray[np.float64], pairs: IntArray) -> IntArray:
    if pairs.size == 1:
        return pairs
    row_ids, row_places = np.unique(rows, return_inverse=True)
    column_ids, column_places = np.unique(columns, return_inverse=True)
    # An IoU is at most 1: one more match always outweighs all IoUs together.
    most = min(len(row_ids), len(column_ids))
    gain = np.zeros((len(row_ids), len(column_ids)))
    gain[row_places, column_places] = 1 + ious / (2 * most)
    pair_at = np.full(gain.shape, -1, dtype=np.int64)
    pair_at[row_places, column_places] = pairs
    chosen = pair_at[linear_sum_assignment(gain, maximize=True)]
    return np.asarray(chosen[chosen >= 0], dtype=np.int64)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("nan")
