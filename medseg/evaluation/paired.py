"""What a comparison of two models holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medseg.evaluation.intervals import Interval


@dataclass(frozen=True)
class PairedScore:
    """One score of two models on the same cases; differences are this model's value minus the other's.

    A score that is a mean over cases is paired case by case, and its differences are averaged by patient. A score that
    is formed from the statistics of all cases together is `joined`: its difference is that of the two joined values.

    Attributes:
        difference: mean over the patients of their differences, or the difference of the two joined values; nan where
            none can be formed, infinite where one difference is.
        median_difference: median over the patients; nan for a joined score, which has no value for each.
        interval: 95 % bootstrap interval of `difference` over patients; None for less than two, and for joined scores
            that take too long to form again (AP of COCO).
        num_patients: patients that are compared.
        num_cases: cases that both models define; for a joined score all cases.
        num_unpaired: cases that only one of the two defines; they are left out of the comparison. A joined score leaves
            none out.
        p_wilcoxon: two-sided, signed ranks (Wilcoxon 1945, doi 10.2307/3001968; equal pairs are left out); nan
            without a pair and for a joined score, 1 where all are equal.
        p_permutation: two-sided, the two models exchanged patient by patient (Fisher): signs of the differences, or
            statistics of a joined score. nan where the difference is not finite.
        joined: whether the score is formed from all cases together.
        num_draws: draws of patients behind the interval.
        num_draws_undefined: of these, those in which the difference is undefined; the interval rests on the others.
    """

    difference: float
    median_difference: float
    interval: Interval | None
    num_patients: int
    num_cases: int
    num_unpaired: int
    p_wilcoxon: float
    p_permutation: float
    joined: bool = False
    num_draws: int = 0
    num_draws_undefined: int = 0


@dataclass(frozen=True)
class Comparison:
    """Two models on the same cases.

    Attributes:
        other: what the other model's predictions are called.
        scores: by key, those that both evaluations hold.
        others: the other model's value over the cases, by key.
    """

    other: str
    scores: Mapping[str, PairedScore]
    others: Mapping[str, float]
