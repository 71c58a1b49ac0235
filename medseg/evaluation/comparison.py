"""Paired comparison of two models on the same cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medseg.errors import InputError
from medseg.evaluation.intervals import Interval, draw_weights, median, percentile_interval, weighted_means

if TYPE_CHECKING:
    from medseg.evaluation.result import Evaluation

_EXACT_PATIENTS = 12
"""Up to this many patients all 2^n signs are tried; beyond, as many random ones as `_RANDOM_SIGNS`."""
_RANDOM_SIGNS = 9_999
_ROUNDING = 1e-12
"""Sums of the same numbers in another order must count as equal."""


@dataclass(frozen=True)
class PairedScore:
    """One score of two models on the same cases. Differences are this model's value minus the other's, by patient.

    Attributes:
        mean_difference: mean over the patients; nan where none can be paired, infinite where one difference is.
        median_difference: median over the patients.
        interval: 95 % bootstrap interval of the mean difference over patients; None for less than two.
        num_patients: patients that are compared.
        num_cases: cases that both models define.
        num_unpaired: cases that only one of the two defines; they are left out of the comparison.
        p_wilcoxon: two-sided, signed ranks (Wilcoxon 1945, doi 10.2307/3001968; equal pairs are left out); nan
            without a pair, 1 where all are equal.
        p_permutation: two-sided, signs of the differences exchanged (Fisher); nan where the mean is not finite.
    """

    mean_difference: float
    median_difference: float
    interval: Interval | None
    num_patients: int
    num_cases: int
    num_unpaired: int
    p_wilcoxon: float
    p_permutation: float


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


def compare(
    evaluation: Evaluation, other: Evaluation, *, name: str, replicates: int = 2000, seed: int = 0
) -> Comparison:
    """Each score of two evaluations of the same cases, paired case by case and then averaged by patient.

    P-values are not corrected for the number of scores.

    Args:
        evaluation: of the model of interest; its cases say who the patients are.
        other: of the other model.
        name: what to call the other model.
        replicates: draws behind each interval.
        seed: of the draws and of random signs.

    Raises:
        InputError: the tasks or the cases differ.
    """
    ours = {case.case_id: case for case in evaluation.cases}
    theirs = {case.case_id: case for case in other.cases}
    if evaluation.task != other.task or set(ours) != set(theirs):
        lacking = ", ".join(sorted(set(ours) ^ set(theirs))[:5]) or f"task {other.task}, not {evaluation.task}"
        message = f"comparison: expected the same cases of one task from both models, they differ in {lacking}."
        raise InputError(message)
    rng = np.random.default_rng(seed)
    scores = {}
    for key in evaluation.means:
        if key in other.means:
            pairs = [
                (case.group, case.scores.get(key, math.nan), theirs[name_].scores.get(key, math.nan))
                for name_, case in ours.items()
            ]
            scores[key] = _paired(pairs, replicates=replicates, rng=rng)
    return Comparison(name, scores, {key: other.means[key].value for key in scores})


def _paired(pairs: list[tuple[str, float, float]], *, replicates: int, rng: np.random.Generator) -> PairedScore:
    """The comparison of one score from patient, our value and theirs of each case."""
    undefined = [(math.isnan(one), math.isnan(two)) for _, one, two in pairs]
    defined = [pair for pair, missing in zip(pairs, undefined, strict=True) if not any(missing)]
    by_patient: dict[str, list[float]] = {}
    for patient, one, two in defined:
        # Both infinite: both miss the same thing, neither is better.
        by_patient.setdefault(patient, []).append(0.0 if one == two else one - two)
    differences = np.array([_mean(values) for values in by_patient.values()])
    differences = differences[~np.isnan(differences)]
    return PairedScore(
        mean_difference=_mean(differences),
        median_difference=median(differences),
        interval=_interval(differences, replicates=replicates, rng=rng),
        num_patients=int(differences.size),
        num_cases=len(defined),
        num_unpaired=sum(one != two for one, two in undefined),
        p_wilcoxon=wilcoxon_p(differences),
        p_permutation=permutation_p(differences, rng=rng),
    )


def wilcoxon_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of the signed-rank test; nan without differences, 1 where all are 0."""
    if not differences.size:
        return math.nan
    # Ranks of infinite differences are those of any number larger than all others.
    largest = float(np.abs(differences[np.isfinite(differences)]).max(initial=1.0))
    ranked = np.clip(differences, -2 * largest, 2 * largest)
    if not ranked.any():
        return 1.0
    return float(stats.wilcoxon(ranked[ranked != 0]).pvalue)


def permutation_p(differences: NDArray[np.float64], *, rng: np.random.Generator) -> float:
    """Two-sided p-value of the mean under exchanged signs: exact for few patients, else from random signs."""
    count = differences.size
    if not count or not np.isfinite(differences).all():
        return math.nan
    observed = abs(differences.sum()) * (1 - _ROUNDING)
    if count <= _EXACT_PATIENTS:
        sums = np.abs(np.array(list(product((1.0, -1.0), repeat=count))) @ differences)
        return float(np.mean(sums >= observed))
    sums = np.abs(rng.choice((1.0, -1.0), size=(_RANDOM_SIGNS, count)) @ differences)
    return float((np.count_nonzero(sums >= observed) + 1) / (_RANDOM_SIGNS + 1))


def _interval(differences: NDArray[np.float64], *, replicates: int, rng: np.random.Generator) -> Interval | None:
    if differences.size < 2 or not replicates:
        return None
    weights = draw_weights([str(number) for number in range(differences.size)], replicates=replicates, rng=rng)
    return percentile_interval(weighted_means(differences, weights))


def _mean(values: list[float] | NDArray[np.float64]) -> float:
    """The mean; nan of nothing and of infinities of both signs, without numpy's warning."""
    array = np.asarray(values, dtype=np.float64)
    infinite = set(array[np.isinf(array)].tolist())
    if not array.size or len(infinite) > 1:
        return math.nan
    return infinite.pop() if infinite else float(array.mean())
