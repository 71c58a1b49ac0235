"""Resampling against values worked out by hand, and against SimpleITK and scipy, which know nothing of our affines."""

import numpy as np
import pytest
import SimpleITK
from cases.grids import ALL, OBLIQUE_VOLUMES, STRAIGHT_VOLUMES, rotation, volume
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from strategies import grids, orientations

from medseg.errors import GeometryError, InputError
from medseg.geometry import Affine, Grid, Interpolation, WorldFrame, reordering_to, resample_array, resampling

RAS = WorldFrame.RAS
METHODS = list(Interpolation)


def line(size, spacing_mm=1.0, origin_mm=0.0, other=1):
    """A grid whose first axis lies along x, with `other` voxels along y."""
    return Grid((size, other), Affine.from_spacing((spacing_mm, 1.0), frame=RAS, origin_mm=(origin_mm, 0.0)))


def along_line(values, target, *, source=None, interpolation="linear", fill=-9.0):
    array = np.array(values)[:, np.newaxis]
    grid = source or line(len(values))
    return resample_array(array, source=grid, target=target, interpolation=interpolation, fill=fill)[:, 0]


def smooth(shape, seed=0):
    """Random values without detail below three voxels."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 1.5, mode="nearest") * 10


def to_sitk(array, grid):
    image = SimpleITK.GetImageFromArray(array.T)
    lps = grid.affine.to_frame(WorldFrame.LPS)
    image.SetSpacing(lps.spacing_mm)
    image.SetOrigin(lps.origin_mm)
    image.SetDirection(lps.direction.ravel().tolist())
    return image


def resampled_by_sitk(array, source, target, method, fill):
    interpolator = {
        "nearest": SimpleITK.sitkNearestNeighbor,
        "linear": SimpleITK.sitkLinear,
        "cubic": SimpleITK.sitkBSpline,
    }[method]
    like = to_sitk(np.zeros(target.spatial_shape, dtype=np.uint8), target)
    moved = SimpleITK.Resample(
        to_sitk(array, source), like, SimpleITK.Transform(), interpolator, fill, SimpleITK.sitkFloat64
    )
    return SimpleITK.GetArrayFromImage(moved).T


# Worked out by hand


def test_doubling_the_resolution_takes_quarters_and_continues_the_border():
    # Fine centres at -0.25, 0.25, 0.75, 1.25: the outer two lie outside the coarse centres but inside their voxels.
    fine = line(4, spacing_mm=0.5, origin_mm=-0.25)
    assert along_line([0.0, 8.0], fine).tolist() == [0.0, 2.0, 6.0, 8.0]


def test_halving_the_resolution_takes_the_value_between_two_voxels_without_smoothing():
    coarse = line(2, spacing_mm=2.0, origin_mm=0.5)
    assert along_line([0.0, 4.0, 0.0, 8.0], coarse).tolist() == [2.0, 4.0]
    # A third of the resolution sees the middle voxels only: the spikes beside them vanish, or take all.
    third = line(2, spacing_mm=3.0, origin_mm=1.0)
    assert along_line([9.0, 0.0, 9.0, 0.0, 6.0, 0.0], third).tolist() == [0.0, 6.0]


def test_more_than_half_a_voxel_outside_stands_the_fill_value():
    wide = line(6, spacing_mm=1.0, origin_mm=-1.6)
    # Centres at -1.6, -0.6 (both outside), 0.4, 1.4 (in the last voxel, up to 1.5), 2.4, 3.4.
    assert along_line([0.0, 10.0], wide).tolist() == [-9.0, -9.0, pytest.approx(4.0), 10.0, -9.0, -9.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_centre_exactly_on_the_outer_face_belongs_to_the_image(method):
    on_faces = line(2, spacing_mm=2.0, origin_mm=-0.5)
    assert along_line([5.0, 5.0], on_faces, interpolation=method).tolist() == pytest.approx([5.0, 5.0])


def test_nearest_takes_the_later_of_two_voxels_at_the_same_distance_whatever_the_rounding():
    for noise in (-1e-9, 0.0, 1e-9):
        coarse = line(2, spacing_mm=2.0, origin_mm=0.5 + noise)
        assert along_line([1, 2, 3, 4], coarse, interpolation="nearest", fill=0).tolist() == [2, 4]


def test_grids_that_do_not_meet_give_the_fill_value_only():
    away = line(3, origin_mm=100.0)
    assert along_line([1.0, 2.0], away).tolist() == [-9.0] * 3
    assert along_line([1, 2], away, interpolation="nearest", fill=7).tolist() == [7] * 3
    turned = Grid(
        (3, 3), Affine.from_spacing((1, 1), frame=RAS, origin_mm=(90, 90), direction=rotation(0, 0, 30)[:2, :2])
    )
    assert (resample_array(np.ones((2, 1)), source=line(2), target=turned, interpolation="cubic", fill=7) == 7).all()


def test_cubic_follows_a_parabola_that_linear_cuts():
    # x^2 in the middle of many samples: a cubic spline reproduces it, linear lies 0.25 above at the half steps.
    squares = [float(x * x) for x in range(-20, 21)]
    half_steps = line(3, origin_mm=19.5)  # x = -0.5, 0.5, 1.5
    np.testing.assert_allclose(along_line(squares, half_steps, interpolation="cubic"), [0.25, 0.25, 2.25], atol=1e-6)
    np.testing.assert_allclose(along_line(squares, half_steps, interpolation="linear"), [0.5, 0.5, 2.5])


def test_a_whole_shift_of_an_integer_image_is_exact_beyond_what_float32_can_hold():
    large = [2**31 - 1, 2**31 - 3]
    assert along_line(
        np.array(large, dtype=np.int32), line(2, origin_mm=1.0), interpolation="linear", fill=0
    ).tolist() == [
        large[1],
        0,
    ]


def test_a_damaged_voxel_does_not_spread_to_voxels_that_are_copied():
    values = [1.0, np.nan, 3.0, 4.0]
    threefold = line(12, spacing_mm=1 / 3, origin_mm=-1 / 3)
    result = along_line(values, threefold)
    assert result[[1, 7, 10]].tolist() == [1.0, 3.0, 4.0]
    assert np.isnan(result[[2, 3, 4, 5, 6]]).all()


# Laws


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
@pytest.mark.parametrize("method", METHODS)
def test_resampling_onto_the_own_grid_changes_nothing(case, method):
    array = smooth(case.grid.spatial_shape)
    for target in (case.grid, Grid(case.grid.spatial_shape, case.grid.affine.to_frame(WorldFrame.LPS))):
        result = resample_array(array, source=case.grid, target=target, interpolation=method, fill=-1)
        np.testing.assert_array_equal(result, array)


@given(grids(3), orientations(), st.sampled_from(METHODS))
def test_reordering_by_resampling_is_exact(grid, wanted, method):
    array = np.arange(np.prod(grid.spatial_shape), dtype=np.float64).reshape(grid.spatial_shape)
    reordering = reordering_to(grid.affine, wanted)
    target = reordering.apply_to_grid(grid)
    result = resample_array(array, source=grid, target=target, interpolation=method, fill=-1)
    np.testing.assert_array_equal(result, reordering.apply(array))


@given(grids(3), st.tuples(*[st.integers(-3, 3)] * 3))
def test_labels_shifted_by_whole_voxels_are_copied_and_the_rest_is_filled(grid, shift):
    labels = 1 + np.arange(np.prod(grid.spatial_shape), dtype=np.int64).reshape(grid.spatial_shape)
    stop = [begin + size for begin, size in zip(shift, grid.spatial_shape, strict=True)]
    result = resample_array(labels, source=grid, target=grid.cropped(shift, stop), interpolation="nearest", fill=0)
    padded = np.pad(labels, 3)
    window = tuple(slice(3 + begin, 3 + end) for begin, end in zip(shift, stop, strict=True))
    np.testing.assert_array_equal(result, padded[window])


@given(grids(), st.integers(2, 4))
def test_labels_come_back_from_a_finer_grid_as_they_were(grid, factor):
    labels = np.arange(np.prod(grid.spatial_shape), dtype=np.uint16).reshape(grid.spatial_shape)
    fine_grid = grid.with_spacing([spacing / factor for spacing in grid.spacing_mm])
    fine = resample_array(labels, source=grid, target=fine_grid, interpolation="nearest", fill=9999)
    np.testing.assert_array_equal(fine, np.kron(labels, np.ones([factor] * grid.ndim, dtype=np.uint16)))
    back = resample_array(fine, source=fine_grid, target=grid, interpolation="nearest", fill=9999)
    np.testing.assert_array_equal(back, labels)


@given(grids(), st.floats(0.3, 3.0), st.sampled_from(METHODS))
def test_a_constant_stays_that_constant_up_to_the_border(grid, factor, method):
    target = grid.with_spacing([spacing * factor for spacing in grid.spacing_mm])
    ends = grid.affine.apply_inverse(target.corners_mm)
    assume(((ends >= -0.5) & (ends <= np.array(grid.spatial_shape) - 0.5)).all())  # no centre outside by rounding
    constant = np.full(grid.spatial_shape, 0.75, dtype=np.float32)
    result = resample_array(constant, source=grid, target=target, interpolation=method, fill=0)
    np.testing.assert_allclose(result, 0.75, rtol=1e-6 if method == "cubic" else 0)


@settings(max_examples=25)
@given(grids(3, is_oblique=True), grids(3, is_oblique=True))
def test_linear_resampling_reproduces_a_linear_function_of_the_place(source, target):
    slope = np.array([0.3, -0.2, 0.5]) / max(source.spacing_mm)
    ours = np.stack(np.meshgrid(*map(np.arange, source.spatial_shape), indexing="ij"), axis=-1)
    theirs = np.stack(np.meshgrid(*map(np.arange, target.spatial_shape), indexing="ij"), axis=-1)
    values = (source.affine.apply(ours) - source.affine.origin_mm) @ slope
    result = resample_array(values, source=source, target=target, interpolation="linear", fill=np.nan)
    world = target.affine.apply(theirs)
    expected = (world - source.affine.origin_mm) @ slope
    index = source.affine.apply_inverse(world)
    last = np.array(source.spatial_shape) - 1
    within = ((index > 1e-3) & (index < last - 1e-3)).all(axis=-1)
    np.testing.assert_allclose(result[within], expected[within], atol=1e-6)
    outside = ((index < -0.501) | (index > last + 0.501)).any(axis=-1)
    assert np.isnan(result[outside]).all()
    filled = ((index > -0.499) & (index < last + 0.499)).all(axis=-1)
    assert np.isfinite(result[filled]).all()


# Oracles


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", STRAIGHT_VOLUMES[::5] + OBLIQUE_VOLUMES[::5], ids=lambda case: case.name)
def test_volumes_agree_with_simpleitk_on_straight_and_oblique_grids(case, method):
    source = volume(case.orientation, shape=(9, 8, 7), spacing_mm=(1.1, 0.9, 2.3))
    # Around the same middle, a little larger than the source, at spacings without common measure.
    target = Grid((13, 12, 11), case.grid.affine).with_spacing((0.93, 0.81, 1.37))
    middle = source.affine.apply((np.array(source.spatial_shape) - 1) / 2)
    shift = middle - target.affine.apply((np.array(target.spatial_shape) - 1) / 2)
    matrix = target.affine.matrix.copy()
    matrix[:3, 3] += shift
    target = Grid(target.spatial_shape, Affine(matrix, frame=RAS))

    array = smooth(source.spatial_shape)
    ours = resample_array(array, source=source, target=target, interpolation=method, fill=-99)
    theirs = resampled_by_sitk(array, source, target, method, -99)
    assert (theirs == -99).any()
    assert (theirs != -99).sum() > 100
    if method == "cubic":  # beyond the outermost centres ITK goes on along the mirrored spline, we hold its last value
        index = np.moveaxis(np.indices(target.spatial_shape), 0, -1)
        points = source.affine.apply_inverse(target.affine.apply(index))
        within = ((points >= 0) & (points <= np.array(source.spatial_shape) - 1)).all(axis=-1)
        assert within.sum() > 100
        np.testing.assert_array_equal(ours == -99, theirs == -99)
        ours, theirs = ours[within], theirs[within]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("turn_degrees", [0.0, 25.0])
def test_planes_agree_with_scipy(method, turn_degrees):
    source = Grid((12, 10), Affine.from_spacing((1.0, 1.0), frame=RAS))
    turn = rotation(0, 0, turn_degrees)[:2, :2]
    target = Grid((9, 11), Affine.from_spacing((0.61, 0.53), frame=RAS, origin_mm=(3.2, 1.1), direction=turn))
    array = smooth(source.spatial_shape)
    index = np.indices(target.spatial_shape).reshape(2, -1)
    points = (turn * (0.61, 0.53)) @ index + np.array([[3.2], [1.1]])
    order = {"nearest": 0, "linear": 1, "cubic": 3}[method]
    within = ((points > 0) & (points < [[11], [9]])).all(axis=0)
    assert within.sum() > 30
    expected = ndimage.map_coordinates(array, points, order=order, mode="mirror")
    ours = resample_array(array, source=source, target=target, interpolation=method, fill=0)
    np.testing.assert_allclose(ours.ravel()[within], expected[within], atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_fast_path_for_parallel_axes_agrees_with_the_general_one(method):
    source = volume("PLS", shape=(6, 7, 5))
    target = volume("RAS", shape=(9, 9, 9), spacing_mm=(0.41, 0.37, 1.3))
    array = smooth(source.spatial_shape).astype(np.float32)
    fast = resample_array(array, source=source, target=target, interpolation=method, fill=-5)
    general = np.full(target.spatial_shape, -5, dtype=np.float32)
    index_map = source.affine.index_map_from(target.affine)
    resampling._resample_oblique(array, index_map, Interpolation(method), general)
    np.testing.assert_allclose(fast, general, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_oblique_volumes_come_out_the_same_in_runs_of_any_length(method, monkeypatch):
    source, target = volume("RAS", shape=(6, 7, 5)), OBLIQUE_VOLUMES[3].grid
    array = smooth(source.spatial_shape)
    whole = resample_array(array, source=source, target=target, interpolation=method, fill=0)
    monkeypatch.setattr(resampling, "_POINTS_AT_ONCE", 7)
    np.testing.assert_array_equal(
        resample_array(array, source=source, target=target, interpolation=method, fill=0), whole
    )


# Types and messages


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("dtype", "interpolated"),
    [
        (np.bool_, np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.uint16, np.float32),
        (np.int32, np.float64),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.dtype(">i2"), np.float32),
        (np.dtype(">f4"), np.float32),
    ],
)
def test_nearest_keeps_the_type_and_the_others_give_floats(dtype, interpolated, turned):
    source = volume("RAS", shape=(4, 4, 4))
    target = volume("RAS", shape=(3, 3, 3), turn=rotation(0, 0, 20) if turned else None, spacing_mm=(0.7, 1, 2))
    array = np.ones((4, 4, 4)).astype(dtype)
    for method in METHODS:
        result = resample_array(array, source=source, target=target, interpolation=method, fill=1)
        assert result.dtype == (dtype if method == "nearest" else interpolated)
        np.testing.assert_allclose(result.astype(float), 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "fill"), [(np.uint8, -1), (np.uint8, 256), (np.int16, 0.5), (np.uint8, np.nan), (np.bool_, 2)]
)
def test_a_fill_value_that_the_type_cannot_hold_is_refused(dtype, fill):
    array = np.zeros((2, 1), dtype=dtype)
    with pytest.raises(InputError, match=f"expected a value that {np.dtype(dtype)} can hold, got {fill}"):
        resample_array(array, source=line(2), target=line(3), interpolation="nearest", fill=fill)


def test_an_unknown_interpolation_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match="expected one of nearest, linear, cubic, got 'lanczos'"):
        resample_array(np.zeros((2, 1)), source=line(2), target=line(2), interpolation="lanczos", fill=0)


def test_arrays_and_targets_that_do_not_fit_the_source_are_refused():
    with pytest.raises(GeometryError, match=r"got shape \(3, 1\), grid \(2, 1\) and target \(2, 1\)"):
        resample_array(np.zeros((3, 1)), source=line(2), target=line(2), interpolation="linear", fill=0)
    with pytest.raises(GeometryError, match=r"two grids with as many axes, .* target \(5, 4, 3\)"):
        resample_array(np.zeros((2, 1)), source=line(2), target=volume("RAS"), interpolation="linear", fill=0)
