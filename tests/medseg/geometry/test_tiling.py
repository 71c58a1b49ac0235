import numpy as np
import pytest
from hypothesis import given
from laws import assert_stitching_keeps_constant, assert_tiles_cover
from strategies import tilings

from medseg.errors import GeometryError
from medseg.geometry import gaussian_window, tile_slices


def starts(spatial_shape, tile_size, overlap_fraction):
    tiles = tile_slices(spatial_shape, tile_size, overlap_fraction=overlap_fraction)
    return [tuple(part.start for part in tile) for tile in tiles]


def test_ten_pixels_in_tiles_of_four_without_overlap_start_at_0_4_and_6():
    assert starts((10,), (4,), 0.0) == [(0,), (4,), (6,)]


def test_half_overlap_of_tiles_of_four_steps_by_two():
    assert starts((10,), (4,), 0.5) == [(0,), (2,), (4,), (6,)]


def test_tiles_come_in_c_order():
    assert starts((4, 6), (2, 3), 0.0) == [(0, 0), (0, 3), (2, 0), (2, 3)]


def test_an_image_smaller_than_a_tile_is_one_tile_of_its_own_size():
    assert tile_slices((19, 37), (64, 64), overlap_fraction=0.5) == [(slice(0, 19), slice(0, 37))]


def test_an_image_smaller_than_a_tile_along_one_axis_only_is_cut_along_the_other():
    tiles = tile_slices((3, 8), (5, 4), overlap_fraction=0.0)
    assert tiles == [(slice(0, 3), slice(0, 4)), (slice(0, 3), slice(4, 8))]


def test_rounding_does_not_make_the_step_zero_or_short():
    assert starts((20,), (10,), 0.9) == [(start,) for start in range(11)]
    assert starts((3,), (1,), 0.99) == [(0,), (1,), (2,)]


@given(tilings())
def test_tiles_cover_every_voxel_at_any_size(tiling):
    shape, tile, overlap = tiling
    assert_tiles_cover(shape, tile_slices(shape, tile, overlap_fraction=overlap), size=tile)


@given(tilings())
def test_neighbouring_tiles_overlap_by_at_least_the_fraction(tiling):
    shape, tile, overlap = tiling
    for axis, length in enumerate(shape):
        begins = np.unique([begin[axis] for begin in starts(shape, tile, overlap)])
        step = max(1, min(tile[axis], length) * (1 - overlap))
        assert (np.diff(begins) <= step + 1e-6).all()


@given(tilings())
def test_stitching_a_constant_gives_that_constant(tiling):
    shape, tile, overlap = tiling
    tiles = tile_slices(shape, tile, overlap_fraction=overlap)
    window = gaussian_window([part.stop - part.start for part in tiles[0]])
    assert_stitching_keeps_constant(shape, tiles, window, constant=0.37)


def test_the_window_is_one_in_the_middle_symmetric_and_falls_as_a_gaussian():
    window = gaussian_window((9,))
    assert window.dtype == np.float32
    assert window[4] == 1.0
    np.testing.assert_array_equal(window, window[::-1])
    # One voxel off the middle: sigma is 9 / 8 voxels.
    assert window[5] == pytest.approx(np.exp(-0.5 * (8 / 9) ** 2))
    assert (np.diff(window[:5]) > 0).all()


def test_the_window_of_a_plane_is_the_product_of_its_axes():
    np.testing.assert_allclose(
        gaussian_window((5, 7), sigma_fraction=0.3),
        np.outer(gaussian_window((5,), sigma_fraction=0.3), gaussian_window((7,), sigma_fraction=0.3)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("sigma_fraction", [0.01, 0.125, 10.0])
def test_every_weight_is_positive_also_in_half_precision(sigma_fraction):
    window = gaussian_window((64, 48, 33), sigma_fraction=sigma_fraction)
    assert window.shape == (64, 48, 33)
    assert window.astype(np.float16).min() > 0
    assert window.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((4, 4), (2,), 0.0), r"one tile size per spatial axis, got tiles \(2,\) for an image of \(4, 4\) voxels"),
        (((4, 4), (2, 0), 0.0), "expected sizes of at least 1"),
        (((), (), 0.0), "expected sizes of at least 1"),
        (((4, 4), (2, 2), 1.0), "expected an overlap of at least 0 and below 1, got 1.0"),
        (((4, 4), (2, 2), -0.1), "expected an overlap of at least 0 and below 1, got -0.1"),
        (((4, 4), (2, 2), float("nan")), "expected an overlap of at least 0 and below 1, got nan"),
    ],
)
def test_tilings_that_make_no_sense_are_refused(arguments, text):
    shape, tile, overlap = arguments
    with pytest.raises(GeometryError, match=text):
        tile_slices(shape, tile, overlap_fraction=overlap)


@pytest.mark.parametrize(("size", "sigma"), [((0, 4), 0.1), ((4, 4), 0.0), ((4, 4), float("nan")), ((), 0.1)])
def test_windows_that_make_no_sense_are_refused(size, sigma):
    with pytest.raises(GeometryError, match="sizes of at least 1 and a positive standard deviation"):
        gaussian_window(size, sigma_fraction=sigma)
