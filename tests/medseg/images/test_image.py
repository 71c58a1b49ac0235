import copy
import pickle

import numpy as np
import pytest

from medseg.errors import GeometryError, ImageFormatError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata

PLANE = Affine.from_spacing((0.5, 0.25), frame=WorldFrame.RAS)
VOLUME = Affine.from_spacing((1, 2, 3), frame=WorldFrame.RAS)


def test_an_image_tells_its_channels_spatial_shape_spacing_and_grid():
    image = Image(np.zeros((2, 5, 6, 7)), VOLUME, "CXYZ")
    assert image.num_channels == 2
    assert image.spatial_shape == (5, 6, 7)
    assert image.spacing_mm == (1.0, 2.0, 3.0)
    assert image.grid == Grid((5, 6, 7), VOLUME)
    assert image.metadata == ImageMetadata()


def test_a_two_dimensional_image_has_two_spatial_axes_not_a_depth_of_one():
    image = Image(np.zeros((1, 4, 6)), PLANE, "CYX")
    assert image.spatial_shape == (4, 6)
    assert image.grid.ndim == 2


def test_replace_checks_the_copy_and_leaves_the_original():
    image = Image(np.zeros((1, 4, 6)), PLANE, "CYX")
    other = image.replace(metadata=ImageMetadata(modality="CT"))
    assert (image.metadata.modality, other.metadata.modality) == (None, "CT")
    with pytest.raises(GeometryError, match="got shape"):
        image.replace(array=np.zeros((4, 6)))


def test_an_image_can_travel_to_another_process_and_be_copied_in_depth():
    image = Image(np.ones((1, 2, 2)), PLANE, "CYX", ImageMetadata(extra={"exposure": 3}, notes=("a doubt",)))
    for twin in (pickle.loads(pickle.dumps(image)), copy.deepcopy(image)):
        np.testing.assert_array_equal(twin.array, image.array)
        assert (twin.affine, twin.axes, twin.metadata) == (image.affine, image.axes, image.metadata)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.float16, np.float64])
def test_real_types_are_taken(dtype):
    assert Image(np.zeros((1, 2, 2), dtype), PLANE, "CYX").array.dtype == dtype


@pytest.mark.parametrize("dtype", [np.complex64, object])
def test_other_types_are_refused(dtype):
    with pytest.raises(ImageFormatError, match=f"expected real numbers, got {np.dtype(dtype)}. Take the magnitude"):
        Image(np.zeros((1, 2, 2), dtype), PLANE, "CYX")


@pytest.mark.parametrize(
    ("shape", "affine", "axes"),
    [
        ((4, 6), PLANE, "YX"),
        ((1, 4, 6), PLANE, "YXC"),
        ((1, 4, 6), PLANE, "CYXZ"),
        ((1, 4, 6), PLANE, "CYY"),
        ((1, 4, 6), PLANE, "CTX"),
        ((1, 4, 6), PLANE, ""),
        ((1, 4, 6, 7), PLANE, "CZYX"),
        ((1, 4, 6), VOLUME, "CYX"),
    ],
)
def test_arrays_affines_and_axes_that_do_not_fit_are_refused(shape, affine, axes):
    text = f"image: expected channels first and {affine.ndim} spatial axes .*, got shape .* with axes '{axes}'"
    with pytest.raises(GeometryError, match=text):
        Image(np.zeros(shape), affine, axes)


@pytest.mark.parametrize("shape", [(0, 4, 6), (1, 4, 0)])
def test_empty_images_are_refused(shape):
    with pytest.raises(GeometryError, match="expected at least one voxel along each axis, got shape"):
        Image(np.zeros(shape), PLANE, "CYX")


def test_an_affine_in_lps_is_refused():
    with pytest.raises(GeometryError, match=r"expected an affine in RAS, got LPS. Convert it with to_frame"):
        Image(np.zeros((1, 4, 6)), PLANE.to_frame(WorldFrame.LPS), "CYX")
