"""Paired comparison of scores that are formed from the statistics of all cases together.

Such a score (F1, AP, panoptic quality) is no mean of the cases' values, so neither is the difference of two models.
Both values are formed anew for each draw: of patients, the same ones for both models, for the interval; of patients in
which the models are exchanged, for the p-value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.evaluation.intervals import count_undefined, draw_weights, percentile_interval
from medseg.evaluation.paired import PairedScore
from medseg.evaluation.statistics import joined, most_sums, weighted_sums

EXACT_PATIENTS = 12
"""Up to this many patients all 2^n exchanges are tried; beyond, as many random ones as `RANDOM_EXCHANGES`."""
RANDOM_EXCHANGES = 9_999
_ROUNDING = 1e-12
"""Sums of the same numbers in another order must count as equal; scores are numbers up to 1."""
_ROWS = 1000
"""Draws that are formed at once, so that memory does not grow with their number."""

_Pair = tuple[Any, Any]


@dataclass(frozen=True)
class JoinedDraws:
    """A statistic of both models, drawn again.

    Attributes:
        num_patients: patients.
        num_cases: their cases.
        drawn: both models' sums in each draw of patients; empty where none can be formed.
        exchanged: both sums with the models exchanged in some patients; empty where none can be formed.
        is_exact: whether `exchanged` holds all exchanges, not random ones.
    """

    num_patients: int
    num_cases: int
    drawn: Sequence[_Pair]
    exchanged: Sequence[_Pair]
    is_exact: bool


def joined_draws(
    ours: Sequence[Any], theirs: Sequence[Any], *, patients: Sequence[str], replicates: int, seed: int
) -> JoinedDraws:
    """Draw the statistics of both models again.

    Args:
        ours: statistic of each case.
        theirs: of the same cases by the other model.
        patients: of each case.
        replicates: draws of patients.
        seed: of draws and random exchanges.
    """
    names = list(dict.fromkeys(patients))
    one, two = (_by_patient(parts, patients, names) for parts in (ours, theirs))
    rng = np.random.default_rng(seed)
    most = most_sums(ours[0])
    drawn: list[_Pair] = []
    if len(names) > 1 and min(replicates, most):
        weights = draw_weights(names, replicates=min(replicates, most), rng=rng)
        drawn = _sums(one, two, ours_in_first=weights, theirs_in_first=np.zeros_like(weights))
    kept, is_exact = _exchanges(len(names), most=most, rng=rng)
    exchanged = _sums(one, two, ours_in_first=kept, theirs_in_first=1 - kept) if len(kept) else []
    return JoinedDraws(len(names), len(patients), drawn, exchanged, is_exact)


def paired_joined(draws: JoinedDraws, function: Callable[[Any], float], *, ours: float, theirs: float) -> PairedScore:
    """The comparison of one joined score from its two values and the draws of its statistic."""
    difference = ours - theirs
    drawn = _differences(draws.drawn, function)
    return PairedScore(
        difference=difference,
        median_difference=math.nan,
        interval=None if math.isnan(difference) else percentile_interval(drawn),
        num_patients=draws.num_patients,
        num_cases=draws.num_cases,
        num_unpaired=0,
        p_wilcoxon=math.nan,
        p_permutation=_p_value(draws, function, difference),
        joined=True,
        num_draws=len(drawn),
        num_draws_undefined=count_undefined(drawn),
    )


def _p_value(draws: JoinedDraws, function: Callable[[Any], float], difference: float) -> float:
    if not draws.exchanged or not math.isfinite(difference):
        return math.nan
    # An exchange that leaves the score undefined counts as extreme: it can raise the p-value, never lower it.
    extreme = ~(np.abs(_differences(draws.exchanged, function)) < abs(difference) - _ROUNDING)
    count = int(np.count_nonzero(extreme))
    return count / extreme.size if draws.is_exact else (count + 1) / (extreme.size + 1)


def _differences(pairs: Sequence[_Pair], function: Callable[[Any], float]) -> NDArray[np.float64]:
    return np.array([function(one) - function(two) for one, two in pairs], dtype=np.float64)


def _by_patient(parts: Sequence[Any], patients: Sequence[str], names: Sequence[str]) -> list[Any]:
    of_patient: dict[str, list[Any]] = {name: [] for name in names}
    for part, patient in zip(parts, patients, strict=True):
        of_patient[patient].append(part)
    return [joined(of_patient[name]) for name in names]


def _exchanges(count: int, *, most: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """(rows, patients): 1 where a patient keeps the models, 0 where they are exchanged; whether these are all."""
    if count <= EXACT_PATIENTS and 2**count <= most:
        return np.array(list(product((1.0, 0.0), repeat=count))), True
    return rng.integers(0, 2, size=(min(RANDOM_EXCHANGES, most), count)).astype(np.float64), False


def _sums(
    one: Sequence[Any], two: Sequence[Any], *, ours_in_first: NDArray[np.number], theirs_in_first: NDArray[np.number]
) -> list[_Pair]:
    """Both sums of each row; the second takes from each model what the first takes from the other."""
    parts = [*one, *two]
    pairs: list[_Pair] = []
    for start in range(0, len(ours_in_first), _ROWS):
        first, second = (weights[start : start + _ROWS] for weights in (ours_in_first, theirs_in_first))
        sums = [weighted_sums(parts, np.hstack(halves)) for halves in ((first, second), (second, first))]
        if sums[0] is None or sums[1] is None:
            return []
        pairs += zip(*sums, strict=True)
    return pairs
