"""Confidence intervals from drawing patients again (bootstrap).

Cases of one patient are alike; drawing cases singly would pretend to more evidence than there is. So whole patients are
drawn with replacement, as many as there are, and each score is formed anew from the cases of those drawn. The interval
reaches from the 2.5th to the 97.5th percentile of these values (Efron 1979, doi 10.1214/aos/1176344552; clusters:
Davison and Hinkley 1997, doi 10.1017/CBO9780511802843, section 3.8). With few patients it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
FEW_PATIENTS = 10
"""Below this number of patients, a note says that intervals are too narrow."""

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)

Interval = tuple[float, float]


def draw_weights(patients: Sequence[str], *, replicates: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(replicates, cases): how often each case counts in each draw of patients.

    Args:
        patients: the patient of each case.
        replicates: number of draws.
        rng: source of randomness.
    """
    _, places = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
    count = int(places.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    return np.asarray(drawn[:, places], dtype=np.float64)


def weighted_means(values: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the defined values for each row of weights.

    inf where an infinite one counts; nan where none counts, or infinite ones of both signs do.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    totals = weights @ np.where(finite, array, 0.0)
    counts = weights @ (~np.isnan(array)).astype(np.float64)
    means = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    above, below = (weights @ (array == end).astype(np.float64) > 0 for end in (np.inf, -np.inf))
    means[above], means[below], means[above & below] = np.inf, -np.inf, np.nan
    return np.asarray(means)


def percentile_interval(values: ArrayLike) -> Interval | None:
    """The interval of the draws in which a score is defined; None where it is in none of them."""
    array = np.asarray(values, dtype=np.float64)
    defined = np.sort(array[~np.isnan(array)])
    if not defined.size:
        return None
    # Without interpolation: between a number and infinity there is nothing.
    low, high = (float(defined[max(0, math.ceil(tail * defined.size) - 1)]) for tail in _TAILS)
    return low, high


def count_undefined(values: ArrayLike) -> int:
    """Number of draws in which a score is undefined; an interval leaves them out."""
    return int(np.count_nonzero(np.isnan(np.asarray(values, dtype=np.float64))))


def median(values: ArrayLike) -> float:
    """The median of the defined values, infinite ones included; nan where there is none."""
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array[~np.isnan(array)])
    if not ordered.size:
        return math.nan
    return float((ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2)
