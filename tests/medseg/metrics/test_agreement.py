"""Bland-Altman by hand."""

import numpy as np
import pytest
from scipy import stats

from medseg.errors import InputError
from medseg.metrics import bland_altman


def test_bias_and_limits_by_hand():
    # Differences 1, 3, 2: mean 2, standard deviation sqrt((1 + 1 + 0) / 2) = 1.
    found = bland_altman(reference=[10.0, 20.0, 30.0], prediction=[11.0, 23.0, 32.0])
    assert found.differences.tolist() == [1.0, 3.0, 2.0]
    assert found.means.tolist() == [10.5, 21.5, 31.0]
    assert (found.bias, found.standard_deviation) == (2.0, 1.0)
    assert found.limits == pytest.approx((2 - 1.96, 2 + 1.96))


def test_intervals_are_those_of_bland_1999():
    # t of 2 degrees of freedom at 97.5 %: 4.302653.
    found = bland_altman(reference=[10.0, 20.0, 30.0], prediction=[11.0, 23.0, 32.0])
    half = 4.302653 / np.sqrt(3)
    assert found.bias_interval == pytest.approx((2 - half, 2 + half), rel=1e-6)
    wide = 4.302653 * np.sqrt(1 / 3 + 1.96**2 / 4)
    assert found.upper_limit_interval == pytest.approx((3.96 - wide, 3.96 + wide), rel=1e-6)
    assert found.lower_limit_interval == pytest.approx((0.04 - wide, 0.04 + wide), rel=1e-6)


def test_the_bias_and_its_interval_are_those_of_a_t_test():
    rng = np.random.default_rng(4)
    reference = rng.normal(50, 10, 30)
    prediction = reference * 1.1 + rng.normal(0, 2, 30)
    found = bland_altman(reference=reference, prediction=prediction)
    interval = stats.ttest_rel(prediction, reference).confidence_interval()
    assert found.bias_interval == pytest.approx((interval.low, interval.high))
    assert found.slope == pytest.approx(stats.linregress(found.means, found.differences).slope)


def test_exchanging_both_turns_the_sign():
    one = bland_altman(reference=[1.0, 5.0, 2.0], prediction=[2.0, 3.0, 2.5])
    other = bland_altman(reference=[2.0, 3.0, 2.5], prediction=[1.0, 5.0, 2.0])
    assert other.bias == -one.bias
    assert other.limits == pytest.approx((-one.limits[1], -one.limits[0]))


def test_too_few_cases_are_undefined():
    nothing, one = bland_altman(reference=[], prediction=[]), bland_altman(reference=[1.0], prediction=[3.0])
    assert np.isnan([nothing.bias, nothing.standard_deviation, *nothing.limits, nothing.slope]).all()
    assert one.bias == 2.0
    assert np.isnan([one.standard_deviation, *one.limits, *one.bias_interval, one.slope]).all()


def test_equal_volumes_have_no_slope():
    assert np.isnan(bland_altman(reference=[1.0, 1.0], prediction=[1.0, 1.0]).slope)


@pytest.mark.parametrize(("reference", "prediction"), [([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([[1.0]], [[1.0]])])
def test_cases_without_a_partner_are_refused(reference, prediction):
    with pytest.raises(InputError, match="expected two lists of as many finite numbers"):
        bland_altman(reference=reference, prediction=prediction)
