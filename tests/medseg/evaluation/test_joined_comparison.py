"""Two models by scores that are formed from all cases together."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.evaluation import CaseScores, Evaluation, ScoringOptions, aggregate, compare, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.metrics import MatchCounts, object_precision

LABELS = LabelTable.from_names(("background", "object"))
KEY = "object_precision"


def evaluation(counts, *, patients=None, replicates=0):
    """Cases from (true positives, false positives); missed objects play no part in precision."""
    statistics = [MatchCounts(true, false, 0, float(true)) for true, false in counts]
    cases = [
        CaseScores(
            str(number),
            {KEY: object_precision(one)},
            LABELS,
            task="instances",
            statistics={"matches": one},
            patient="" if patients is None else patients[number],
        )
        for number, one in enumerate(statistics)
    ]
    return aggregate(cases, replicates=replicates)


def precision(ours, theirs, **choices):
    return compare(ours, theirs, name="other", **choices).scores[KEY]


def test_the_difference_is_that_of_the_two_shown_values_not_the_mean_over_patients():
    ours, theirs = evaluation([(90, 10), (0, 1)]), evaluation([(80, 20), (1, 0)])
    score = precision(ours, theirs)
    assert score.difference == ours.means[KEY].value - theirs.means[KEY].value == pytest.approx(90 / 101 - 81 / 101)
    assert score.joined
    assert (score.num_patients, score.num_cases, score.num_unpaired) == (2, 2, 0)
    assert math.isnan(score.p_wilcoxon)
    assert math.isnan(score.median_difference)


def test_patients_are_drawn_with_both_models_and_exchanged_as_a_whole():
    score = precision(evaluation([(90, 10), (0, 1)]), evaluation([(80, 20), (1, 0)]))
    # First patient twice, second twice, or both: 0.9 - 0.8, 0 - 1, 9/101.
    assert score.interval == pytest.approx((-1.0, 0.1))
    # Kept or exchanged in both: |9/101|. Exchanged in the second alone: 91/101 - 80/101, and so in the first alone.
    assert score.p_permutation == 1.0
    # Here the four are 19/30, 1/30, -1/30 and -19/30.
    assert precision(evaluation([(9, 1), (20, 0)]), evaluation([(0, 10), (10, 10)])).p_permutation == 2 / 4


def test_cases_of_one_patient_are_exchanged_together():
    patients = ["A", "A", "B"]
    ours, theirs = [(9, 1), (8, 2), (7, 3)], [(1, 9), (2, 8), (3, 7)]
    assert precision(evaluation(ours, patients=patients), evaluation(theirs)).p_permutation == 2 / 4
    assert precision(evaluation(ours), evaluation(theirs)).p_permutation == 2 / 8


counts = st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=14)


@settings(max_examples=25, deadline=None)
@given(counts)
def test_exchanging_the_models_turns_the_difference_and_keeps_the_p_value(rows):
    ours, theirs = evaluation([row[:2] for row in rows]), evaluation([row[2:] for row in rows])
    one, two = precision(ours, theirs, replicates=50), precision(theirs, ours, replicates=50)
    assert one.difference == pytest.approx(-two.difference, nan_ok=True)
    assert one.p_permutation == pytest.approx(two.p_permutation, nan_ok=True)
    assert one.num_draws_undefined == two.num_draws_undefined


@settings(max_examples=25, deadline=None)
@given(counts)
def test_a_model_compared_with_itself_differs_by_0_with_p_1(rows):
    one = evaluation([row[:2] for row in rows])
    score = precision(one, one, replicates=50)
    if math.isnan(one.means[KEY].value):
        assert math.isnan(score.difference)
        assert math.isnan(score.p_permutation)
        assert score.interval is None
        return
    assert (score.difference, score.p_permutation) == (0.0, 1.0)
    assert score.interval in {None, (0.0, 0.0)}


def test_draws_that_leave_a_score_undefined_are_counted_and_said():
    ours = evaluation([(3, 1), (0, 0)], replicates=400)
    mean = ours.means[KEY]
    assert mean.num_draws == 400
    assert 60 < mean.num_draws_undefined < 140  # the second patient alone: a quarter of the draws
    assert mean.interval == (0.75, 0.75)
    assert any(f"Object precision in {mean.num_draws_undefined} of 400" in note for note in ours.notes)
    score = precision(ours, evaluation([(2, 2), (0, 0)]), replicates=400)
    assert score.interval == pytest.approx((0.25, 0.25))
    assert 60 < score.num_draws_undefined < 140
    compared = dataclasses.replace(ours, comparison=compare(ours, ours, name="x", replicates=400))
    assert f"{compared.comparison.scores[KEY].num_draws_undefined} of 400" in compared.table()
    assert Evaluation.from_json(compared.to_json()).to_json() == compared.to_json()


def label_map(array, *, kind=LabelKind.SEMANTIC):
    affine = Affine.from_spacing([1.0] * array.ndim, frame=WorldFrame.RAS)
    axes = "XYZ" if array.ndim == 3 else "YX"
    return LabelMap(array.astype(np.uint8), affine, axes, LABELS, kind=kind)


def scored(task, pairs):
    kind = LabelKind.INSTANCES if task == "instances" else LabelKind.SEMANTIC
    options = ScoringOptions(surfaces=False)
    maps = [tuple(label_map(one, kind=kind) for one in pair) for pair in pairs]
    return aggregate(
        [
            score_pair(reference=one, prediction=two, task=task, case_id=str(number), options=options)
            for number, (one, two) in enumerate(maps)
        ]
    )


@pytest.mark.parametrize(("task", "axes"), [("lesions", 3), ("instances", 2), ("isbi2012", 2)])
def test_every_joined_score_of_a_task_shows_the_difference_of_its_two_values(task, axes):
    rng = np.random.default_rng(0)
    truth, one, two = rng.random((3, 4, *[9] * axes)) < 0.12
    ours, theirs = scored(task, zip(truth, one, strict=True)), scored(task, zip(truth, two, strict=True))
    comparison = compare(ours, theirs, name="other", replicates=40)
    joined = {key: score for key, score in comparison.scores.items() if score.joined}
    assert joined
    for key, score in joined.items():
        assert score.difference == pytest.approx(ours.summary[key] - comparison.others[key], nan_ok=True)
        if not math.isnan(score.difference):
            assert 0 < score.p_permutation <= 1
            assert score.interval is not None
            assert score.num_draws == 40


def test_the_interval_of_coco_precision_is_that_of_the_drawn_images():
    two = np.zeros((6, 6))
    two[:2, :2], two[3:5, 3:5] = 1, 2
    # Two objects found in one image, none in the other: 2 of 2, 2 of 4 (recalls 0 .. 0.5: 51 of 101) or 0 of 2.
    cases = scored("instances", [(two, two), (two, np.zeros((6, 6)))]).cases
    mean = aggregate(cases, replicates=100).means["coco_ap"]
    assert mean.value == pytest.approx(51 / 101)
    assert mean.interval == pytest.approx((0.0, 1.0))
    assert mean.num_draws_undefined == 0


def test_lesions_of_many_patients_are_exchanged_at_random():
    rng = np.random.default_rng(1)
    truth = rng.random((14, 9, 9, 9)) < 0.05
    ours, theirs = scored("lesions", zip(truth, truth, strict=True)), scored("lesions", zip(truth, ~truth, strict=True))
    score = compare(ours, theirs, name="other", replicates=20).scores["lesion_f1"]
    assert score.p_permutation < 0.01
    assert compare(theirs, ours, name="other", replicates=20).scores["lesion_f1"].p_permutation == score.p_permutation


def test_a_case_without_a_value_of_its_own_is_not_said_to_be_left_out_of_a_joined_value():
    notes = evaluation([(3, 1), (0, 0)]).notes
    assert any("its counts enter the value all the same, of 2 cases: Object precision in 1" in note for note in notes)
    assert not any("left out of the means" in note for note in notes)
