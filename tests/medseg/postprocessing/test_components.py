"""Components against scipy, in both orders of memory, and the largest one by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from medseg.errors import GeometryError
from medseg.postprocessing import Connectivity, bounding_box, label_components, largest_component

MASKS = st.integers(2, 3).flatmap(
    lambda n: hnp.arrays(bool, hnp.array_shapes(min_dims=n, max_dims=n, min_side=1, max_side=9))
)


@settings(deadline=None, max_examples=60)
@given(MASKS, st.sampled_from(Connectivity), st.sampled_from("CF"))
def test_components_and_their_numbers_are_those_of_scipy(mask, connectivity, order):
    rank = 1 if connectivity is Connectivity.FACES else mask.ndim
    expected, number = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, rank))
    labels, count = label_components(np.asarray(mask, order=order), connectivity=connectivity)
    assert count == number
    assert np.array_equal(labels, expected)


def test_two_voxels_that_share_a_corner_are_one_by_corners_and_two_by_faces():
    mask = np.eye(2, dtype=bool)
    assert label_components(mask)[1] == 1
    assert label_components(mask, connectivity=Connectivity.FACES)[1] == 2


def test_any_number_but_zero_counts():
    assert label_components(np.array([[0.5, 0.0, -1.0]]))[0].tolist() == [[1, 0, 2]]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0, 2)])
def test_a_mask_of_no_voxels_has_no_component(shape):
    labels, count = label_components(np.zeros(shape, dtype=bool))
    assert (labels.shape, count) == (shape, 0)
    assert largest_component(np.zeros(shape, dtype=bool)).shape == shape


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4)])
def test_one_or_four_axes_are_refused(shape):
    with pytest.raises(GeometryError, match=f"expected a mask of 2 or 3 axes, got {len(shape)}"):
        label_components(np.ones(shape, dtype=bool))


def test_the_largest_component_is_kept_alone():
    mask = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 1], [1, 0, 0, 1, 1]], dtype=bool)
    expected = np.array([[0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 1, 1]], dtype=bool)
    assert np.array_equal(largest_component(mask), expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_of_two_largest_the_first_in_c_order_is_kept(order):
    mask = np.array([[0, 0, 1], [1, 0, 0]], dtype=bool, order=order)
    assert np.argwhere(largest_component(mask)).tolist() == [[0, 2]]


def test_nothing_has_no_largest_component():
    assert not largest_component(np.zeros((3, 4), dtype=bool)).any()


def test_the_box_holds_the_mask_and_no_more():
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[2, 3, 4] = mask[4, 1, 4] = True
    assert bounding_box(mask) == (slice(2, 5), slice(1, 4), slice(4, 5))
    assert bounding_box(np.zeros((2, 2), dtype=bool)) == (slice(0, 0), slice(0, 0))
