"""Size, hole and border filters, on arrays small enough to draw, and against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import measure, segmentation

from medseg.errors import InputError, LabelError
from medseg.postprocessing import (
    Connectivity,
    clear_border,
    fill_holes,
    remove_small_components,
    remove_small_objects,
    renumber_objects,
)

RING = np.array([[0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
LABELS = hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=3, max_side=7), elements=st.integers(0, 5))


def test_components_below_the_size_go_and_those_of_the_size_stay():
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
    kept = remove_small_components(mask, min_voxels=2)
    assert np.array_equal(kept, [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]])


def test_a_hole_is_filled_and_the_open_background_is_not():
    filled = fill_holes(RING)
    assert np.argwhere(filled & ~RING).tolist() == [[1, 2]]


def test_a_hole_larger_than_the_limit_stays():
    wide = np.pad(np.zeros((1, 2), dtype=bool), 1, constant_values=True)
    wide = np.pad(wide, 1)
    assert np.array_equal(fill_holes(wide, max_voxels=1), wide)
    assert fill_holes(wide, max_voxels=2).sum() == wide.sum() + 2


def test_a_wall_that_holds_by_corners_holds_water_only_by_corners():
    diamond = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    assert fill_holes(diamond)[1, 1]
    assert not fill_holes(diamond, connectivity=Connectivity.FACES)[1, 1]


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)))
def test_all_holes_are_those_of_scipy(mask):
    # scipy's default lets the background pass through faces, which goes with a mask connected by corners.
    assert np.array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_small_objects_go_and_the_others_keep_their_numbers():
    labels = np.array([[7, 7, 0, 3], [0, 9, 9, 9]])
    assert np.array_equal(remove_small_objects(labels, min_voxels=2), [[7, 7, 0, 0], [0, 9, 9, 9]])


def test_objects_that_enter_the_frame_go():
    labels = np.zeros((7, 7), dtype=np.uint8)
    labels[0, 3], labels[1, 5], labels[3, 3] = 4, 2, 9
    assert np.unique(clear_border(labels)).tolist() == [0, 2, 9]
    assert np.unique(clear_border(labels, margin_voxels=2)).tolist() == [0, 9]
    assert np.array_equal(clear_border(labels, margin_voxels=0), labels)


@settings(deadline=None, max_examples=50)
@given(LABELS)
def test_border_clearing_is_that_of_scikit_image_for_objects_in_one_piece(labels):
    # scikit-image judges each piece of an object on its own; in one piece are the components of the labels.
    objects = measure.label(labels)
    assert np.array_equal(clear_border(objects), segmentation.clear_border(objects))


def test_an_object_in_two_pieces_goes_when_one_of_them_touches_the_border():
    assert not clear_border(np.array([[4, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0]])).any()


@settings(deadline=None, max_examples=50)
@given(LABELS, st.integers(1, 2**62))
def test_renumbering_keeps_the_objects_however_large_their_numbers(labels, factor):
    factor = factor // 8 + 1
    numbers, count = renumber_objects(labels.astype(np.int64) * factor)
    found = np.unique(labels[labels > 0])
    assert count == len(found)
    assert np.array_equal(numbers, np.where(labels > 0, np.searchsorted(found, labels) + 1, 0))


def test_an_image_of_no_voxels_has_no_objects():
    empty = np.zeros((0, 4), dtype=np.uint8)
    assert renumber_objects(empty)[1] == 0
    assert clear_border(empty).shape == (0, 4)


def test_negative_sizes_and_numbers_are_refused():
    with pytest.raises(InputError, match="min_voxels: expected a number of voxels of 0 or more, got -1"):
        remove_small_components(RING, min_voxels=-1)
    with pytest.raises(LabelError, match=r"expected object ids of 0 \(background\) or more, got -3"):
        clear_border(np.array([[-3, 0]]))
    with pytest.raises(LabelError, match="expected whole numbers as object ids, got float64"):
        remove_small_objects(np.ones((2, 2)), min_voxels=1)
