"""Lesions and candidates as connected components."""

import numpy as np
import pytest

from medseg.errors import InputError
from medseg.metrics import dynamic_lesion_candidates, label_lesions, lesion_candidates


def test_parts_that_touch_at_a_corner_are_one_lesion():
    assert label_lesions(np.eye(3, dtype=bool)).max() == 1
    volume = np.zeros((2, 2, 2), dtype=bool)
    volume[0, 0, 0] = volume[1, 1, 1] = True
    assert label_lesions(volume).max() == 1


def test_parts_one_voxel_apart_are_two_lesions():
    assert label_lesions(np.array([[True, False, True]])).tolist() == [[1, 0, 2]]


def test_the_confidence_of_a_candidate_is_its_largest_value():
    found = lesion_candidates(np.array([[0.2, 0.9, 0.0, 0.4]]))
    assert found.labels.tolist() == [[1, 1, 0, 2]]
    assert found.confidences.tolist() == [0.9, 0.4]


def test_a_mask_gives_candidates_of_confidence_one():
    assert lesion_candidates(np.array([True, False, True])).confidences.tolist() == [1.0, 1.0]


def test_small_components_are_left_out_and_the_others_numbered_anew():
    found = lesion_candidates(np.array([0.9, 0.0, 0.5, 0.5, 0.0, 0.3, 0.8]), min_voxels=2)
    assert found.labels.tolist() == [0, 0, 1, 1, 0, 2, 2]
    assert found.confidences.tolist() == [0.5, 0.8]


def test_an_empty_map_has_no_candidate():
    for find in (lesion_candidates, dynamic_lesion_candidates):
        assert find(np.zeros((3, 3))).confidences.size == 0
        assert find(np.zeros((0, 3))).labels.shape == (0, 3)


def test_each_peak_has_a_threshold_of_its_own():
    # Peaks 0.9 and 0.3 with a half-height of 2: no fixed threshold gives both their three voxels.
    profile = np.array([0.0, 0.5, 0.9, 0.5, 0.2, 0.0, 0.0, 0.2, 0.3, 0.2, 0.0])
    found = dynamic_lesion_candidates(profile, ratio=2.0)
    assert found.labels.tolist() == [0, 1, 1, 1, 0, 0, 0, 2, 2, 2, 0]
    assert found.confidences.tolist() == [0.9, 0.3]


def test_the_flank_of_a_candidate_is_no_candidate():
    found = dynamic_lesion_candidates(np.array([0.9, 0.3, 0.0]), ratio=2.0)
    assert found.confidences.tolist() == [0.9]


def test_no_more_candidates_are_taken_than_asked_for():
    found = dynamic_lesion_candidates(np.array([0.5, 0.0, 0.9, 0.0, 0.7]), max_candidates=2)
    assert found.confidences.tolist() == [0.9, 0.7]


def test_noise_ends_soon():
    # Nearly all of it is above its highest value / 2.5, and hangs together; hardly a peak is left.
    noise = np.random.default_rng(0).random((30, 60, 60), dtype=np.float32)
    found = dynamic_lesion_candidates(noise)
    assert found.confidences[0] == noise.max()
    assert (found.labels == 1).mean() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("values", [[-1.0, 0.5], [np.nan, 0.5], [np.inf, 0.5]])
def test_logits_and_nan_are_refused(values):
    with pytest.raises(InputError, match=r"lesion map: expected finite values of 0 or more, got .* Give no logits"):
        lesion_candidates(np.array(values))


def test_dynamic_candidates_need_probabilities():
    with pytest.raises(InputError, match=r"expected finite values of 0 to 1, got 0\.0 to 2\.0"):
        dynamic_lesion_candidates(np.array([0.0, 2.0]))
    with pytest.raises(InputError, match="expected a ratio above 1"):
        dynamic_lesion_candidates(np.array([0.0, 0.5]), ratio=1.0)


def test_a_negative_threshold_is_refused():
    with pytest.raises(InputError, match="threshold: expected 0 or more, got -1"):
        lesion_candidates(np.array([0.5]), threshold=-1)
