import numpy as np
import pytest
import SimpleITK
from cases.masks import MASK_CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg import metrics


def counts_of(reference, prediction, num_classes=2):
    return metrics.confusion_table(reference=reference, prediction=prediction, class_values=range(num_classes)).counts


tables = st.lists(st.integers(0, 50), min_size=9, max_size=9).map(lambda flat: np.array(flat).reshape(3, 3))


@pytest.mark.parametrize("case", MASK_CASES, ids=lambda case: case.name)
def test_scores_are_those_derived_by_hand(case):
    counts = counts_of(case.reference, case.prediction)
    found = [
        metrics.pixel_accuracy(counts),
        metrics.mean_iou(counts),
        metrics.dice_per_class(counts)[1],
        metrics.iou_per_class(counts)[1],
        metrics.precision_per_class(counts)[1],
        metrics.recall_per_class(counts)[1],
    ]
    expected = [case.accuracy, case.mean_iou, case.dice, case.iou, case.precision, case.recall]
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_ship_example_of_the_lectures():
    ship = MASK_CASES[0]
    counts = counts_of(ship.reference, ship.prediction)
    assert metrics.pixel_accuracy(counts) == pytest.approx(0.95)
    assert metrics.mean_iou(counts) == pytest.approx(0.475)
    assert metrics.mean_accuracy(counts) == pytest.approx(0.5)
    assert metrics.frequency_weighted_iou(counts) == pytest.approx(0.95 * 0.95)


def test_volume_difference_is_prediction_minus_reference_in_millilitres():
    # 30 voxels of 2 mm^3 predicted, 10 true: 20 * 2 mm^3 = 0.04 ml.
    counts = np.array([[100, 25], [5, 5]])
    assert metrics.volume_difference_ml(counts, voxel_volume_mm3=2.0) == pytest.approx([-0.04, 0.04])


def test_without_voxels_everything_is_undefined():
    counts = np.zeros((2, 2), int)
    assert np.isnan(metrics.pixel_accuracy(counts))
    assert np.isnan(metrics.mean_iou(counts))
    assert np.isnan(metrics.mean_accuracy(counts))
    assert np.isnan(metrics.frequency_weighted_iou(counts))


@given(tables, st.permutations(range(3)))
def test_permuting_the_classes_permutes_the_scores(counts, order):
    permuted = counts[np.ix_(order, order)]
    for function in (metrics.dice_per_class, metrics.iou_per_class, metrics.recall_per_class):
        np.testing.assert_allclose(function(permuted), function(counts)[list(order)])
    for function in (metrics.pixel_accuracy, metrics.mean_iou, metrics.frequency_weighted_iou):
        np.testing.assert_allclose(function(permuted), function(counts))


@given(tables)
def test_swapping_the_roles_keeps_dice_and_swaps_precision_and_recall(counts):
    np.testing.assert_array_equal(metrics.dice_per_class(counts.T), metrics.dice_per_class(counts))
    np.testing.assert_array_equal(metrics.iou_per_class(counts.T), metrics.iou_per_class(counts))
    np.testing.assert_array_equal(metrics.precision_per_class(counts.T), metrics.recall_per_class(counts))


@given(tables)
def test_dice_is_twice_iou_over_one_plus_iou(counts):
    iou = metrics.iou_per_class(counts)
    np.testing.assert_allclose(metrics.dice_per_class(counts), 2 * iou / (1 + iou))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_simpleitk_finds_the_same_dice_jaccard_and_errors(seed):
    rng = np.random.default_rng(seed)
    reference, prediction = rng.integers(0, 3, (2, 6, 5, 4), dtype=np.uint8)
    counts = counts_of(reference, prediction, 3)
    oracle = SimpleITK.LabelOverlapMeasuresImageFilter()
    oracle.Execute(SimpleITK.GetImageFromArray(prediction), SimpleITK.GetImageFromArray(reference))
    for value in (1, 2):
        if not (reference == value).any() or not (prediction == value).any():
            continue
        assert metrics.dice_per_class(counts)[value] == pytest.approx(oracle.GetDiceCoefficient(value))
        assert metrics.iou_per_class(counts)[value] == pytest.approx(oracle.GetJaccardCoefficient(value))
        assert metrics.recall_per_class(counts)[value] == pytest.approx(1 - oracle.GetFalseNegativeError(value))
        assert metrics.precision_per_class(counts)[value] == pytest.approx(1 - oracle.GetFalseDiscoveryRate(value))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_counting_masks_one_by_one_finds_the_same(seed, num_classes):
    rng = np.random.default_rng(seed)
    reference, prediction = rng.integers(0, num_classes, (2, 40))
    counts = counts_of(reference, prediction, num_classes)
    for value in range(num_classes):
        ours, theirs = set(np.flatnonzero(reference == value)), set(np.flatnonzero(prediction == value))
        expected = [
            2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else np.nan,
            len(ours & theirs) / len(ours | theirs) if ours or theirs else np.nan,
            len(ours & theirs) / len(theirs) if theirs else np.nan,
            len(ours & theirs) / len(ours) if ours else np.nan,
        ]
        functions = (
            metrics.dice_per_class,
            metrics.iou_per_class,
            metrics.precision_per_class,
            metrics.recall_per_class,
        )
        assert [function(counts)[value] for function in functions] == pytest.approx(expected, nan_ok=True)
