import math

import numpy as np
import pytest

from medseg.transforms import sampling
from medseg.transforms.sampling import draw_patch_start, foreground_indices


def starts(count, *, shape, patch, foreground=None, fraction=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return [
        draw_patch_start(
            rng, spatial_shape=shape, patch_size=patch, foreground=foreground or {}, foreground_fraction=fraction
        )
        for _ in range(count)
    ]


def test_foreground_indices_are_the_flat_places_of_each_class():
    classes = np.array([[0, 2], [1, 2]], dtype=np.uint8)
    found = foreground_indices(classes)
    assert {index: voxels.tolist() for index, voxels in found.items()} == {1: [2], 2: [1, 3]}


def test_large_class_is_thinned_evenly_and_a_small_lesion_kept_whole(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_VOXELS_OF_A_CLASS", 10)
    classes = np.array([1] * 95 + [2] * 5, dtype=np.uint8)
    found = foreground_indices(classes)
    assert found[1].tolist() == list(range(0, 95, 10))
    assert found[2].tolist() == [95, 96, 97, 98, 99]


def test_tiny_lesion_is_drawn_as_often_as_a_large_organ():
    classes = np.zeros((100, 100), dtype=np.uint8)
    classes[20:60, 20:60] = 1
    classes[77, 31] = 2
    count, share = 4000, 0.6
    drawn = starts(count, shape=classes.shape, patch=(16, 16), foreground=foreground_indices(classes), fraction=share)
    # Two classes share the foreground patches; the lesion's lie where it is their centre. By chance alone a patch
    # starts there with a probability of 1 / 85^2.
    hits = sum(start == (77 - 8, 31 - 8) for start in drawn)
    expected = count * share / 2
    assert abs(hits - expected) < 4 * math.sqrt(expected * (1 - share / 2))


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_share_of_patches_that_are_centred_on_the_foreground(fraction):
    classes = np.zeros((200, 200), dtype=np.uint8)
    classes[100, 100] = 1
    count = 2000
    drawn = starts(count, shape=classes.shape, patch=(8, 8), foreground=foreground_indices(classes), fraction=fraction)
    hits = sum(start == (96, 96) for start in drawn)
    assert abs(hits - count * fraction) <= 4 * math.sqrt(count * fraction * (1 - fraction)) + 1


def test_patches_stay_inside_the_image_even_around_a_corner_voxel():
    classes = np.zeros((20, 30), dtype=np.uint8)
    classes[0, 29] = 1
    drawn = starts(50, shape=(20, 30), patch=(8, 8), foreground=foreground_indices(classes), fraction=1.0)
    assert set(drawn) == {(0, 22)}


def test_every_place_is_drawn_without_foreground():
    drawn = starts(500, shape=(10, 9), patch=(8, 8), fraction=1.0)
    assert set(drawn) == {(row, column) for row in (0, 1, 2) for column in (0, 1)}


def test_smaller_image_lies_wholly_within_the_patch():
    drawn = starts(200, shape=(5, 20), patch=(8, 8), foreground={1: np.array([40])}, fraction=0.5)
    assert {start[0] for start in drawn} == {-3, -2, -1, 0}
    assert all(0 <= start[1] <= 12 for start in drawn)
