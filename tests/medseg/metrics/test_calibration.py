"""Calibration by hand and by scikit-learn, torchmetrics and scipy."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from medseg.errors import GeometryError, InputError, LabelError
from medseg.metrics import (
    apply_temperature,
    brier_score,
    calibration_table,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    maximum_calibration_error,
    reliability_diagram,
)


def two_classes(foreground):
    """(2, N) from the probability of class 1."""
    foreground = np.asarray(foreground, dtype=np.float64)
    return np.stack([1 - foreground, foreground])


def drawn(temperature, *, voxels=40_000, classes=3, seed=0):
    """References drawn from the softmax of logits, and the softmax of the logits times `temperature`: overconfident."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (classes, voxels))
    chances = softmax(logits, axis=0)
    reference = (rng.random(voxels) > np.cumsum(chances, axis=0)).sum(axis=0).clip(max=classes - 1)
    return reference, softmax(logits * temperature, axis=0)


def test_four_voxels_by_hand():
    # Class 1 at 0.9 and right, 0.9 and wrong, 0.2 and right (class 0 at 0.8), 0.6 and right.
    table = calibration_table(
        reference=np.array([1, 0, 0, 1]), probabilities=two_classes([0.9, 0.9, 0.2, 0.6]), num_bins=5
    )
    assert table.counts.tolist() == [0, 0, 1, 1, 2]
    assert table.hits.tolist() == [0, 0, 1, 1, 1]
    assert brier_score(table) == pytest.approx(2 * (0.1**2 + 0.9**2 + 0.2**2 + 0.4**2) / 4)
    assert expected_calibration_error(table) == pytest.approx((0.4 + 0.2 + abs(1 - 1.8)) / 4)
    assert maximum_calibration_error(table) == pytest.approx(0.4)
    assert log_loss(table) == pytest.approx(-np.log([0.9, 0.1, 0.8, 0.6]).mean())


def test_the_reliability_diagram_by_hand():
    table = calibration_table(reference=np.array([1, 0, 1]), probabilities=two_classes([0.9, 0.9, 0.6]), num_bins=2)
    diagram = reliability_diagram(table)
    assert diagram.edges.tolist() == [0, 0.5, 1]
    assert np.isnan([diagram.confidences[0], diagram.accuracies[0]]).all()
    assert (diagram.confidences[1], diagram.accuracies[1]) == (pytest.approx(0.8), pytest.approx(2 / 3))
    assert diagram.shares.tolist() == [0, 1]


def test_a_confidence_on_a_border_is_in_the_lower_bin():
    table = calibration_table(reference=np.array([0, 0]), probabilities=two_classes([0.5, 0.0]), num_bins=2)
    assert table.counts.tolist() == [1, 1]


def test_scores_agree_with_scikit_learn_and_torchmetrics():
    metrics = pytest.importorskip("sklearn.metrics")
    torch = pytest.importorskip("torch")
    calibration_error = pytest.importorskip("torchmetrics.functional.classification").multiclass_calibration_error
    reference, probabilities = drawn(2.0, voxels=3000)
    table = calibration_table(reference=reference, probabilities=probabilities)
    one_hot = np.eye(3)[reference]
    assert brier_score(table) == pytest.approx(((probabilities.T - one_hot) ** 2).sum(axis=1).mean())
    assert log_loss(table) == pytest.approx(metrics.log_loss(reference, probabilities.T))
    binary = calibration_table(reference=(reference == 1).astype(int), probabilities=two_classes(probabilities[1]))
    assert brier_score(binary) == pytest.approx(2 * metrics.brier_score_loss(reference == 1, probabilities[1]))
    given = torch.from_numpy(probabilities.T), torch.from_numpy(reference)
    for norm, score in (("l1", expected_calibration_error), ("max", maximum_calibration_error)):
        wanted = calibration_error(*given, num_classes=3, n_bins=15, norm=norm)
        assert score(table) == pytest.approx(float(wanted), abs=1e-6)


def test_tables_of_parts_add_up_to_the_table_of_the_whole():
    reference, probabilities = drawn(1.5, voxels=300_000)
    whole = calibration_table(reference=reference, probabilities=probabilities)
    parts = [
        calibration_table(reference=reference[part], probabilities=probabilities[:, part])
        for part in (slice(0, 1000), slice(1000, None))
    ]
    total = parts[0] + parts[1]
    assert total.counts.tolist() == whole.counts.tolist()
    for score in (brier_score, log_loss, expected_calibration_error):
        assert score(total) == pytest.approx(score(whole))


def test_permuting_the_classes_changes_nothing():
    reference, probabilities = drawn(2.0, voxels=2000)
    order = np.array([2, 0, 1])
    one = calibration_table(reference=reference, probabilities=probabilities)
    other = calibration_table(reference=np.argsort(order)[reference], probabilities=probabilities[order])
    for score in (brier_score, log_loss, expected_calibration_error, maximum_calibration_error):
        assert score(other) == pytest.approx(score(one))


