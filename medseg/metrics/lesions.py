"""Lesions found or missed as wholes: matching, and the facts that lesion scores are made of.

Rule of matching: a lesion and a candidate may be partners if their IoU reaches `min_iou`; among all one-to-one
pairings the one with the largest sum of 1 + IoU is taken. Then

- a lesion with a partner is found, with the partner's confidence; one without is missed at every threshold;
- a candidate without partner that reaches `min_iou` with some lesion is *spare*: a second sign of what was found. It is
  not counted as false unless asked for, but its number is kept;
- any other candidate is false.

The threshold of 0.1 and the treatment of spare candidates are those of the PI-CAI challenge (Saha 2024,
doi 10.1016/S1470-2045(24)00220-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from medseg.errors import InputError
from medseg.metrics.instance_overlap import InstanceOverlap

FloatArray = NDArray[np.float64]

MIN_IOU = 0.1
"""IoU from which a lesion counts as found; small because the place matters, not the outline."""


@dataclass(frozen=True, eq=False)
class LesionFindings:
    """What became of the lesions and candidates of one or several cases; they add up over cases.

    Attributes:
        has_lesion: (C,) whether the reference of each case holds a lesion.
        case_confidences: (C,) confidence of the case's most certain candidate, spare ones included; 0 without any.
        lesion_volumes_ml: (R,) volume of each lesion of the reference.
        lesion_confidences: (R,) confidence of its partner; 0 where it was missed.
        lesion_ious: (R,) IoU with its partner; 0 where it was missed.
        lesion_dices: (R,) Dice of the lesion and all candidates together that share a voxel with it; 0 without any.
        false_confidences: (F,) confidences of the false candidates.
        spare: number of spare candidates that were not counted as false.
        strays: number of candidates that share no voxel with any lesion.
    """

    has_lesion: NDArray[np.bool_]
    case_confidences: FloatArray
    lesion_volumes_ml: FloatArray
    lesion_confidences: FloatArray
    lesion_ious: FloatArray
    lesion_dices: FloatArray
    false_confidences: FloatArray
    spare: int
    strays: int

    @property
    def num_cases(self) -> int:
        """Number of cases."""
        return len(self.has_lesion)

    @property
    def num_lesions(self) -> int:
        """Number of lesions of the reference, found and missed."""
        return len(self.lesion_confidences)

    @property
    def num_found(self) -> int:
        """Number of lesions with a partner, at whatever confidence."""
        return int(np.count_nonzero(self.lesion_confidences))

    @property
    def num_false(self) -> int:
        """Number of false candidates, at whatever confidence."""
        return len(self.false_confidences)

    def __add__(self, other: LesionFindings) -> LesionFindings:
        """The cases of both."""
        return joined_findings((self, other))


def joined_findings(findings: Sequence[LesionFindings]) -> LesionFindings:
    """All cases together, in their order.

    Raises:
        InputError: no case.
    """
    if not findings:
        message = "lesion findings: expected at least one case, got none."
        raise InputError(message)
    return LesionFindings(
        np.concatenate([one.has_lesion for one in findings]),
        np.concatenate([one.case_confidences for one in findings]),
        np.concatenate([one.lesion_volumes_ml for one in findings]),
        np.concatenate([one.lesion_confidences for one in findings]),
        np.concatenate([one.lesion_ious for one in findings]),
        np.concatenate([one.lesion_dices for one in findings]),
        np.concatenate([one.false_confidences for one in findings]),
        sum(one.spare for one in findings),
        sum(one.strays for one in findings),
    )


def lesion_findings(
    overlap: InstanceOverlap,
    *,
    confidences: ArrayLike | None = None,
    voxel_volume_mm3: float = 1.0,
    min_iou: float = MIN_IOU,
    spare_is_false: bool = False,
) -> LesionFindings:
    """What became of the lesions and candidates of one case, by the rule of matching at the head of this module.

    Args:
        overlap: of the lesions (reference) and the candidates (prediction) of one case.
        confidences: (P,) of the candidates in the order of `overlap.prediction_ids`, above 0; None for 1 each.
        voxel_volume_mm3: volume of one voxel.
        min_iou: from which IoU a lesion can be found, above 0.
        spare_is_false: count spare candidates as false, so that a lesion found in pieces costs.

    Raises:
        InputError: another number of confidences than of candidates, or one that is not above 0; a wrong `min_iou`.
    """
    certain = _confidences(confidences, overlap.num_prediction)
    if not 0 < min_iou <= 1:
        message = f"min_iou: expected a number above 0, at most 1, got {min_iou}."
        raise InputError(message)
    near = overlap.ious >= min_iou
    lesions, candidates, ious = _partners(
        overlap.pair_reference[near], overlap.pair_prediction[near], overlap.ious[near]
    )
    found_with, found_iou = np.zeros((2, overlap.num_reference))
    found_with[lesions], found_iou[lesions] = certain[candidates], ious
    is_near, is_partner, touches = np.zeros((3, overlap.num_prediction), dtype=np.bool_)
    is_near[overlap.pair_prediction[near]] = True
    is_partner[candidates] = True
    touches[overlap.pair_prediction] = True
    is_false = ~is_partner if spare_is_false else ~is_near
    return LesionFindings(
        has_lesion=np.array([overlap.num_reference > 0]),
        case_confidences=np.array([certain.max(initial=0.0)]),
        lesion_volumes_ml=overlap.reference_sizes.astype(np.float64) * (voxel_volume_mm3 / 1000.0),
        lesion_confidences=found_with,
        lesion_ious=found_iou,
        lesion_dices=_dices(overlap),
        false_confidences=certain[is_false],
        spare=int(np.count_nonzero(~is_partner & ~is_false)),
        strays=int(np.count_nonzero(~touches)),
    )


def _partners(
    lesions: NDArray[np.int64], candidates: NDArray[np.int64], ious: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Lesion, candidate and IoU of each pair of the best one-to-one pairing."""
    rows, row_of = np.unique(lesions, return_inverse=True)
    columns, column_of = np.unique(candidates, return_inverse=True)
    table = np.zeros((len(rows), len(columns)))
    table[row_of, column_of] = ious
    of_row, of_column = linear_sum_assignment(table + (table > 0), maximize=True)
    real = table[of_row, of_column] > 0
    of_row, of_column = of_row[real], of_column[real]
    return rows[of_row], columns[of_column], table[of_row, of_column]


def _dices(overlap: InstanceOverlap) -> FloatArray:
    """Dice of each lesion and the union of all candidates that share a voxel with it."""
    lesions = overlap.num_reference
    touching = overlap.prediction_sizes[overlap.pair_prediction]
    shared = np.bincount(overlap.pair_reference, weights=overlap.intersections, minlength=lesions)
    predicted = np.bincount(overlap.pair_reference, weights=touching, minlength=lesions)
    return np.asarray(2 * shared / (overlap.reference_sizes + predicted), dtype=np.float64)


def _confidences(confidences: ArrayLike | None, count: int) -> FloatArray:
    values = np.ones(count) if confidences is None else np.asarray(confidences, dtype=np.float64)
    if values.shape != (count,):
        message = f"confidences: expected one for each of {count} candidates, got an array of shape {values.shape}."
        raise InputError(message)
    if not (np.isfinite(values) & (values > 0)).all():
        message = f"confidences: expected finite numbers above 0, got {values.min()}. Give probabilities, no logits."
        raise InputError(message)
    return values
