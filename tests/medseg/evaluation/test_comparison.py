"""Two models on the same cases."""

import math

import numpy as np
import pytest
from scipy import stats

from medseg.errors import InputError
from medseg.evaluation import CaseScores, Evaluation, aggregate, compare
from medseg.evaluation.comparison import permutation_p, wilcoxon_p
from medseg.images import LabelTable

LABELS = LabelTable.from_names(("background", "lesion"))


def evaluation(values, *, key="mean_dice", patients=None):
    patients = patients or {}
    return aggregate(
        [CaseScores(name, {key: value}, LABELS, patient=patients.get(name, "")) for name, value in values.items()]
    )


def test_the_difference_is_taken_case_by_case():
    ours, theirs = evaluation({"a": 0.9, "b": 0.5}), evaluation({"b": 0.2, "a": 0.8})
    score = compare(ours, theirs, name="other").scores["mean_dice"]
    assert score.difference == pytest.approx((0.1 + 0.3) / 2)
    assert (score.num_patients, score.num_cases, score.num_unpaired) == (2, 2, 0)


def test_cases_of_one_patient_are_one_difference():
    patients = {"a1": "A", "a2": "A", "b": "B"}
    ours = evaluation({"a1": 0.9, "a2": 0.7, "b": 0.5}, patients=patients)
    theirs = evaluation({"a1": 0.7, "a2": 0.7, "b": 0.2})
    score = compare(ours, theirs, name="other").scores["mean_dice"]
    assert score.difference == pytest.approx(((0.2 + 0.0) / 2 + 0.3) / 2)
    assert (score.num_patients, score.num_cases) == (2, 3)


def test_a_case_that_only_one_model_defines_is_counted_and_left_out():
    ours, theirs = evaluation({"a": 0.9, "b": math.nan}), evaluation({"a": 0.8, "b": 0.5})
    score = compare(ours, theirs, name="other").scores["mean_dice"]
    assert score.difference == pytest.approx(0.1)
    assert (score.num_cases, score.num_unpaired, score.interval) == (1, 1, None)


def test_a_class_that_both_miss_is_a_tie_and_one_that_only_ours_misses_is_infinitely_worse():
    key = "hausdorff_mm/lesion"
    ours = evaluation({"a": math.inf, "b": math.inf, "c": 1.0}, key=key)
    theirs = evaluation({"a": math.inf, "b": 2.0, "c": 1.0}, key=key)
    score = compare(ours, theirs, name="other").scores[key]
    assert score.difference == math.inf
    assert score.median_difference == 0.0
    assert math.isnan(score.p_permutation)
    assert score.p_wilcoxon == 1.0  # one pair that differs says nothing


def test_the_signed_rank_test_is_scipys():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.3, 1, 25)
    assert wilcoxon_p(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert wilcoxon_p(np.zeros(5)) == 1.0
    assert math.isnan(wilcoxon_p(np.zeros(0)))


def test_an_infinite_difference_has_the_largest_rank():
    assert wilcoxon_p(np.array([1.0, -2.0, 3.0, math.inf])) == wilcoxon_p(np.array([1.0, -2.0, 3.0, 4.0]))


def test_four_differences_of_one_sign_have_two_of_sixteen_signs_as_extreme():
    assert permutation_p(np.array([0.1, 0.2, 0.3, 0.4]), rng=np.random.default_rng(0)) == 2 / 16


def test_random_signs_come_near_to_scipys_permutation_test():
    differences = np.random.default_rng(1).normal(0.4, 1, 20)
    wanted = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(2)
    ).pvalue
    assert permutation_p(differences, rng=np.random.default_rng(0)) == pytest.approx(wanted, abs=0.02)


def test_swapping_the_models_turns_the_sign_and_keeps_the_p_values():
    rng = np.random.default_rng(3)
    ours = evaluation({str(number): value for number, value in enumerate(rng.random(9))})
    theirs = evaluation({str(number): value for number, value in enumerate(rng.random(9))})
    one, two = (compare(*pair, name="x").scores["mean_dice"] for pair in ((ours, theirs), (theirs, ours)))
    assert one.difference == pytest.approx(-two.difference)
    assert one.p_wilcoxon == pytest.approx(two.p_wilcoxon)
    assert one.p_permutation == two.p_permutation


def test_other_cases_are_refused():
    with pytest.raises(InputError, match="expected the same cases of one task from both models, they differ in b"):
        compare(evaluation({"a": 1.0, "b": 1.0}), evaluation({"a": 1.0}), name="x")


def test_the_comparison_is_in_the_table_and_comes_back_from_json():
    import dataclasses

    ours, theirs = evaluation({"a": 0.9, "b": 0.5}), evaluation({"a": 0.8, "b": 0.2})
    ours = dataclasses.replace(ours, comparison=compare(ours, theirs, name="masks_b"))
    assert "Compared with masks_b" in ours.table()
    assert Evaluation.from_json(ours.to_json()).comparison == ours.comparison
