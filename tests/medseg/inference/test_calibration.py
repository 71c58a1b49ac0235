"""A temperature fitted on validation cases, and what it does to a package."""

import numpy as np
import pytest

from medseg.config import InferenceConfig
from medseg.errors import GeometryError, InputError, LabelError
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.inference import fit_model_temperature, model_card
from medseg.metrics import expected_calibration_error, log_loss

LABELS = LabelTable.from_names(("background", "bright"))


def reference_like(image, array, *, labels=LABELS):
    return LabelMap(array.astype(np.uint8), image.affine, image.axes[1:], labels, kind=LabelKind.SEMANTIC)


@pytest.fixture
def cases(make_image):
    """References drawn with the chance sigmoid(2 (x - 0.5)) that a network of steepness 1 states."""
    rng = np.random.default_rng(3)
    images = [make_image(rng.random((120, 130)).astype(np.float32)) for _ in range(2)]
    chances = [1 / (1 + np.exp(-2 * (image.array[0] - 0.5))) for image in images]
    return [
        (image, reference_like(image, rng.random(chance.shape) < chance))
        for image, chance in zip(images, chances, strict=True)
    ]


def test_a_network_that_is_four_times_too_sure_gets_temperature_four(make_predictor, threshold, cases):
    threshold.steepness = 4.0
    fit = fit_model_temperature(make_predictor(network=threshold), cases)
    assert fit.temperature == pytest.approx(4.0, rel=0.15)
    assert fit.cases == 2
    assert expected_calibration_error(fit.after) < expected_calibration_error(fit.before) / 5
    assert log_loss(fit.after) < log_loss(fit.before)


def test_fitting_a_calibrated_package_again_finds_the_same_temperature(make_predictor, make_manifest, threshold, cases):
    threshold.steepness = 4.0
    once = fit_model_temperature(make_predictor(network=threshold), cases)
    again = fit_model_temperature(
        make_predictor(network=threshold, inference=InferenceConfig(temperature=once.temperature)), cases
    )
    assert again.temperature == pytest.approx(once.temperature, rel=1e-3)


def test_no_more_voxels_are_drawn_than_asked_for(make_predictor, threshold, cases):
    fit = fit_model_temperature(make_predictor(network=threshold), cases, voxels_per_case=100)
    assert fit.before.num_voxels == 200
    same = fit_model_temperature(make_predictor(network=threshold), cases, voxels_per_case=100)
    assert same.temperature == fit.temperature


def test_wrong_cases_are_refused(make_predictor, make_image, threshold):
    image, smaller = make_image(np.zeros((8, 8), np.float32)), make_image(np.zeros((8, 7), np.float32))
    predictor = make_predictor(network=threshold)
    with pytest.raises(GeometryError, match="the image and its reference"):
        fit_model_temperature(predictor, [(image, reference_like(smaller, np.zeros((8, 7))))])
    others = LabelTable.from_names(("background", "bright", "brighter"))
    with pytest.raises(LabelError, match="the reference"):
        fit_model_temperature(predictor, [(image, reference_like(image, np.full((8, 8), 2), labels=others))])
    with pytest.raises(InputError, match="expected validation cases with voxels, got none"):
        fit_model_temperature(predictor, [])


def test_the_card_says_whether_probabilities_are_calibrated(make_manifest):
    calibrated = make_manifest(inference=InferenceConfig(temperature=1.25))
    assert "calibrated on validation cases (temperature 1.25)" in model_card(calibrated)
    assert "probabilities are not calibrated" in model_card(make_manifest())
