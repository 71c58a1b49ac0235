"""COCO's mask average precision (Lin 2014, doi 10.1007/978-3-319-10602-1_48), from object overlaps.

The area under the precision-recall curve that arises as objects are admitted from the most to the least confident:
precision is made non-increasing, read at 101 recalls (0, 0.01, .. 1) and averaged, then averaged over the IoU
thresholds 0.5, 0.55, .. 0.95. A match needs an IoU of *at least* the threshold. Objects of all images stand in one
list. Size ranges count pixels and are meant for 2-D images: a reference object outside the range is ignored together
with its match, and so is an unmatched predicted object outside it.

What differs from the COCO evaluation on purpose: there is no limit of 100 objects an image (images of cells hold more),
label images hold no crowd regions, and a threshold of 0.9 is 0.9 exactly.

**Without scores** there is no order of confidence, hence one point on the curve, at recall r and precision p: AP is
p times the share of the 101 recalls up to r. COCO's program given equal scores takes the order of the list as
confidence; the value here is the lowest that any order can give. **With scores** (`ranked_objects`) the curve is drawn
in their order, equal ones in the order of the images and of the objects' ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.metrics.instance_overlap import InstanceOverlap, IntArray
from medseg.metrics.matching import IOU_THRESHOLDS
from medseg.metrics.overlap import mean_of_defined

COCO_SIZES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"all": (0, np.inf), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}
)
"""Smallest and largest size in pixels, both belonging to the range."""

_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class CocoScores:
    """COCO's six mask average precisions; nan where the reference has no object of that size.

    Attributes:
        ap: mean over the IoU thresholds 0.5 to 0.95.
        ap_50: at 0.5.
        ap_75: at 0.75.
        ap_small: `ap` for objects up to 32^2 pixels.
        ap_medium: for 32^2 to 96^2 pixels.
        ap_large: for 96^2 pixels and more.
    """

    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float


@dataclass(frozen=True, eq=False)
class CocoCounts:
    """The one point on each curve that objects without confidences have; counts add up over images.

    Attributes:
        found: (sizes, thresholds) matched objects, in the order of `COCO_SIZES` and `IOU_THRESHOLDS`.
        wrong: (sizes, thresholds) predicted objects without a match.
        references: (sizes,) objects of the reference.
    """

    found: IntArray
    wrong: IntArray
    references: IntArray

    def __add__(self, other: CocoCounts) -> CocoCounts:
        """Of both together."""
        return CocoCounts(self.found + other.found, self.wrong + other.wrong, self.references + other.references)


@dataclass(frozen=True, eq=False)
class RankedObjects:
    """Predicted objects with their confidences; they add up over images.

    Attributes:
        scores: (P,) confidence of each predicted object.
        thresholds_met: (P,) how many of `IOU_THRESHOLDS`, from the lowest on, the object has a match at.
        references: objects of the reference.
    """

    scores: NDArray[np.float64]
    thresholds_met: NDArray[np.float64]
    references: int

    def __add__(self, other: RankedObjects) -> RankedObjects:
        """Of both together."""
        return joined_ranks((self, other))


def joined_ranks(parts: Sequence[RankedObjects]) -> RankedObjects:
    """All objects in one table, in the order of the images."""
    return RankedObjects(
        np.concatenate([one.scores for one in parts]),
        np.concatenate([one.thresholds_met for one in parts]),
        sum(one.references for one in parts),
    )


def ranked_objects(overlap: InstanceOverlap, *, scores: Sequence[float]) -> RankedObjects:
    """The predicted objects of one image with their confidences.

    Args:
        overlap: the objects.
        scores: (P,) confidence of each of `overlap.prediction_ids`.

    Raises:
        InputError: not one finite score for each predicted object.
    """
    order = _by_confidence(overlap, scores)
    # From an IoU above 0.5 on partners are unique, so what is met at a threshold is met at each lower one.
    met = [_partners(overlap, iou_threshold=one, order=order) >= 0 for one in IOU_THRESHOLDS]
    return RankedObjects(np.asarray(scores, float), np.sum(met, axis=0, dtype=np.float64), overlap.num_reference)


def ranked_average_precision(ranked: RankedObjects, *, iou_threshold: float | None = None) -> float:
    """Average precision of objects with confidences, of all sizes.

    Args:
        ranked: of one image, or of all added.
        iou_threshold: one of `IOU_THRESHOLDS`; absent: the mean over all of them.

    Returns:
        0 to 1; nan where the reference has no object.
    """
    if not ranked.references:
        return float("nan")
    met = ranked.thresholds_met[np.argsort(-ranked.scores, kind="stable")]
    places = range(len(IOU_THRESHOLDS)) if iou_threshold is None else [IOU_THRESHOLDS.index(iou_threshold)]
    areas = []
    for place in places:
        found = np.cumsum(met > place, dtype=np.int64)
        areas.append(_area(found, np.arange(1, len(met) + 1) - found, num_reference=ranked.references))
    return float(np.mean(areas))


def coco_counts(overlap: InstanceOverlap) -> CocoCounts:
    """Found and wrong objects of each size range at each IoU threshold, without confidences."""
    order = _by_confidence(overlap, None)
    partners = [_partners(overlap, iou_threshold=one, order=order) for one in IOU_THRESHOLDS]
    counts = [[_hits_and_misses(overlap, one, size=size) for one in partners] for size in COCO_SIZES]
    sums = np.array([[(hits.sum(), misses.sum()) for hits, misses in row] for row in counts], dtype=np.int64)
    references = [np.count_nonzero(_within(overlap.reference_sizes, size)) for size in COCO_SIZES]
    return CocoCounts(sums[..., 0], sums[..., 1], np.array(references, dtype=np.int64))


def coco_point_precision(counts: CocoCounts, *, iou_threshold: float | None = None, size: str = "all") -> float:
    """Average precision without confidences: precision times the share of the 101 recalls reached.

    Args:
        counts: of one image, or of all added.
        iou_threshold: one of `IOU_THRESHOLDS`; absent: the mean over all of them.
        size: a name in `COCO_SIZES`.

    Returns:
        0 to 1; nan where the reference has no object of that size.
    """
    row = list(COCO_SIZES).index(size)
    part = slice(None) if iou_threshold is None else IOU_THRESHOLDS.index(iou_threshold)
    references = counts.references[row]
    if not references:
        return float("nan")
    found, wrong = counts.found[row, part], counts.wrong[row, part]
    reached = np.searchsorted(_RECALLS, found / references, side="right") / len(_RECALLS)
    return float(np.mean(reached * found / np.maximum(found + wrong, 1)))


def coco_scores(
    overlap: InstanceOverlap, *, scores: NDArray[np.floating] | Sequence[float] | None = None
) -> CocoScores:
    """All six average precisions.

    Args:
        overlap: the objects of one image, or of all (`joined_overlap`).
        scores: (P,) confidence of each of `overlap.prediction_ids`; of equal ones the first counts as more confident.
            Absent: one point on the curve, see the module.

    Raises:
        InputError: not one finite score for each predicted object.
    """
    of_all = [coco_average_precision(overlap, iou_threshold=one, scores=scores) for one in IOU_THRESHOLDS]
    by_size = {
        size: mean_of_defined(
            [coco_average_precision(overlap, iou_threshold=one, scores=scores, size=size) for one in IOU_THRESHOLDS]
        )
        for size in ("small", "medium", "large")
    }
    return CocoScores(
        mean_of_defined(of_all),
        of_all[IOU_THRESHOLDS.index(0.5)],
        of_all[IOU_THRESHOLDS.index(0.75)],
        by_size["small"],
        by_size["medium"],
        by_size["large"],
    )


def coco_average_precision(
    overlap: InstanceOverlap,
    *,
    iou_threshold: float,
    scores: NDArray[np.floating] | Sequence[float] | None = None,
    size: str = "all",
) -> float:
    """Average precision at one IoU threshold; nan where the reference has no object of that size.

    Args:
        overlap: the objects of one image, or of all.
        iou_threshold: 0.5 or more, at most 1; below, COCO's greedy matching would differ from ours.
        scores: as for `coco_scores`.
        size: a name in `COCO_SIZES`.

    Raises:
        InputError: a threshold outside that range, an unknown size, or not one finite score for each predicted object.
    """
    if not 0.5 <= iou_threshold <= 1:
        message = f"IoU threshold: expected 0.5 to 1, got {iou_threshold}."
        raise InputError(message)
    if size not in COCO_SIZES:
        message = f"size: expected one of {', '.join(COCO_SIZES)}, got {size!r}."
        raise InputError(message)
    order = _by_confidence(overlap, scores)
    partner = _partners(overlap, iou_threshold=iou_threshold, order=order)
    num_reference = int(np.count_nonzero(_within(overlap.reference_sizes, size)))
    if not num_reference:
        return float("nan")
    hits, misses = _hits_and_misses(overlap, partner, size=size)
    found, wrong = np.cumsum(hits[order], dtype=np.int64), np.cumsum(misses[order], dtype=np.int64)
    if scores is None:
        found, wrong = found[-1:], wrong[-1:]
    return _area(found, wrong, num_reference=num_reference)


def _hits_and_misses(
    overlap: InstanceOverlap, partner: IntArray, *, size: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predicted objects count as found, and which as wrong, in a size range."""
    matched = partner >= 0
    counted = _within(overlap.prediction_sizes, size)
    # A matched object counts where its partner does; an unmatched one where its own size does.
    counted[matched] = _within(overlap.reference_sizes, size)[partner[matched]]
    return matched & counted, ~matched & counted


