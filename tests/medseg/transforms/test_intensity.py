import numpy as np
import pytest

from medseg.config import PercentileIntensity, StandardIntensity, WindowIntensity
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.transforms.intensity import SUBSAMPLE_SIZE, ScaleIntensity, scale_percentile, scale_standard, scale_window


def image(*channels):
    array = np.array(channels, dtype=np.float32)
    return Image(array, Affine.from_spacing([1.0] * (array.ndim - 1), frame=WorldFrame.RAS), "CYX")


def test_window_maps_its_ends_to_0_and_1_and_clips():
    hu = np.array([-1000.0, -160.0, 40.0, 240.0, 3000.0], dtype=np.float32)
    scaled = scale_window(hu, WindowIntensity(lower=-160, upper=240))
    np.testing.assert_allclose(scaled, [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-7)
    assert scaled.dtype == np.float32


def test_percentiles_map_to_0_and_1():
    # 0..100: the 10th percentile is 10, the 90th 90.
    channel = np.arange(101, dtype=np.float32)
    scaled = scale_percentile(channel, PercentileIntensity(lower=10, upper=90))
    np.testing.assert_allclose(scaled[[0, 10, 50, 90, 100]], [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-6)


def test_few_bright_spots_on_black_use_the_whole_range():
    channel = np.zeros((100, 100), dtype=np.float32)
    channel[0, 0], channel[0, 1] = 4.0, 2.0
    scaled = scale_percentile(channel, PercentileIntensity(lower=1, upper=99))
    assert scaled[0, :3].tolist() == [1.0, 0.5, 0.0]


def test_standard_gives_mean_0_and_deviation_1():
    # Mean 2, deviation sqrt((4 + 0 + 4) / 3).
    scaled = scale_standard(np.array([0.0, 2.0, 4.0], dtype=np.float32), StandardIntensity())
    expected = 2.0 / np.sqrt(8.0 / 3.0)
    np.testing.assert_allclose(scaled, [-expected, 0.0, expected], rtol=1e-6)


def test_standard_over_nonzero_voxels_leaves_zeros_0():
    # Of 1 and 3: mean 2, deviation 1.
    scaled = scale_standard(np.array([0.0, 1.0, 3.0, 0.0], dtype=np.float32), StandardIntensity(nonzero=True))
    np.testing.assert_allclose(scaled, [0.0, -1.0, 1.0, 0.0], atol=1e-6)


def test_standard_of_millions_of_large_values_keeps_its_precision():
    channel = np.full(3_000_000, 16_000.0, dtype=np.float32)
    channel[::2] += 1.0
    scaled = scale_standard(channel, StandardIntensity())
    np.testing.assert_allclose(scaled[:2], [1.0, -1.0], atol=1e-3)


@pytest.mark.parametrize("intensity", [PercentileIntensity(), StandardIntensity(), StandardIntensity(nonzero=True)])
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_image_becomes_0_with_a_note(intensity, value):
    result = ScaleIntensity(intensity)({"image": image(np.full((4, 4), value))})["image"]
    assert not result.array.any()
    assert result.metadata.notes == (f"channel 0 has the value {value:g} everywhere; there is nothing to segment.",)


def test_each_channel_is_scaled_on_its_own():
    first = np.linspace(0, 1, 16).reshape(4, 4)
    result = ScaleIntensity(PercentileIntensity(lower=0, upper=100))({"image": image(first, first * 1000 + 5)})["image"]
    np.testing.assert_allclose(result.array[0], result.array[1], atol=1e-6)
    assert result.metadata.notes == ()


def test_the_given_image_is_left_as_it_was():
    given = image(np.linspace(0, 1, 16).reshape(4, 4))
    before = given.array.copy()
    ScaleIntensity(StandardIntensity())({"image": given})
    np.testing.assert_array_equal(given.array, before)


def test_percentiles_of_a_large_image_are_those_of_an_even_subsample():
    # Columns carry the values: a step that divides the row's length would see a single column.
    shape = (4 * SUBSAMPLE_SIZE // 1000, 1000)
    channel = np.broadcast_to(np.arange(1000, dtype=np.float32), shape)
    scaled = scale_percentile(channel, PercentileIntensity(lower=10, upper=90))
    # The 10th and 90th percentile of 0..999 are 99.9 and 899.1.
    assert scaled[0, 500] == pytest.approx((500 - 99.9) / (899.1 - 99.9), abs=3e-3)


def test_percentiles_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="the lower percentile must be below the upper one, 1"):
        PercentileIntensity(lower=99, upper=1)
