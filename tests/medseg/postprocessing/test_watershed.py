"""Distances by hand and against scipy; the watershed against scikit-image; objects from what networks say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.segmentation import watershed

from medseg.errors import GeometryError, InputError
from medseg.postprocessing import (
    distance_map,
    label_components,
    objects_from_boundary,
    objects_from_centres,
    objects_from_distance,
    peak_seeds,
    seeded_watershed,
)

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=8)


def two_discs() -> np.ndarray:
    """Radius 8, centres 13 columns apart: they overlap in a neck."""
    rows, columns = np.mgrid[:21, :34]
    return ((rows - 10) ** 2 + (columns - 10) ** 2 <= 64) | ((rows - 10) ** 2 + (columns - 23) ** 2 <= 64)


def test_distances_are_in_mm_along_each_axis():
    mask = np.ones((3, 4), dtype=bool)
    mask[0] = False
    # The nearest outside is one or two rows of 2.5 mm above; beyond the image nothing is known.
    assert distance_map(mask, spacing_mm=(2.5, 0.5)).tolist() == [[0] * 4, [2.5] * 4, [5.0] * 4]


@settings(deadline=None, max_examples=60)
@given(SHAPES.flatmap(lambda shape: hnp.arrays(bool, shape)), st.sampled_from("CF"))
def test_distances_are_those_of_scipy(mask, order):
    spacing = (2.0, 0.7, 1.3)[: mask.ndim]
    found = distance_map(np.asarray(mask, order=order), spacing_mm=spacing)
    if mask.all():
        assert np.isinf(found).all()
    else:
        assert np.allclose(found, ndimage.distance_transform_edt(mask, sampling=spacing), rtol=1e-5)


def test_spacings_that_do_not_fit_are_refused():
    with pytest.raises(GeometryError, match="expected 2 or 3 axes and a spacing for each, got 2 and 3"):
        distance_map(np.ones((2, 2), dtype=bool), spacing_mm=(1, 1, 1))
    with pytest.raises(InputError, match="expected voxel sizes above 0 mm"):
        distance_map(np.ones((2, 2), dtype=bool), spacing_mm=(1, 0))


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_the_watershed_is_that_of_scikit_image(data):
    shape = data.draw(SHAPES)
    mask = data.draw(hnp.arrays(bool, shape))
    seeds = data.draw(hnp.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 0, 1, 2, 9])))
    relief = data.draw(hnp.arrays(np.float32, shape, elements=st.integers(0, 4)))
    assert np.array_equal(seeded_watershed(relief, seeds=seeds, mask=mask), watershed(relief, seeds, mask=mask))


def test_peaks_count_by_how_far_one_must_descend():
    height = np.array([[0.0, 5.0, 3.0, 4.0, 0.0]])
    mask = np.ones_like(height, dtype=bool)
    assert peak_seeds(height, mask=mask, min_climb=0.9).tolist() == [[0, 1, 0, 2, 0]]
    assert peak_seeds(height, mask=mask, min_climb=1.1).max() == 1
    with pytest.raises(InputError, match="expected a climb above 0, got 0"):
        peak_seeds(height, mask=mask, min_climb=0)


def test_two_discs_are_parted_at_their_neck():
    mask = two_discs()
    objects = objects_from_distance(mask, spacing_mm=(1, 1), min_climb_mm=1.0)
    assert np.array_equal(objects > 0, mask)
    assert objects.max() == 2
    assert (objects[mask][:, None] == objects[10, [10, 23]]).any(axis=1).all()
    assert np.unique(objects[:, :16]).tolist() != np.unique(objects[:, 18:]).tolist()
    assert len(np.unique(objects[:, :16])) == len(np.unique(objects[:, 18:])) == 2


def test_a_neck_hardly_narrower_than_the_discs_parts_nothing():
    # Nearest outside voxels: of a centre (8, 1) voxels away, sqrt(65) = 8.06; of the neck's middle columns 6 rows away,
    # since 6^2 + 5^2 = 61 <= 64 < 6^2 + 6^2. The climb is 2.06 voxels, 4.12 mm where a voxel measures 2 mm.
    assert objects_from_distance(two_discs(), spacing_mm=(1, 1), min_climb_mm=3.0).max() == 1
    assert objects_from_distance(two_discs(), spacing_mm=(2, 2), min_climb_mm=3.0).max() == 2


@settings(deadline=None, max_examples=40)
@given(SHAPES.flatmap(lambda shape: hnp.arrays(bool, shape)))
def test_objects_from_distance_lose_no_voxel(mask):
    objects = objects_from_distance(mask, spacing_mm=(1.0, 2.0, 0.5)[: mask.ndim], min_climb_mm=0.3)
    assert np.array_equal(objects > 0, mask)


def test_touching_objects_meet_on_the_crest_of_their_boundary():
    interior = np.array([[0.9, 0.9, 0.3, 0.1, 0.3, 0.9, 0.0, 0.1]])
    boundary = np.array([[0.0, 0.1, 0.5, 0.8, 0.6, 0.1, 0.0, 0.7]])
    objects = objects_from_boundary(interior_probability=interior, boundary_probability=boundary)
    assert objects[0, [0, 1, 2]].tolist() == [1, 1, 1]
    assert objects[0, [4, 5]].tolist() == [2, 2]
    assert objects[0, 3] in (1, 2)
    assert objects[0, 6:].tolist() == [0, 0]  # background, and a boundary that encloses nothing


def test_specks_of_interior_seed_nothing_when_too_small():
    interior = np.array([[0.9, 0.9, 0.2, 0.9]])
    boundary = np.array([[0.0, 0.0, 0.7, 0.0]])
    both = {"interior_probability": interior, "boundary_probability": boundary}
    assert objects_from_boundary(**both).max() == 2
    assert objects_from_boundary(**both, min_seed_voxels=2).tolist() == [[1, 1, 1, 1]]


def test_a_higher_seed_threshold_parts_objects_whose_rims_are_faint():
    interior = np.array([[0.9, 0.9, 0.6, 0.9, 0.9]])
    both = {"interior_probability": interior, "boundary_probability": 1 - interior}
    assert objects_from_boundary(**both).max() == 1
    parted = objects_from_boundary(**both, seed_threshold=0.8)
    assert parted.max() == 2
    assert (parted > 0).all()


def test_each_centre_makes_an_object_and_what_has_none_is_one():
    mask = two_discs()
    mask[0, 0] = True
    centres = np.zeros(mask.shape)
    centres[9:12, 9:12] = centres[9:12, 22:25] = 0.9
    objects = objects_from_centres(mask, centre_probability=centres, spacing_mm=(1, 1))
    assert np.array_equal(objects > 0, mask)
    assert len({objects[10, 10], objects[10, 23], objects[0, 0]}) == 3
    assert objects.max() == 3


def test_shapes_that_differ_are_refused():
    with pytest.raises(GeometryError, match="interior and boundary probabilities of one shape"):
        objects_from_boundary(interior_probability=np.zeros((2, 2)), boundary_probability=np.zeros((2, 3)))
    with pytest.raises(GeometryError, match="expected seeds of the mask's shape"):
        seeded_watershed(np.zeros((2, 2)), seeds=np.zeros((2, 3), int), mask=np.ones((2, 2), bool))
    with pytest.raises(GeometryError, match="expected centres of the mask's shape"):
        objects_from_centres(np.ones((2, 2), bool), centre_probability=np.zeros((3, 3)), spacing_mm=(1, 1))


def test_nothing_has_no_objects():
    empty = np.zeros((4, 5), dtype=bool)
    assert not objects_from_distance(empty, spacing_mm=(1, 1), min_climb_mm=1).any()
    assert not peak_seeds(np.zeros((4, 5)), mask=empty, min_climb=1).any()
    assert label_components(empty)[1] == 0