def _area(found: NDArray[np.integer], wrong: NDArray[np.integer], *, num_reference: int) -> float:
    """Mean at 101 recalls of the precision made non-increasing; 0 at recalls that are not reached."""
    recall = found / num_reference
    precision = found / np.maximum(found + wrong, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    reached = places < len(recall)
    return float(envelope[places[reached]].sum() / len(_RECALLS))


def _by_confidence(overlap: InstanceOverlap, scores: NDArray[np.floating] | Sequence[float] | None) -> IntArray:
    """Places of the predicted objects from the most to the least confident."""
    if scores is None:
        return np.arange(overlap.num_prediction)
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (overlap.num_prediction,) or not np.isfinite(values).all():
        message = (
            f"scores: expected {overlap.num_prediction} finite numbers, one for each predicted object, got shape "
            f"{values.shape} with {int(np.count_nonzero(~np.isfinite(values)))} not finite."
        )
        raise InputError(message)
    return np.argsort(-values, kind="stable")


def _partners(overlap: InstanceOverlap, *, iou_threshold: float, order: IntArray) -> IntArray:
    """Place of the reference's object that each predicted one matches; -1 where there is none.

    From 0.5 on an object has a choice only where two equal halves have an IoU of exactly 0.5 with it: the more
    confident half is taken, and of two halves of the reference the last, as COCO's program does.
    """
    rank = np.empty(overlap.num_prediction, dtype=np.int64)
    rank[order] = np.arange(overlap.num_prediction)
    pairs = np.flatnonzero(overlap.ious >= iou_threshold)
    # Written last wins: the lowest rank for each reference object, then the highest place for each predicted one.
    pairs = pairs[np.argsort(-rank[overlap.pair_prediction[pairs]], kind="stable")]
    taker = np.full(overlap.num_reference, -1, dtype=np.int64)
    taker[overlap.pair_reference[pairs]] = overlap.pair_prediction[pairs]
    partner = np.full(overlap.num_prediction, -1, dtype=np.int64)
    taken = np.flatnonzero(taker >= 0)
    partner[taker[taken]] = taken
    return partner


def _within(sizes: IntArray, size: str) -> NDArray[np.bool_]:
    smallest, largest = COCO_SIZES[size]
    return np.asarray((sizes >= smallest) & (sizes <= largest), dtype=bool)
