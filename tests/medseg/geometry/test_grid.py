import numpy as np
import pytest
from cases.grids import ALL, OBLIQUE_VOLUMES
from hypothesis import given
from hypothesis import strategies as st
from strategies import grids

from medseg.errors import GeometryError
from medseg.geometry import GRID_TOLERANCE_MM, Affine, Grid, WorldFrame, check_same_grid

RAS = WorldFrame.RAS


def plain(shape=(4, 5, 6), spacing_mm=(1.0, 2.0, 3.0), origin_mm=None):
    return Grid(shape, Affine.from_spacing(spacing_mm, frame=RAS, origin_mm=origin_mm))


def outer_faces(grid):
    """World positions of the two far corners of the field of view: half a voxel outside the centres."""
    return grid.affine.apply([[-0.5] * grid.ndim, np.array(grid.spatial_shape) - 0.5])


def test_corners_are_the_centres_of_the_corner_voxels():
    corners = plain().corners_mm
    assert corners.shape == (8, 3)
    np.testing.assert_array_equal(corners.min(axis=0), [0, 0, 0])
    np.testing.assert_array_equal(corners.max(axis=0), [3 * 1, 4 * 2, 5 * 3])


def test_voxel_volume_of_a_sheared_grid_is_base_times_height():
    # 0.7 x 0.7 mm pixels, slices 5 mm apart along an axis tilted by 15 degrees: height 5 cos(15 degrees).
    tilted = next(case.grid for case in ALL if case.name == "tilted-gantry")
    assert tilted.voxel_volume_mm3 == pytest.approx(0.7 * 0.7 * 5 * np.cos(np.deg2rad(15)))
    assert plain((2, 3), (0.5, 0.25)).voxel_volume_mm3 == pytest.approx(0.5 * 0.25)


def test_cropping_two_voxels_moves_the_origin_two_spacings():
    part = plain().cropped((2, 0, 1), (4, 5, 3))
    assert part.spatial_shape == (2, 5, 2)
    assert part.affine.origin_mm == (2 * 1.0, 0.0, 1 * 3.0)


@given(grids(), st.data())
def test_padding_undoes_cropping(grid, data):
    stop = [data.draw(st.integers(1, size)) for size in grid.spatial_shape]
    start = [data.draw(st.integers(0, end - 1)) for end in stop]
    part = grid.cropped(start, stop)
    after = [size - end for size, end in zip(grid.spatial_shape, stop, strict=True)]
    assert part.padded(start, after).is_same_as(grid)


@given(grids(), st.integers(1, 4))
def test_a_finer_spacing_by_a_whole_factor_keeps_the_field_of_view_exactly(grid, factor):
    fine = grid.with_spacing([spacing / factor for spacing in grid.spacing_mm])
    assert fine.spatial_shape == tuple(size * factor for size in grid.spatial_shape)
    np.testing.assert_allclose(outer_faces(fine), outer_faces(grid), atol=grid.tolerance_mm)
    assert fine.with_spacing(grid.spacing_mm).is_same_as(grid)


def test_two_voxels_of_3mm_become_two_of_2_8mm_and_the_first_face_stays():
    # 6 mm / 2.8 mm = 2.14 voxels, rounded to 2; first centre 1.4 mm behind the face at -1.5 mm.
    grid = Grid((2, 2), Affine.from_spacing((3.0, 3.0), frame=RAS)).with_spacing((2.8, 3.0))
    assert grid.spatial_shape == (2, 2)
    assert grid.affine.origin_mm == pytest.approx((-1.5 + 1.4, 0.0))


def test_a_spacing_larger_than_the_image_leaves_one_voxel():
    assert plain().with_spacing((100, 100, 100)).spatial_shape == (1, 1, 1)


@given(grids())
def test_a_grid_is_the_same_in_either_frame(grid):
    assert grid.is_same_as(Grid(grid.spatial_shape, grid.affine.to_frame(WorldFrame.LPS)))


def test_grids_half_a_tolerance_apart_are_the_same_and_two_apart_are_not():
    near = plain(origin_mm=(GRID_TOLERANCE_MM / 2, 0, 0))
    far = plain(origin_mm=(2 * GRID_TOLERANCE_MM, 0, 0))
    assert plain().is_same_as(near)
    assert not plain().is_same_as(far)
    assert plain().is_same_as(far, tolerance_mm=0.1)
    assert not plain().is_same_as(plain((4, 5, 7)))


def test_grids_of_nanometre_voxels_that_lie_a_voxel_apart_are_not_the_same():
    voxel = 4e-6
    here = Grid((10, 10), Affine.from_spacing((voxel, voxel), frame=RAS))
    next_to_it = Grid((10, 10), Affine.from_spacing((voxel, voxel), frame=RAS, origin_mm=(voxel, 0)))
    coarser = Grid((10, 10), Affine.from_spacing((2 * voxel, voxel), frame=RAS))
    assert not here.is_same_as(next_to_it)
    with pytest.raises(GeometryError, match=r"differ in spacing: \(4e-06, 4e-06\) mm vs \(8e-06, 4e-06\) mm"):
        check_same_grid(here, coarser, names=("image", "mask"))


def test_an_affine_that_went_through_a_float32_header_is_the_same_grid():
    for case in OBLIQUE_VOLUMES:
        stored = Affine(case.grid.affine.matrix.astype(np.float32), frame=RAS)
        check_same_grid(case.grid, Grid(case.grid.spatial_shape, stored), names=("a", "b"))


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (plain((4, 5, 7)), r"size: \(4, 5, 6\) vs \(4, 5, 7\) voxels"),
        (plain((4, 5), (1.0, 1.0)), r"size: \(4, 5, 6\) vs \(4, 5\) voxels"),
        (plain(spacing_mm=(1.0, 2.0, 2.5)), r"spacing: \(1, 2, 3\) mm vs \(1, 2, 2.5\) mm"),
        (plain(origin_mm=(3, 4, 0)), "position or direction: their corners are up to 5 mm apart"),
    ],
)
def test_the_message_says_in_what_two_grids_differ_and_what_to_do(other, text):
    with pytest.raises(GeometryError, match=f"image and mask differ in {text}. Resample one like the other first"):
        check_same_grid(plain(), other, names=("image", "mask"))


def test_sizes_come_out_as_plain_integers():
    grid = Grid(tuple(np.array([2, 3])), Affine.from_spacing((1, 1), frame=RAS))
    assert [type(size) for size in grid.spatial_shape] == [int, int]
    assert grid == Grid((2, 3), Affine.from_spacing((1, 1), frame=RAS))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: plain((4, 5)), r"expected 3 sizes of at least 1, got \(4, 5\)"),
        (lambda: plain((4, 0, 5)), r"expected 3 sizes of at least 1, got \(4, 0, 5\)"),
        (lambda: plain().cropped((0, 0, 0), (1, 0, 1)), r"expected 3 sizes of at least 1, got \(1, 0, 1\)"),
        (lambda: plain().cropped((0, 0), (1, 1, 1)), r"expected 3 numbers, one per spatial axis, got \(0, 0\), \(1, 1"),
        (lambda: plain().padded((0, 0), (1, 1)), "expected 3 numbers, one per spatial axis"),
        (lambda: plain().with_spacing((1, 1)), "expected 3 numbers, one per spatial axis"),
        (lambda: plain().with_spacing((1, -1, 1)), r"expected positive spacings in mm, got \(1, -1, 1\)"),
        (lambda: plain().with_spacing((1, np.inf, 1)), "expected positive spacings in mm"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, text):
    with pytest.raises(GeometryError, match=text):
        make()
