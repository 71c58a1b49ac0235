import nibabel as nib
import numpy as np
import pytest
from cases.grids import OBLIQUE_VOLUMES, STRAIGHT_VOLUMES, VOLUMES
from hypothesis import given
from strategies import grids, orientations

from medseg.errors import GeometryError
from medseg.geometry import Affine, AxisReordering, Grid, WorldFrame, reordering_to


def numbered(grid):
    return np.arange(np.prod(grid.spatial_shape)).reshape(grid.spatial_shape)


def test_a_left_posterior_superior_volume_is_turned_round_in_its_first_two_axes():
    affine = Affine.from_spacing((1, 2, 3), frame=WorldFrame.LPS, origin_mm=(10, 20, 30))
    reordering = reordering_to(affine, "RAS")
    assert reordering == AxisReordering((0, 1, 2), (True, True, False))
    # The last voxel of axes 0 and 1, at LPS (10 + 3 * 1, 20 + 4 * 2, 30), becomes the first: RAS (-13, -28, 30).
    grid = reordering.apply_to_grid(Grid((4, 5, 6), affine))
    assert grid.affine.to_frame(WorldFrame.RAS).origin_mm == (-13.0, -28.0, 30.0)
    assert grid.affine.orientation == "RAS"


def test_a_zyx_stack_becomes_xyz_by_order_alone():
    affine = Affine([[0, 0, 1, 0], [0, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    reordering = reordering_to(affine, "RAS")
    assert reordering == AxisReordering((2, 1, 0), (False, False, False))
    assert reordering.apply_to_grid(Grid((6, 5, 4), affine)).spacing_mm == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("case", STRAIGHT_VOLUMES + OBLIQUE_VOLUMES, ids=lambda case: case.name)
@pytest.mark.parametrize("wanted", ["RAS", "LPS", "ASL", "IRP"])
def test_reordered_arrays_and_affines_agree_with_nibabel(case, wanted):
    array, matrix = numbered(case.grid), case.grid.affine.matrix
    change = nib.orientations.ornt_transform(nib.io_orientation(matrix), nib.orientations.axcodes2ornt(wanted))
    expected = nib.orientations.apply_orientation(array, change)
    expected_matrix = matrix @ nib.orientations.inv_ornt_aff(change, array.shape)

    reordering = reordering_to(case.grid.affine, wanted)
    grid = reordering.apply_to_grid(case.grid)
    np.testing.assert_array_equal(reordering.apply(array), expected)
    np.testing.assert_allclose(grid.affine.matrix, expected_matrix, atol=1e-12)
    assert grid.spatial_shape == expected.shape
    assert grid.affine.orientation == wanted


@given(grids(3), orientations())
def test_each_voxel_keeps_its_world_position(grid, wanted):
    reordering = reordering_to(grid.affine, wanted)
    new_grid = reordering.apply_to_grid(grid)
    indices = np.stack(np.meshgrid(*map(np.arange, grid.spatial_shape), indexing="ij"), axis=-1)
    world = np.moveaxis(reordering.apply(np.moveaxis(grid.affine.apply(indices), -1, 0)), 0, -1)
    new_indices = np.stack(np.meshgrid(*map(np.arange, new_grid.spatial_shape), indexing="ij"), axis=-1)
    np.testing.assert_allclose(new_grid.affine.apply(new_indices), world, atol=grid.tolerance_mm)


@given(grids(3), orientations())
def test_the_inverse_brings_array_and_grid_back(grid, wanted):
    reordering = reordering_to(grid.affine, wanted)
    back = reordering.inverse()
    np.testing.assert_array_equal(back.apply(reordering.apply(numbered(grid))), numbered(grid))
    assert back.apply_to_grid(reordering.apply_to_grid(grid)).is_same_as(grid)
    assert back.inverse() == reordering


@pytest.mark.parametrize("case", VOLUMES, ids=lambda case: case.name)
def test_the_own_orientation_moves_nothing(case):
    reordering = reordering_to(case.grid.affine, case.orientation)
    assert reordering.is_identity
    np.testing.assert_array_equal(reordering.apply(numbered(case.grid)), numbered(case.grid))


def test_channels_stay_in_front_and_the_result_is_a_view():
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    reordering = AxisReordering((2, 0, 1), (False, True, False))
    assert not reordering.is_identity
    for moved in (reordering.apply(array), reordering.apply(array, leading=1)):
        assert moved.shape == (2, 5, 3, 4)
        assert moved[1, 4, 0, 3] == array[1, 2, 3, 4]
        assert np.shares_memory(moved, array)


def test_planes_can_be_reordered_by_hand():
    reordering = AxisReordering((1, 0), (True, False))
    np.testing.assert_array_equal(reordering.apply(np.array([[1, 2, 3], [4, 5, 6]])), [[3, 6], [2, 5], [1, 4]])


@pytest.mark.parametrize("code", ["RA", "RAA", "RLS", "XYZ", "ras", "", "RASS"])
def test_words_that_are_no_orientation_are_refused(code):
    affine = Affine.from_spacing((1, 1, 1), frame=WorldFrame.RAS)
    with pytest.raises(GeometryError, match=f"one letter each of R/L, A/P and S/I, 'RAS' for example, got '{code}'"):
        reordering_to(affine, code)


def test_a_plane_cannot_be_brought_into_an_anatomical_orientation():
    with pytest.raises(GeometryError, match="Anatomical letters exist for volumes only"):
        reordering_to(Affine.from_spacing((1, 1), frame=WorldFrame.RAS), "RAS")


def test_reorderings_that_name_an_axis_twice_or_forget_a_flip_are_refused():
    with pytest.raises(GeometryError, match=r"each axis once and one flip for each, got permutation \(0, 0\)"):
        AxisReordering((0, 0), (False, False))
    with pytest.raises(GeometryError, match=r"with flips \(False,\)"):
        AxisReordering((0, 1), (False,))


def test_arrays_and_grids_with_other_numbers_of_axes_are_refused():
    reordering = AxisReordering((0, 1, 2), (False, False, True))
    with pytest.raises(GeometryError, match=r"expected an array of 4 axes, got shape \(2, 2, 2\)"):
        reordering.apply(np.zeros((2, 2, 2)), leading=1)
    with pytest.raises(GeometryError, match=r"expected an array of 3 axes, got shape \(2, 2\)"):
        reordering.apply(np.zeros((2, 2)))
    with pytest.raises(GeometryError, match="expected a grid of 3 axes, got 2"):
        reordering.apply_to_grid(Grid((2, 2), Affine.from_spacing((1, 1), frame=WorldFrame.RAS)))
