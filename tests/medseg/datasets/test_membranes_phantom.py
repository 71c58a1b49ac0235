"""The made section: membranes part the cells, organelles are none, and the same state gives the same picture."""

import numpy as np
import pytest
from scipy import ndimage

from medseg.datasets.phantoms import MEMBRANE_LABELS, membranes_phantom
from medseg.errors import InputError


@pytest.fixture(scope="module")
def section():
    return membranes_phantom(np.random.default_rng(3), shape=(192, 256))


def test_picture_and_membranes_lie_on_one_grid_of_4_nm(section):
    image, membranes = section
    assert image.array.shape == (1, 192, 256)
    assert image.array.dtype == np.uint8
    assert membranes.grid.is_same_as(image.grid)
    assert image.spacing_mm == pytest.approx((4e-6, 4e-6))
    assert membranes.labels is MEMBRANE_LABELS


def test_membranes_are_dark_and_part_the_section_into_cells(section):
    image, membranes = section
    is_membrane = membranes.array == 1
    assert image.array[0][is_membrane].mean() < image.array[0][~is_membrane].mean() - 50
    _, cells = ndimage.label(~is_membrane)
    # 192 x 256 pixels hold about 14 cells of 60 pixels across, and many smaller ones.
    assert cells > 14
    assert 0.1 < is_membrane.mean() < 0.35


def test_some_dark_things_are_no_membranes(section):
    image, membranes = section
    assert (image.array[0][membranes.array == 0] < 100).mean() > 0.002


def test_the_same_state_gives_the_same_section(section):
    again = membranes_phantom(np.random.default_rng(3), shape=(192, 256))
    assert np.array_equal(again[0].array, section[0].array)
    other = membranes_phantom(np.random.default_rng(4), shape=(192, 256))
    assert not np.array_equal(other[1].array, section[1].array)


@pytest.mark.parametrize("options", [{"shape": (16, 64)}, {"shape": (64,)}, {"mean_diameter_voxel": 5}])
def test_impossible_sections_are_refused(options):
    with pytest.raises(InputError, match="expected at least 32 rows and columns and cells of at least 12 pixels"):
        membranes_phantom(np.random.default_rng(0), **options)
