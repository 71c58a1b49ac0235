import pickle

import nibabel as nib
import numpy as np
import pytest
from cases.grids import ALL, ODD_VOLUMES, VOLUMES
from hypothesis import given
from hypothesis import strategies as st
from strategies import affines

from medseg.errors import GeometryError
from medseg.geometry import Affine, WorldFrame
from medseg.geometry.affine import closest_axes

RAS, LPS = WorldFrame.RAS, WorldFrame.LPS


def test_the_first_voxel_lies_at_the_origin_and_the_next_one_a_spacing_on():
    affine = Affine.from_spacing((2.0, 3.0, 4.0), frame=RAS, origin_mm=(10.0, 20.0, 30.0))
    np.testing.assert_array_equal(affine.apply([0, 0, 0]), [10, 20, 30])
    np.testing.assert_array_equal(affine.apply([[1, 0, 0], [0, 1, 2]]), [[12, 20, 30], [10, 23, 38]])


def test_spacing_belongs_to_array_axes_also_where_they_are_permuted():
    zyx = Affine([[0, 0, 0.5, 1], [0, 0.7, 0, 2], [3, 0, 0, 4], [0, 0, 0, 1]], frame=RAS)
    assert zyx.spacing_mm == (3.0, 0.7, 0.5)
    assert zyx.origin_mm == (1.0, 2.0, 4.0)
    np.testing.assert_array_equal(zyx.direction, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def test_lps_and_ras_differ_in_the_signs_of_x_and_y():
    affine = Affine.from_spacing((1, 1, 1), frame=LPS, origin_mm=(1, 2, 3))
    np.testing.assert_array_equal(affine.to_frame(RAS).matrix, np.diag([-1, -1, 1, 1]) @ affine.matrix)
    assert affine.orientation == affine.to_frame(RAS).orientation == "LPS"
    assert affine.to_frame(LPS) is affine


@pytest.mark.parametrize("case", VOLUMES, ids=lambda case: case.name)
def test_orientation_letters_agree_with_nibabel_and_with_the_way_the_grid_was_made(case):
    assert case.grid.affine.orientation == case.orientation
    assert case.grid.affine.to_frame(LPS).orientation == case.orientation
    assert case.orientation == "".join(nib.aff2axcodes(case.grid.affine.matrix))


def test_an_axis_at_50_degrees_leaves_the_letter_to_the_axis_that_is_nearer_to_it():
    # Axis 0 lies 50 degrees from x, in the x-y plane; axis 1 follows x more closely than axis 0 does.
    fifty, ten = np.deg2rad([50, 10])
    direction = np.array([[np.cos(fifty), np.cos(ten), 0], [np.sin(fifty), -np.sin(ten), 0], [0, 0, 1]])
    assert closest_axes(direction) == (1, 0, 2)


@given(affines(), st.tuples(*[st.floats(-100, 100)] * 3))
def test_apply_inverse_undoes_apply(affine, voxel):
    np.testing.assert_allclose(affine.apply_inverse(affine.apply(voxel)), voxel, atol=1e-6)


def test_apply_inverse_keeps_any_leading_shape():
    affine = Affine.from_spacing((2, 4), frame=RAS, origin_mm=(1, 1))
    points = affine.apply(np.arange(24).reshape(3, 4, 2))
    np.testing.assert_allclose(affine.apply_inverse(points), np.arange(24).reshape(3, 4, 2))
    assert affine.apply_inverse(np.empty((0, 2))).shape == (0, 2)
    np.testing.assert_array_equal(affine.apply_inverse([3.0, 5.0]), [1.0, 1.0])


@given(affines(), affines(frame=LPS))
def test_index_map_from_another_affine_leads_to_the_same_world_position(ours, theirs):
    index = np.array([3.0, -2.0, 5.0])
    mapped = (ours.index_map_from(theirs) @ [*index, 1.0])[:3]
    scale = np.abs(ours.matrix).max() + np.abs(theirs.matrix).max()
    np.testing.assert_allclose(ours.apply(mapped), theirs.to_frame(RAS).apply(index), atol=1e-9 * max(scale, 1.0))


def test_after_index_map_of_a_shift_moves_the_origin():
    affine = Affine.from_spacing((2, 3), frame=RAS)
    shifted = affine.after_index_map([[1, 0, 5], [0, 1, -1], [0, 0, 1]])
    assert shifted.origin_mm == (10.0, -3.0)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_direction_has_unit_columns_and_only_the_tilted_gantry_is_not_orthogonal(case):
    affine = case.grid.affine
    np.testing.assert_allclose(np.linalg.norm(affine.direction, axis=0), 1.0)
    np.testing.assert_allclose(affine.direction * affine.spacing_mm, affine.linear)
    assert affine.is_orthogonal == (case.name != "tilted-gantry")


def test_voxels_of_nanometres_are_not_singular():
    affine = Affine.from_spacing((50e-6, 4e-6, 4e-6), frame=RAS)
    assert affine.spacing_mm == pytest.approx((50e-6, 4e-6, 4e-6))


def test_equal_affines_hash_alike_also_with_a_negative_zero():
    plus = Affine.from_spacing((1, 1, 1), frame=RAS)
    minus = plus.to_frame(LPS).to_frame(RAS)
    assert plus == minus
    assert hash(plus) == hash(minus)
    assert plus != plus.to_frame(LPS)
    assert plus != "affine"
    assert plus != Affine.from_spacing((1, 1), frame=RAS)


@pytest.mark.parametrize("case", ODD_VOLUMES, ids=lambda case: case.name)
def test_an_affine_survives_the_way_to_another_process_and_stays_read_only(case):
    copy = pickle.loads(pickle.dumps(case.grid.affine))
    assert copy == case.grid.affine
    with pytest.raises(ValueError, match="read-only"):
        copy.matrix[0, 0] = 5


def test_changing_the_matrix_that_came_in_does_not_change_the_affine():
    matrix = np.eye(4)
    affine = Affine(matrix, frame=RAS)
    matrix[0, 0] = 7
    assert affine.spacing_mm == (1.0, 1.0, 1.0)


def test_repr_tells_frame_spacing_origin_and_letters():
    affine = Affine.from_spacing((0.5, 1, 2), frame=RAS, origin_mm=(1, 2, 3))
    assert repr(affine) == "Affine(RAS: 0.5 x 1 x 2 mm, first voxel at (1, 2, 3) mm, axes RAS)"
    plane = Affine.from_spacing((0.5, 1), frame=RAS)
    assert repr(plane) == "Affine(RAS: 0.5 x 1 mm, first voxel at (0, 0) mm)"


def test_a_plane_has_no_anatomical_letters():
    with pytest.raises(GeometryError, match="expected 3 spatial axes, got 2"):
        _ = Affine.from_spacing((1, 1), frame=RAS).orientation


def test_an_affine_cannot_be_built_without_a_frame():
    with pytest.raises(TypeError, match="frame"):
        Affine(np.eye(4))
    with pytest.raises(ValueError, match="'ITK' is not a valid WorldFrame"):
        Affine(np.eye(4), frame="ITK")


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (np.eye(5), r"expected a \(3, 3\) or \(4, 4\) matrix, got shape \(5, 5\)"),
        (np.diag([1, np.nan, 1, 1]), "expected finite numbers, got NaN or infinity"),
        (np.eye(4)[[3, 1, 2, 0]], r"last row \(0, .., 0, 1\), got \(1.0, 0.0, 0.0, 0.0\). Is the matrix transposed\?"),
        (np.diag([1, 0, 1, 1]), "the matrix is singular"),
        (np.array([[1, 1, 0, 0], [1, 1 + 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "the matrix is singular"),
    ],
)
def test_damaged_matrices_are_refused(matrix, text):
    with pytest.raises(GeometryError, match=text):
        Affine(matrix, frame=RAS)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"spacing_mm": (1, 0, 1)}, r"expected positive voxel sizes in mm, got \(1.0, 0.0, 1.0\)"),
        ({"spacing_mm": (1, np.inf, 1)}, "expected positive voxel sizes"),
        ({"spacing_mm": (1, 1, 1), "origin_mm": (0, 0)}, r"got shapes \(3,\), \(2,\) and \(3, 3\)"),
        ({"spacing_mm": (1, 1, 1), "direction": np.eye(2)}, r"got shapes \(3,\), \(3,\) and \(2, 2\)"),
        ({"spacing_mm": (1, 1), "direction": 2 * np.eye(2)}, r"directions of length 1, got lengths \(2.0, 2.0\)"),
    ],
)
def test_spacings_origins_and_directions_that_do_not_fit_are_refused(arguments, text):
    with pytest.raises(GeometryError, match=text):
        Affine.from_spacing(**arguments, frame=RAS)


def test_index_maps_between_two_and_three_axes_are_refused():
    plane, volume = Affine.from_spacing((1, 1), frame=RAS), Affine.from_spacing((1, 1, 1), frame=RAS)
    with pytest.raises(GeometryError, match="expected another affine of 3 spatial axes, got one of 2"):
        volume.index_map_from(plane)
