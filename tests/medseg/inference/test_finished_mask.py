"""The steps of a package are applied to whole answers; probabilities stay the network's own."""

import numpy as np
import pytest

from medseg.config import FillHoles, InferenceConfig, LargestComponent, RemoveSmall


def picture() -> np.ndarray:
    """A ring with a dark hole, and a bright speck; class 1 is what is above one half."""
    bright = np.zeros((24, 24), dtype=np.float32)
    bright[4:13, 4:13] = 0.9
    bright[8, 8] = 0.2
    bright[20, 20] = 0.8
    return bright


def probability(value: float) -> float:
    # softmax of (-d, d) with d = x - 0.5
    return 1.0 / (1.0 + np.exp(-2.0 * (value - 0.5)))


def test_a_declared_step_removes_the_speck_from_mask_and_objects(make_predictor, make_image):
    steps = (LargestComponent(classes=(1,)),)
    prediction = make_predictor(inference=InferenceConfig(postprocessing=steps)).predict(make_image(picture()))
    plain = make_predictor().predict(make_image(picture()))
    assert [row.voxels for row in plain.objects] == [80, 1]
    assert [row.voxels for row in prediction.objects] == [80]
    assert prediction.label_map.array[20, 20] == 0
    assert prediction.probabilities is None


def test_a_filled_hole_enters_the_mean_probability_with_the_networks_own(make_predictor, make_image):
    steps = (RemoveSmall(classes=(1,), min_voxels=2), FillHoles(classes=(1,)))
    predictor = make_predictor(inference=InferenceConfig(postprocessing=steps))
    prediction = predictor.predict(make_image(picture()))
    assert prediction.label_map.array[8, 8] == 1
    (row,) = prediction.objects
    assert row.voxels == 81
    assert row.mean_probability == pytest.approx((80 * probability(0.9) + probability(0.2)) / 81, abs=1e-5)
    assert prediction.probabilities is None


def test_probabilities_stay_the_networks_own(make_predictor, make_image):
    steps = (LargestComponent(classes=(1,)), FillHoles(classes=(1,)))
    predictor = make_predictor(inference=InferenceConfig(postprocessing=steps))
    found = predictor.predict(make_image(picture()), with_probabilities=True).probabilities
    plain = make_predictor().predict(make_image(picture()), with_probabilities=True).probabilities
    assert np.array_equal(found.array, plain.array)


def test_a_component_runs_through_all_slices_of_a_2d_model(make_predictor, make_image):
    volume = np.zeros((3, 24, 24), dtype=np.float32)
    volume[:, 4:8, 4:8] = 0.9  # 3 x 16 voxels
    volume[1, 14:20, 14:20] = 0.9  # 36 voxels, in its slice the larger
    predictor = make_predictor(inference=InferenceConfig(postprocessing=(LargestComponent(classes=(1,)),)))
    mask = predictor.predict(make_image(volume, axes="CZYX")).label_map.array
    assert mask.sum() == 48
    assert mask[1, 5, 5] == 1
