"""Images handed to SimpleITK and back: the same values at the same places."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from support.ramp import ramp_error, ramp_series, tilted

from medseg.errors import GeometryError
from medseg.io import read_image
from medseg.io.simpleitk import image_from_simpleitk, to_simpleitk


@pytest.mark.parametrize("orientation", ["axial", "sagittal", "oblique"])
def test_simpleitk_finds_each_value_where_the_ramp_has_it(orientation, tmp_path):
    ramp_series(orientation).write(tmp_path / "ct")
    image = to_simpleitk(read_image(tmp_path / "ct"))
    for index in [(0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (3, 2, 1)]:
        point = np.array(image.TransformIndexToPhysicalPoint(index))
        assert abs(image[index] - point @ [3.0, 5.1, 7.7]) <= 0.5


def test_there_and_back_is_the_same_image(tmp_path):
    ramp_series("oblique").write(tmp_path / "ct")
    image = read_image(tmp_path / "ct")
    back = image_from_simpleitk(to_simpleitk(image))
    assert back.grid.is_same_as(image.grid)
    np.testing.assert_array_equal(back.array, image.array)
    assert ramp_error(back) <= 0.5


def test_components_are_channels():
    image = sitk.GetImageFromArray(np.arange(24).reshape(2, 3, 4), isVector=True)
    back = image_from_simpleitk(image)
    assert back.array.shape == (4, 3, 2)
    assert back.array[1, 2, 0] == image[2, 0][1] == 9
    np.testing.assert_array_equal(sitk.GetArrayFromImage(to_simpleitk(back)), sitk.GetArrayFromImage(image))


def test_a_tilted_volume_is_refused(tmp_path):
    tilted().write(tmp_path / "ct")
    with pytest.raises(GeometryError, match="straighten"):
        to_simpleitk(read_image(tmp_path / "ct"))
