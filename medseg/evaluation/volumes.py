"""How well predicted volumes agree with those of the reference, class by class (Bland-Altman)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg.images import Label, LabelTable
from medseg.metrics import BlandAltman, bland_altman

if TYPE_CHECKING:
    from medseg.evaluation.result import CaseScores

FEWEST_CASES = 3
"""Below this number of cases limits of agreement say nothing."""
_ML_PER_MM3 = 1e-3


@dataclass(frozen=True, eq=False)
class VolumeAgreement:
    """Agreement of the volumes of one class, in ml.

    Cases in which neither map holds the class are left out: their difference of 0 would make the agreement look
    better the rarer the class is.

    Attributes:
        agreement: bias and limits, and the pairs behind them.
        case_ids: the cases, in the order of the pairs.
        num_patients: patients that they come from; the intervals take each case as one of its own.
        num_neither: cases left out because neither map holds the class.
        num_without_volume: cases left out because their voxel size is unknown or they are no volumes.
    """

    agreement: BlandAltman
    case_ids: tuple[str, ...]
    num_patients: int
    num_neither: int
    num_without_volume: int


def volume_agreements(cases: Sequence[CaseScores], labels: LabelTable) -> dict[str, VolumeAgreement]:
    """The agreement of each foreground class that has volumes in at least `FEWEST_CASES` cases, by its name."""
    found = {label.name: _of_class(cases, label) for label in labels.foreground}
    return {name: one for name, one in found.items() if len(one.case_ids) >= FEWEST_CASES}


def _of_class(cases: Sequence[CaseScores], label: Label) -> VolumeAgreement:
    measured = {case: volumes for case in cases if (volumes := _volumes(case, label.value)) is not None}
    held = {case: volumes for case, volumes in measured.items() if any(volumes)}
    return VolumeAgreement(
        bland_altman(
            reference=[volumes[0] for volumes in held.values()], prediction=[volumes[1] for volumes in held.values()]
        ),
        tuple(case.case_id for case in held),
        num_patients=len({case.group for case in held}),
        num_neither=len(measured) - len(held),
        num_without_volume=len(cases) - len(measured),
    )


def _volumes(case: CaseScores, value: int) -> tuple[float, float] | None:
    """Volume of a class in reference and prediction, in ml; None where it is unknown."""
    if case.confusion is None or case.voxel_volume_mm3 is None:
        return None
    if value not in case.confusion.values:
        return 0.0, 0.0
    place = case.confusion.values.index(value)
    voxel_ml = case.voxel_volume_mm3 * _ML_PER_MM3
    counts = case.confusion.counts
    return float(counts[place].sum()) * voxel_ml, float(counts[:, place].sum()) * voxel_ml
