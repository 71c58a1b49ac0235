"""Lesions found, missed and made up: by hand, by the PI-CAI program's answers and by scikit-learn."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import InputError
from medseg.io import read_image
from medseg.metrics import (
    LesionFindings,
    case_auroc,
    froc,
    froc_score,
    froc_sensitivity,
    joined_findings,
    label_lesions,
    lesion_average_precision,
    lesion_candidates,
    lesion_f1,
    lesion_findings,
    lesion_precision,
    lesion_recall,
    lesion_wise_dice,
    overlap_table,
    sensitivity_by_size,
)


def findings_of(reference, detection_map, **options) -> LesionFindings:
    candidates = lesion_candidates(np.asarray(detection_map, dtype=float))
    overlap = overlap_table(
        reference_labels=label_lesions(np.asarray(reference) > 0), prediction_labels=candidates.labels
    )
    return lesion_findings(overlap, confidences=candidates.confidences, **options)


def made(lesions, false, *, has_lesion=(True,), case_confidences=(1.0,)) -> LesionFindings:
    """Findings with these confidences (0 for a missed lesion)."""
    confidences = np.array(lesions, dtype=float)
    found = (confidences > 0).astype(float)
    return LesionFindings(
        np.array(has_lesion),
        np.array(case_confidences),
        np.ones(len(confidences)),
        confidences,
        found,
        found,
        np.array(false, dtype=float),
        spare=0,
        strays=len(false),
    )


def test_found_missed_and_false_in_one_line_of_voxels():
    #        found: IoU 2/3   missed    false
    found = findings_of([1, 1, 1, 0, 1, 0, 0], [0, 0.7, 0.7, 0, 0, 0, 0.4])
    assert found.lesion_confidences.tolist() == [0.7, 0.0]
    assert found.lesion_ious.tolist() == [2 / 3, 0.0]
    assert found.false_confidences.tolist() == [0.4]
    assert (lesion_recall(found), lesion_precision(found), lesion_f1(found)) == (1 / 2, 1 / 2, 2 / 4)


def test_an_iou_of_exactly_a_tenth_is_enough_and_less_is_a_miss_and_a_false_candidate():
    at, below = np.zeros(11), np.zeros(12)
    at[:10], below[:11] = 1, 1
    found, missed = findings_of(at, np.eye(11)[0]), findings_of(below, np.eye(12)[0])
    assert (found.num_found, found.num_false) == (1, 0)
    assert (missed.num_found, missed.num_false, missed.strays) == (0, 1, 0)


def test_a_second_candidate_on_a_found_lesion_is_spare_unless_it_is_to_cost():
    reference, prediction = [1, 1, 1, 1, 1], [0.5, 0.5, 0, 0.9, 0]
    spare = findings_of(reference, prediction)
    assert (spare.num_false, spare.spare) == (0, 1)
    assert spare.lesion_confidences.tolist() == [0.5]  # the larger IoU, not the larger confidence
    assert spare.case_confidences.tolist() == [0.9]
    strict = findings_of(reference, prediction, spare_is_false=True)
    assert (strict.false_confidences.tolist(), strict.spare) == ([0.9], 0)


def test_one_candidate_over_two_lesions_finds_one_of_them():
    merged = findings_of([1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 1, 1])
    assert merged.lesion_ious.tolist() == [3 / 6, 0.0]
    assert merged.num_false == 0


def test_more_pairs_are_preferred_to_one_better_pair():
    # Candidate 1 covers lesions 1 and 2, candidate 2 only lesion 1: taking the best pair first would lose lesion 2.
    reference = np.array([1, 1, 1, 1, 0, 2, 2])
    prediction = np.array([2, 1, 1, 1, 1, 1, 0])
    found = lesion_findings(overlap_table(reference_labels=reference, prediction_labels=prediction))
    assert found.lesion_ious.tolist() == [1 / 4, 1 / 6]


def test_volumes_are_in_millilitres():
    found = findings_of([1, 1, 0, 1], [0, 0, 0, 0], voxel_volume_mm3=500.0)
    assert found.lesion_volumes_ml.tolist() == [1.0, 0.5]


def test_empty_on_both_sides_leaves_all_scores_undefined():
    nothing = findings_of([0, 0], [0, 0])
    scores = (lesion_recall, lesion_precision, lesion_f1, lesion_average_precision, case_auroc, lesion_wise_dice)
    assert np.isnan([score(nothing) for score in scores]).all()
    assert np.isnan(froc_score(nothing))
    assert froc(nothing).thresholds.size == 0


def test_all_missed_is_zero_and_all_false_without_lesions_is_no_recall():
    missed, made_up = findings_of([1, 0], [0, 0]), findings_of([0, 0], [0, 1])
    assert (lesion_recall(missed), lesion_average_precision(missed), lesion_wise_dice(missed)) == (0, 0, 0)
    assert np.isnan(lesion_precision(missed))
    assert (lesion_precision(made_up), lesion_f1(made_up), lesion_wise_dice(made_up)) == (0, 0, 0)
    assert np.isnan(lesion_recall(made_up))
    assert np.isnan(lesion_average_precision(made_up))


def test_lesion_wise_dice_weighs_small_and_large_alike():
    # Lesion of 8 voxels found whole: Dice 1. Lesion of 1 voxel missed: 0. One stray: 0.
    reference, prediction = [1] * 8 + [0, 1, 0, 0], [1] * 8 + [0, 0, 0, 1]
    assert lesion_wise_dice(findings_of(reference, prediction)) == 1 / 3


def test_lesion_wise_dice_takes_all_candidates_on_a_lesion_together():
    # Two candidates of 2 and 1 voxels on a lesion of 5: Dice 2 x 3 / (5 + 3).
    assert lesion_wise_dice(findings_of([1, 1, 1, 1, 1], [1, 1, 0, 1, 0])) == 6 / 8


def test_average_precision_by_hand():
    # From the top: found, false, found; one more is missed. 1/3 x 1/1 + 1/3 x 2/3.
    assert lesion_average_precision(made([0.9, 0.3, 0], [0.5])) == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)


def test_equal_confidences_are_one_step():
    assert lesion_average_precision(made([0.5], [0.5])) == 1 / 2


def test_froc_by_hand():
    cases = made([0.9, 0.3, 0, 0], [0.5, 0.3, 0.1, 0.1], has_lesion=(True, False), case_confidences=(0.9, 0.5))
    curve = froc(cases)
    assert curve.thresholds.tolist() == [0.9, 0.5, 0.3, 0.1]
    assert curve.sensitivities.tolist() == [1 / 4, 1 / 4, 2 / 4, 2 / 4]
    assert curve.false_positives_per_case.tolist() == [0, 1 / 2, 2 / 2, 4 / 2]
    # 1/8, 1/4 and 1/2 read 1/4; 1, 2, 4 and 8 read 1/2.
    assert froc_score(cases) == pytest.approx((3 / 4 + 4 / 2) / 7)
    assert froc_sensitivity(cases, false_positives_per_case=0.99) == 1 / 4


def test_a_curve_that_starts_with_false_candidates_has_sensitivity_zero_there():
    assert froc_sensitivity(made([0.5], [0.9]), false_positives_per_case=0.5) == 0


def test_sensitivity_by_size_counts_a_lesion_on_a_border_in_the_upper_band():
    found = made([0.9, 0, 0.4], [])
    sized = LesionFindings(**{**vars(found), "lesion_volumes_ml": np.array([0.05, 0.5, 7.0])})
    bands = sensitivity_by_size(sized, edges_ml=(0.5, 5.0))
    assert bands.lesions.tolist() == [1, 1, 1]
    assert bands.found.tolist() == [1, 0, 1]
    assert bands.sensitivities.tolist() == [1, 0, 1]
    assert np.isnan(sensitivity_by_size(sized, edges_ml=(10.0,)).sensitivities[1])


def test_lesions_of_unknown_volume_are_in_no_band_but_counted():
    found = LesionFindings(**{**vars(made([0.9, 0], [])), "lesion_volumes_ml": np.array([np.nan, 1.0])})
    bands = sensitivity_by_size(found, edges_ml=(0.5,))
    assert (bands.lesions.tolist(), bands.unknown) == ([0, 1], 1)


def test_wrong_arguments_are_refused():
    overlap = overlap_table(reference_labels=np.array([1, 0]), prediction_labels=np.array([1, 2]))
    with pytest.raises(InputError, match=r"confidences: expected one for each of 2 candidates, got .* shape \(1,\)"):
        lesion_findings(overlap, confidences=[0.5])
    with pytest.raises(InputError, match=r"expected finite numbers above 0, got 0\.0"):
        lesion_findings(overlap, confidences=[0.5, 0.0])
    with pytest.raises(InputError, match="min_iou: expected a number above 0, at most 1, got 0"):
        lesion_findings(overlap, min_iou=0)
    with pytest.raises(InputError, match="edges_ml: expected ascending volumes"):
        sensitivity_by_size(lesion_findings(overlap), edges_ml=(1.0, 0.5))
    with pytest.raises(InputError, match="expected at least one case"):
        joined_findings([])


_CONFIDENCES = st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9]), max_size=6)


@given(_CONFIDENCES, st.integers(0, 3), _CONFIDENCES)
@settings(max_examples=60, deadline=None)
def test_average_precision_is_that_of_scikit_learn_when_its_misses_stay_missed(found, missed, false):
    metrics = pytest.importorskip("sklearn.metrics")
    if not found:
        return
    wanted = metrics.average_precision_score([1] * len(found) + [0] * len(false), found + false)
    # scikit-learn knows only the lesions that have a candidate; those without one shrink every recall.
    wanted *= len(found) / (len(found) + missed)
    assert lesion_average_precision(made(found + [0.0] * missed, false)) == pytest.approx(wanted)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.9])), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_case_auroc_is_that_of_scikit_learn(cases):
    metrics = pytest.importorskip("sklearn.metrics")
    has_lesion, confidences = zip(*cases, strict=True)
    found = made([], [], has_lesion=has_lesion, case_confidences=confidences)
    if len(set(has_lesion)) < 2:
        assert np.isnan(case_auroc(found))
    else:
        assert case_auroc(found) == pytest.approx(metrics.roc_auc_score(has_lesion, confidences))


@given(_CONFIDENCES, _CONFIDENCES)
@settings(max_examples=60, deadline=None)
def test_one_missed_or_one_false_more_never_raises_a_score(found, false):
    base = made([*found, 0.0], false)
    worse = (made([*found, 0.0, 0.0], false), made([*found, 0.0], [*false, 0.6]), made([*found[1:], 0.0, 0.0], false))
    for score in (lesion_recall, lesion_f1, lesion_average_precision, froc_score, lesion_wise_dice):
        assert all(score(other) <= score(base) + 1e-12 for other in worse)


@given(st.integers(0, 2**14 - 1), st.integers(0, 2**14 - 1))
@settings(max_examples=80, deadline=None)
def test_each_lesion_and_candidate_has_one_fate(reference_bits, prediction_bits):
    reference, prediction = (
        np.array([bits >> place & 1 for place in range(14)]) for bits in (reference_bits, prediction_bits)
    )
    found = findings_of(reference, prediction)
    candidates = lesion_candidates(prediction).confidences.size
    assert found.num_found + found.num_false + found.spare == candidates
    assert found.num_lesions == label_lesions(reference > 0).max()
    assert found.strays <= found.num_false


@pytest.mark.real_data
def test_the_lesion_detection_reference_set_is_reproduced(data_dir):
    root = data_dir / "references" / "lesion_detection"
    wanted = json.loads((root / "output-expected" / "metrics-full-expected.json").read_text())
    findings = []
    for number in range(wanted["num_cases"]):
        label, detection = (
            read_image(root / "test-maps" / f"case-{number}_{kind}.nii.gz").array[0]
            for kind in ("label", "detection_map")
        )
        findings.append(findings_of(label, detection))
        rows = wanted["lesion_results"][f"case-{number}"]
        lesions = [row for row in rows if row[0] == 1]
        assert findings[-1].lesion_confidences.tolist() == [row[1] for row in lesions]
        assert findings[-1].lesion_ious == pytest.approx([row[2] for row in lesions], abs=1e-7)
        assert sorted(findings[-1].false_confidences) == sorted(row[1] for row in rows if row[0] == 0)
        assert findings[-1].case_confidences[0] == wanted["case_pred"][f"case-{number}"]
    together = joined_findings(findings)
    assert together.num_lesions == wanted["num_lesions"]
    assert lesion_average_precision(together) == pytest.approx(wanted["AP"], abs=1e-12)
    assert case_auroc(together) == pytest.approx(wanted["auroc"], abs=1e-12)
    curve = froc(together)
    # The set's last point, sensitivity at an infinite rate, repeats the point before it.
    assert curve.thresholds.tolist() == wanted["thresholds"][:2]
    assert curve.sensitivities.tolist() == wanted["lesion_TPR"][:2]
    assert curve.false_positives_per_case == pytest.approx(wanted["lesion_FPR"][:2], abs=1e-6)
