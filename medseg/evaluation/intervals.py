"""Confidence intervals from drawing patients again (bootstrap).

Cases of one patient are alike; drawing cases singly would pretend to more evidence than there is. So whole patients are
drawn with replacement, as many as there are, and each score is formed anew from the cases of those drawn. The interval
reaches from the 2.5th to the 97.5th percentile of these values (Efron 1979, doi 10.1214/aos/1176344552; clusters:
Davison and Hinkley 1997, doi 10.1017/CBO9780511802843, section 3.8). With few patients it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
FEW_PATIENTS = 10
"""Below this number of patients, a note says that intervals are too narrow."""

_BLOCK_WEIGHTS = 1 << 17
"""Weights held as 8-byte numbers at a time: 1 MB."""

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)

Interval = tuple[float, float]


def draw_weights(patients: Sequence[str], *, replicates: int, rng: np.random.Generator) -> NDArray[np.unsignedinteger]:
    """(replicates, cases): how often each case counts in each draw of patients, in the smallest type that holds it.

    Args:
        patients: the patient of each case.
        replicates: number of draws.
        rng: source of randomness.
    """
    _, places = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
    count = int(places.max()) + 1
    weights: NDArray[np.unsignedinteger] = np.empty((replicates, len(places)), dtype=np.min_scalar_type(count))
    for rows in _row_blocks(replicates, columns=max(count, len(places))):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=len(weights[rows]))
        weights[rows] = drawn[:, places]
    return weights


def weighted_sums_of(columns: NDArray[np.float64], weights: NDArray[np.number]) -> NDArray[np.float64]:
    """(rows, ...): the sum over the cases of each row of weights.

    Args:
        columns: (cases, ...) finite values.
        weights: (rows, cases).
    """
    sums = np.empty((len(weights), *columns.shape[1:]))
    for rows in _row_blocks(len(weights), columns=len(columns)):
        sums[rows] = np.tensordot(weights[rows].astype(np.float64, copy=False), columns, axes=1)
    return sums


def _row_blocks(rows: int, *, columns: int) -> Iterator[slice]:
    """Some rows at a time: all of them as 8-byte numbers would take many times the memory of the scores."""
    step = max(1, _BLOCK_WEIGHTS // columns)
    return (slice(start, start + step) for start in range(0, rows, step))


def weighted_means(values: ArrayLike, weights: NDArray[np.number]) -> NDArray[np.float64]:
    """Mean of the defined values for each row of weights.

    inf where an infinite one counts; nan where none counts, or infinite ones of both signs do.
    """
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    columns = np.stack([np.where(finite, array, 0.0), ~np.isnan(array), array == np.inf, array == -np.inf], axis=1)
    totals, counts, num_above, num_below = weighted_sums_of(columns, weights).T
    means = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    above, below = num_above > 0, num_below > 0
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
