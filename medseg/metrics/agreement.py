"""Agreement of two measurements of the same cases, such as volumes by the reference and by the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from medseg.errors import InputError

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

_SPREAD = 1.96
"""Standard deviations on either side that hold 95 % of a normal distribution."""

_CONFIDENCE = 0.95

_UNKNOWN: Interval = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Bias and limits of agreement, in the unit of the measurements; the rest is for the plot.

    Attributes:
        means: (N,) mean of both measurements of each case: the plot's horizontal axis.
        differences: (N,) prediction minus reference of each case: its vertical axis.
        bias: mean difference; nan without cases.
        standard_deviation: of the differences (N - 1 degrees of freedom); nan below two cases.
        limits: bias -+ 1.96 standard deviations, between which 95 % of differences are expected if they are normal.
        bias_interval: 95 % confidence interval of the bias.
        lower_limit_interval: 95 % confidence interval of the lower limit.
        upper_limit_interval: of the upper one.
        slope: change of the difference per unit of the mean; away from 0 the bias grows with the size. nan below two
            cases or where all means are equal.
    """

    means: FloatArray
    differences: FloatArray
    bias: float
    standard_deviation: float
    limits: Interval
    bias_interval: Interval
    lower_limit_interval: Interval
    upper_limit_interval: Interval
    slope: float


def bland_altman(*, reference: ArrayLike, prediction: ArrayLike) -> BlandAltman:
    """Bias and 95 % limits of agreement of two measurements, one pair a case.

    Bland 1986, doi 10.1016/S0140-6736(86)90837-8; confidence intervals as in Bland 1999,
    doi 10.1177/096228029900800204: standard errors s / sqrt(N) of the bias and s sqrt(1 / N + 1.96^2 / (2 (N - 1))) of
    a limit, with Student's t of N - 1 degrees of freedom.

    Args:
        reference: (N,) measurements on the reference.
        prediction: (N,) measurements of the same cases on the prediction.

    Raises:
        InputError: other than one finite pair a case.
    """
    first, second = np.asarray(reference, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or not (np.isfinite(first) & np.isfinite(second)).all():
        message = (
            f"Bland-Altman: expected two lists of as many finite numbers, got shapes {first.shape} and {second.shape}. "
            "Leave out cases without a measurement, and count them."
        )
        raise InputError(message)
    means, differences = (first + second) / 2, second - first
    count = len(differences)
    bias = float(differences.mean()) if count else float("nan")
    if count < 2:
        return BlandAltman(
            means, differences, bias, float("nan"), _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, slope=float("nan")
        )
    spread = float(differences.std(ddof=1))
    lower, upper = bias - _SPREAD * spread, bias + _SPREAD * spread
    student = float(stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1))
    of_bias = student * spread / np.sqrt(count)
    of_limit = student * spread * np.sqrt(1 / count + _SPREAD**2 / (2 * (count - 1)))
    return BlandAltman(
        means,
        differences,
        bias,
        spread,
        (lower, upper),
        _around(bias, of_bias),
        _around(lower, of_limit),
        _around(upper, of_limit),
        slope=_slope(means, differences),
    )


def _around(centre: float, half: float) -> Interval:
    return float(centre - half), float(centre + half)


def _slope(means: FloatArray, differences: FloatArray) -> float:
    """Least-squares slope of the differences over the means."""
    centred = means - means.mean()
    squares = float((centred**2).sum())
    return float((centred * differences).sum()) / squares if squares > 0 else float("nan")