def test_only_the_region_counts():
    reference, probabilities = np.array([[1, 0], [0, 0]]), two_classes([[0.9, 0.9], [0.1, 0.1]])
    region = np.array([[True, False], [False, False]])
    table = calibration_table(reference=reference, probabilities=probabilities, region=region)
    assert table.num_voxels == 1
    assert brier_score(table) == pytest.approx(2 * 0.1**2)


def test_without_voxels_all_is_undefined():
    table = calibration_table(reference=np.zeros((0,), dtype=int), probabilities=np.zeros((2, 0)))
    for score in (brier_score, log_loss, expected_calibration_error, maximum_calibration_error):
        assert np.isnan(score(table))
    assert np.isnan(reliability_diagram(table).shares).all()


def test_wrong_probabilities_are_refused():
    right = np.array([0, 1])
    with pytest.raises(InputError, match="expected 0 to 1 with sum 1 over the classes, got values from -1"):
        calibration_table(reference=right, probabilities=np.array([[-1.0, 1.0], [2.0, 0.0]]))
    with pytest.raises(InputError, match="Give the softmax of all classes"):
        calibration_table(reference=right, probabilities=np.full((2, 2), np.nan))
    with pytest.raises(GeometryError, match=r"probabilities: expected one channel a class .* got \(2, 3\)"):
        calibration_table(reference=right, probabilities=np.full((2, 3), 0.5))
    with pytest.raises(GeometryError, match="region: expected the reference's shape"):
        calibration_table(reference=right, probabilities=two_classes([0.5, 0.5]), region=np.array([True]))
    with pytest.raises(LabelError, match=r"expected class indices 0 to 1, one for each channel .* got 0 to 255"):
        calibration_table(reference=np.array([0, 255]), probabilities=two_classes([0.5, 0.5]))
    with pytest.raises(LabelError, match="expected whole numbers as class indices, got float64"):
        calibration_table(reference=np.array([0.0, 1.0]), probabilities=two_classes([0.5, 0.5]))
    with pytest.raises(InputError, match="num_bins: expected 1 or more, got 0"):
        calibration_table(reference=right, probabilities=two_classes([0.5, 0.5]), num_bins=0)
    table = calibration_table(reference=right, probabilities=two_classes([0.5, 0.5]), num_bins=2)
    with pytest.raises(InputError, match="expected 2 bins, got 15"):
        table + calibration_table(reference=right, probabilities=two_classes([0.5, 0.5]))


@pytest.mark.parametrize("made_sharper", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_made_the_probabilities_wrong(made_sharper):
    reference, probabilities = drawn(made_sharper)
    fitted = fit_temperature(lambda: [(reference, probabilities)])
    assert fitted == pytest.approx(made_sharper, rel=0.03)


def test_the_fitted_temperature_has_the_least_log_loss():
    reference, probabilities = drawn(2.0, voxels=5000)
    logs = np.log(probabilities)

    def loss(temperature):
        return -log_softmax(logs / temperature, axis=0)[reference, np.arange(5000)].mean()

    wanted = minimize_scalar(loss, bounds=(0.5, 5), method="bounded", options={"xatol": 1e-8}).x
    halves = [(reference[part], probabilities[:, part]) for part in (slice(0, 700), slice(700, None))]
    assert fit_temperature(lambda: iter(halves)) == pytest.approx(wanted, rel=1e-3)


def test_calibration_lowers_the_errors_and_keeps_every_decision():
    reference, probabilities = drawn(3.0)
    calibrated = apply_temperature(probabilities, temperature=fit_temperature(lambda: [(reference, probabilities)]))
    before, after = (calibration_table(reference=reference, probabilities=p) for p in (probabilities, calibrated))
    assert np.array_equal(calibrated.argmax(0), probabilities.argmax(0))
    assert expected_calibration_error(before) > 0.1
    assert expected_calibration_error(after) < 0.02
    assert brier_score(after) < brier_score(before)
    assert log_loss(after) < log_loss(before)


def test_temperature_on_probabilities_is_the_softmax_of_divided_logits():
    logits = np.random.default_rng(1).normal(0, 3, (4, 50))
    wanted = softmax(logits / 1.7, axis=0)
    assert apply_temperature(softmax(logits, axis=0), temperature=1.7) == pytest.approx(wanted)
    single = apply_temperature(softmax(logits, axis=0).astype(np.float32), temperature=1.7)
    assert single.dtype == np.float32
    assert single == pytest.approx(wanted, abs=1e-6)


def test_certain_answers_and_voxels_outside_the_image_stay_what_they_are():
    given = np.array([[1.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    assert apply_temperature(given, temperature=3.0).tolist() == given.tolist()


def test_a_fit_without_a_minimum_ends_at_the_limit():
    always_right = np.zeros(4, dtype=int), two_classes([0.4] * 4)
    always_wrong = np.ones(4, dtype=int), two_classes([0.4] * 4)
    assert fit_temperature(lambda: [always_right]) == 0.05
    assert fit_temperature(lambda: [always_wrong]) == 20.0


def test_a_fit_needs_voxels_and_a_temperature_must_be_positive():
    with pytest.raises(InputError, match="expected validation cases with voxels, got none"):
        fit_temperature(list)
    with pytest.raises(InputError, match="temperature: expected a number above 0, got 0"):
        apply_temperature(two_classes([0.5]), temperature=0)
