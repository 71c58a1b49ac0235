"""Confidence intervals over patients, and what undefined and infinite values do to means."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from medseg.evaluation import CaseScores, Evaluation, aggregate
from medseg.evaluation.intervals import draw_weights, median, percentile_interval, weighted_means
from medseg.images import LabelTable
from medseg.metrics import MatchCounts

LABELS = LabelTable.from_names(("background", "lesion"))


def cases(values, *, key="mean_dice", patient=str):
    return [CaseScores(f"c{n}", {key: value}, LABELS, patient=patient(n)) for n, value in enumerate(values)]


def test_whole_patients_are_drawn_as_many_as_there_are():
    weights = draw_weights(["a", "a", "b", "c"], replicates=200, rng=np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1:].sum(axis=1) == 3).all()


def test_weights_in_blocks_are_those_drawn_at_once():
    drawn = np.random.default_rng(5).multinomial(300, np.full(300, 1 / 300), size=900)
    weights = draw_weights([f"{n:03}" for n in range(300)], replicates=900, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(weights, drawn)
    values = np.random.default_rng(6).random(300)
    np.testing.assert_allclose(weighted_means(values, weights), drawn @ values / 300)


def test_the_memory_of_a_thousand_cases_is_that_of_their_scores():
    found = cases(np.random.default_rng(0).random(1000))
    aggregate(found[:2])
    tracemalloc.start()
    aggregate(found, replicates=2000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 2 bytes a weight, and some blocks of 1 MB; all weights as 8-byte numbers would be 16 MB.
    assert peak < 8e6


def test_the_interval_is_near_to_scipys_bootstrap():
    values = np.random.default_rng(0).random(40)
    ours = aggregate(cases(values), replicates=4000, seed=1).means["mean_dice"].interval
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_alike_cases_of_one_patient_do_not_narrow_the_interval():
    values = np.random.default_rng(0).random(12)
    alone = aggregate(cases(values), replicates=2000).means["mean_dice"].interval
    copied = (
        aggregate(cases(np.repeat(values, 5), patient=lambda number: str(number // 5)), replicates=2000)
        .means["mean_dice"]
        .interval
    )
    singly = aggregate(cases(np.repeat(values, 5)), replicates=2000).means["mean_dice"].interval
    assert copied == pytest.approx(alone, abs=0.03)
    assert singly[1] - singly[0] < 0.6 * (copied[1] - copied[0])


def test_one_patient_gives_no_interval_and_few_give_a_warning():
    assert aggregate(cases([0.5, 0.7], patient=lambda _: "p"), replicates=100).means["mean_dice"].interval is None
    assert any("rest on 2 patients" in note for note in aggregate(cases([0.5, 0.7]), replicates=100).notes)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(12)
    one, two, other = (aggregate(cases(values), replicates=300, seed=seed).to_json() for seed in (3, 3, 4))
    assert one == two != other


def test_an_infinite_distance_is_neither_dropped_nor_hidden():
    found = aggregate(cases([1.0, 3.0, math.inf, math.nan], key="hausdorff_mm/lesion"), replicates=500)
    mean = found.means["hausdorff_mm/lesion"]
    assert mean.value == math.inf
    assert (mean.num_cases, mean.num_undefined, mean.num_infinite, mean.median) == (3, 1, 1, 3.0)
    assert mean.interval[1] == math.inf
    assert any("Infinite because a class is missed or falsely there, of 4 cases" in note for note in found.notes)
    assert '"value": "inf"' in found.to_json()
    assert Evaluation.from_json(found.to_json()).means["hausdorff_mm/lesion"] == mean


def test_the_largest_distance_is_the_worst_case():
    found = aggregate(cases([1.0, math.nan, math.inf, 3.0], key="hausdorff_mm/lesion"))
    assert [case.case_id for case in found.worst_first("hausdorff_mm/lesion")] == ["c2", "c3", "c0", "c1"]


def test_a_joined_score_is_drawn_from_the_sums_not_from_the_values():
    def case(number, true_positives, false_positives):
        counts = MatchCounts(true_positives, false_positives, 0, float(true_positives))
        precision = true_positives / (true_positives + false_positives)
        scores = {"object_precision": precision}
        return CaseScores(str(number), scores, LABELS, task="instances", statistics={"matches": counts})

    mean = aggregate([case(0, 90, 10), case(1, 0, 1)], replicates=500).means["object_precision"]
    assert mean.value == pytest.approx(90 / 101)
    # Both, one twice or the other twice: 90/101, 90/100 or 0.
    assert mean.interval == pytest.approx((0.0, 0.9))


def test_the_median_counts_infinite_values_and_needs_none_to_be_finite():
    assert median([3.0, 1.0, math.nan]) == 2.0
    assert median([1.0, 2.0, math.inf]) == 2.0
    assert median([1.0, math.inf]) == median([math.inf, math.inf]) == math.inf
    assert math.isnan(median([math.nan]))


def test_weighted_means_with_weights_1_are_means():
    values = [0.2, math.nan, 0.6]
    assert weighted_means(values, np.ones((1, 3)))[0] == pytest.approx(0.4)
    assert np.isnan(weighted_means([math.nan], np.ones((1, 1)))).all()
    assert percentile_interval([math.nan]) is None


def test_infinities_of_both_signs_have_no_mean():
    weights = np.array([[1.0, 1, 1], [2, 0, 1], [0, 2, 1]])
    found = weighted_means([math.inf, -math.inf, 1.0], weights)
    assert math.isnan(found[0])
    assert found[1:].tolist() == [math.inf, -math.inf]
