"""Separate lesions from masks, and candidates with a confidence from detection or probability maps.

Lesions and candidates are connected components in the widest sense (26 neighbours in 3-D, 8 in 2-D): parts that touch
at a corner are one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import InputError

_WIDEST_RATIO = 1.0


@dataclass(frozen=True, eq=False)
class LesionCandidates:
    """Candidates of one case.

    Attributes:
        labels: (*spatial) number of the candidate that a voxel belongs to, from 1; 0 for none.
        confidences: (P,) the k-th belongs to number k + 1; above 0.
    """

    labels: NDArray[np.int32]
    confidences: NDArray[np.float64]


def label_lesions(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number of the lesion of each voxel, from 1; 0 outside. Lesions that touch, even at a corner, are one.

    Args:
        mask: (*spatial), True on lesions.
    """
    labels, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=np.bool_))
    return np.asarray(labels, dtype=np.int32)


def lesion_candidates(
    detection_map: NDArray[np.number | np.bool_], *, threshold: float = 0.0, min_voxels: int = 1
) -> LesionCandidates:
    """Components above a threshold; the confidence of each is its largest value.

    For a map whose lesions are drawn each in its confidence (threshold 0), for a binary mask (all confidences are 1)
    and for probabilities with a fixed threshold.

    Args:
        detection_map: (*spatial) confidence of each voxel, 0 or more; higher is more certain.
        threshold: voxels above it belong to candidates.
        min_voxels: smaller components are left out.

    Raises:
        InputError: values that are negative or not numbers, a negative threshold.
    """
    _check_map(detection_map)
    if not threshold >= 0:
        message = f"threshold: expected 0 or more, got {threshold}."
        raise InputError(message)
    labels = label_lesions(detection_map > threshold)
    sizes = np.bincount(labels.reshape(-1))[1:]
    kept = sizes >= min_voxels
    if not kept.all():
        numbers = np.concatenate(([0], np.where(kept, np.cumsum(kept), 0))).astype(np.int32)
        labels = numbers[labels]
    return LesionCandidates(labels, _maxima(detection_map, labels, int(kept.sum())))


def dynamic_lesion_candidates(
    probability: NDArray[np.floating],
    *,
    min_confidence: float = 0.1,
    ratio: float = 2.5,
    max_candidates: int = 5,
    min_voxels: int = 1,
) -> LesionCandidates:
    """Candidates around the highest peaks, each with a threshold of its own: its peak divided by `ratio`.

    The highest peak (voxel without a higher neighbour) left starts a candidate, which takes the component above the
    threshold around it; then the next. A faint lesion so keeps its extent and a bright one its border, which no fixed
    threshold gives. A component that touches an earlier candidate is the flank of that one and is dropped. After the
    dynamic thresholds of Bosma 2023 (doi 10.1148/ryai.230031).

    Args:
        probability: (*spatial) probability of lesion, 0 to 1.
        min_confidence: peaks below it are no candidates.
        ratio: peak over threshold, above 1.
        max_candidates: after so many, the rest is left out.
        min_voxels: smaller components are left out.

    Raises:
        InputError: probabilities outside 0 to 1, a ratio of 1 or less, a confidence that is not above 0.
    """
    _check_map(probability, highest=1.0)
    if not (ratio > _WIDEST_RATIO and min_confidence > 0):
        message = f"expected a ratio above 1 and a min_confidence above 0, got {ratio} and {min_confidence}."
        raise InputError(message)
    labels = np.zeros(probability.shape, dtype=np.int32)
    box = _box_of(probability >= min_confidence / ratio)
    left, taken = np.array(probability[box]), labels[box]
    neighbours = np.ones((3,) * left.ndim, dtype=np.bool_)
    confidences: list[float] = []
    for place in _peaks(left, at_least=min_confidence):
        peak = left[place]
        if len(confidences) >= max_candidates:
            break
        if peak == 0:  # in an earlier component
            continue
        components = label_lesions(left > peak / ratio)
        component = components == components[place]
        left[component] = 0
        touches = bool(taken[ndimage.binary_dilation(component, neighbours)].any())
        if not touches and int(component.sum()) >= min_voxels:
            confidences.append(float(peak))
            taken[component] = len(confidences)
    return LesionCandidates(labels, np.array(confidences, dtype=np.float64))


def _box_of(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds all of a mask; an empty one where there is nothing."""
    boxes = ndimage.find_objects(mask.view(np.uint8)) if mask.size else []
    return boxes[0] if boxes else (slice(0, 0),) * mask.ndim


def _peaks(values: NDArray[np.floating], *, at_least: float) -> list[tuple[int, ...]]:
    """Places of voxels without a higher neighbour, the highest first; of equal ones the first in the array."""
    if values.size == 0:
        return []
    is_peak = (values == ndimage.maximum_filter(values, size=3)) & (values >= at_least)
    places = np.argwhere(is_peak)
    order = np.argsort(-values[is_peak], kind="stable")
    return [tuple(place) for place in places[order].tolist()]


def _maxima(values: NDArray[np.number | np.bool_], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    maxima = np.zeros(count, dtype=np.float64)
    inside = labels > 0
    np.maximum.at(maxima, labels[inside] - 1, values[inside].astype(np.float64))
    return maxima


def _check_map(values: NDArray[np.number | np.bool_], *, highest: float = float("inf")) -> None:
    if values.size == 0:
        return
    least, greatest = values.min(), values.max()
    # Written so that nan, which compares as False, is refused too.
    if not (least >= 0 and greatest <= highest and np.isfinite(greatest)):
        wanted = "0 or more" if np.isinf(highest) else f"0 to {highest:g}"
        message = f"lesion map: expected finite values of {wanted}, got {least} to {greatest}. Give no logits."
        raise InputError(message)
