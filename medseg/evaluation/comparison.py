"""Paired comparison of two models on the same cases."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medseg.errors import InputError
from medseg.evaluation.intervals import count_undefined, draw_weights, median, percentile_interval, weighted_means
from medseg.evaluation.joined_comparison import (
    EXACT_PATIENTS,
    RANDOM_EXCHANGES,
    JoinedDraws,
    joined_draws,
    paired_joined,
)
from medseg.evaluation.paired import Comparison, PairedScore
from medseg.evaluation.scheme import SCHEMES

if TYPE_CHECKING:
    from medseg.evaluation.result import CaseScores, Evaluation

_ROUNDING = 1e-12
"""Sums of the same numbers in another order must count as equal."""


def compare(
    evaluation: Evaluation, other: Evaluation, *, name: str, replicates: int = 2000, seed: int = 0
) -> Comparison:
    """Each score of two evaluations of the same cases.

    Means over cases are paired case by case and averaged by patient; of scores that are formed from all cases together
    the two values are compared (`PairedScore`). P-values are not corrected for the number of scores.

    Args:
        evaluation: of the model of interest; its cases say who the patients are.
        other: of the other model.
        name: what to call the other model.
        replicates: draws behind each interval.
        seed: of the draws and of random exchanges.

    Raises:
        InputError: the tasks or the cases differ.
    """
    pairs = _pairs(evaluation, other)
    shared = [key for key in evaluation.means if key in other.means]
    scores = _joined_scores(evaluation, other, pairs, shared, replicates=replicates, seed=seed)
    rng = np.random.default_rng(seed)
    for key in shared:
        if key not in scores:
            values = [
                (ours.group, ours.scores.get(key, math.nan), theirs.scores.get(key, math.nan)) for ours, theirs in pairs
            ]
            scores[key] = _paired(values, replicates=replicates, rng=rng)
    return Comparison(name, {key: scores[key] for key in shared}, {key: other.means[key].value for key in shared})


def _pairs(evaluation: Evaluation, other: Evaluation) -> list[tuple[CaseScores, CaseScores]]:
    """The same case of both models."""
    ours = {case.case_id: case for case in evaluation.units}
    theirs = {case.case_id: case for case in other.units}
    if evaluation.task != other.task or set(ours) != set(theirs):
        lacking = ", ".join(sorted(set(ours) ^ set(theirs))[:5]) or f"task {other.task}, not {evaluation.task}"
        message = f"comparison: expected the same cases of one task from both models, they differ in {lacking}."
        raise InputError(message)
    return [(case, theirs[case_id]) for case_id, case in ours.items()]


def _joined_scores(
    evaluation: Evaluation,
    other: Evaluation,
    pairs: list[tuple[CaseScores, CaseScores]],
    keys: list[str],
    *,
    replicates: int,
    seed: int,
) -> dict[str, PairedScore]:
    """The scores that the task forms from all cases together."""
    scheme = SCHEMES.get(evaluation.task)
    table = {} if scheme is None else scheme.joined
    draws: dict[str, JoinedDraws] = {}
    scores = {}
    for key in keys:
        if key not in table:
            continue
        name = table[key].statistic
        if name not in draws:
            draws[name] = joined_draws(
                *([case.statistics[name] for case in side] for side in zip(*pairs, strict=True)),
                patients=[case.group for case, _ in pairs],
                replicates=replicates,
                seed=seed,
            )
        values = evaluation.means[key].value, other.means[key].value
        scores[key] = paired_joined(draws[name], table[key].function, ours=values[0], theirs=values[1])
    return scores


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
    drawn = _drawn_means(differences, replicates=replicates, rng=rng)
    return PairedScore(
        difference=_mean(differences),
        median_difference=median(differences),
        interval=percentile_interval(drawn),
        num_patients=int(differences.size),
        num_cases=len(defined),
        num_unpaired=sum(one != two for one, two in undefined),
        p_wilcoxon=wilcoxon_p(differences),
        p_permutation=permutation_p(differences, rng=rng),
        num_draws=drawn.size,
        num_draws_undefined=count_undefined(drawn),
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
    if count <= EXACT_PATIENTS:
        sums = np.abs(np.array(list(product((1.0, -1.0), repeat=count))) @ differences)
        return float(np.mean(sums >= observed))
    sums = np.abs(rng.choice((1.0, -1.0), size=(RANDOM_EXCHANGES, count)) @ differences)
    return float((np.count_nonzero(sums >= observed) + 1) / (RANDOM_EXCHANGES + 1))


def _drawn_means(differences: NDArray[np.float64], *, replicates: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The mean difference in each draw of patients; none for less than two patients."""
    if differences.size < 2 or not replicates:
        return np.zeros(0)
    weights = draw_weights([str(number) for number in range(differences.size)], replicates=replicates, rng=rng)
    return weighted_means(differences, weights)


def _mean(values: list[float] | NDArray[np.float64]) -> float:
    """The mean; nan of nothing and of infinities of both signs, without numpy's warning."""
    array = np.asarray(values, dtype=np.float64)
    infinite = set(array[np.isinf(array)].tolist())
    if not array.size or len(infinite) > 1:
        return math.nan
    return infinite.pop() if infinite else float(array.mean())
