import numpy as np
import pytest

from medseg.errors import GeometryError, ImageFormatError, InputError, LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.transforms.read import ReadSample

TABLE = LabelTable.from_names(["background", "cell"])
READ_2D = ReadSample(patch_size=(8, 8), num_channels=1)


def image(array, *, spacing=None, known=True, source="cells.tif"):
    affine = Affine.from_spacing(spacing or [1.0] * (array.ndim - 1), frame=WorldFrame.RAS)
    axes = "C" + "ZYX"[-(array.ndim - 1) :]
    return Image(array, affine, axes, ImageMetadata(source=source, spacing_is_known=known))


def label_map(array, *, spacing=None, known=True):
    affine = Affine.from_spacing(spacing or [1.0] * array.ndim, frame=WorldFrame.RAS)
    metadata = ImageMetadata(source="mask.tif", spacing_is_known=known)
    return LabelMap(array, affine, "ZYX"[-array.ndim :], TABLE, metadata=metadata)


def test_whole_numbers_become_float32():
    sample = READ_2D({"image": image(np.full((1, 4, 5), 300, dtype=np.uint16))})
    assert sample["image"].array.dtype == np.float32
    assert (sample["image"].array == 300).all()
    assert "label" not in sample


def test_missing_image_is_refused():
    with pytest.raises(InputError, match='expected an Image or ImageSource under "image", got none'):
        READ_2D({"label": label_map(np.zeros((4, 4), np.uint8))})


def test_stack_for_a_flat_network_is_refused_with_the_remedy():
    with pytest.raises(
        GeometryError,
        match=r"cells.tif: expected 2 spatial axes, as in patch_size \(8, 8\), got 3 with size \(5, 4, 4\). "
        r"Choose single slices of the stack, or give patch_size 3 entries.",
    ):
        READ_2D({"image": image(np.zeros((1, 5, 4, 4)))})


def test_wrong_number_of_channels_is_refused():
    with pytest.raises(InputError, match=r"cells.tif: expected 1 channel\(s\), as the network takes, got 3"):
        READ_2D({"image": image(np.zeros((3, 4, 4)))})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused_with_file_and_remedy(value):
    array = np.zeros((1, 4, 4))
    array[0, 1, 1:3] = value
    with pytest.raises(
        ImageFormatError, match=r"cells.tif: expected finite voxel values, got 2 of 16 .* Replace them \(air for CT"
    ):
        READ_2D({"image": image(array)})


def test_image_and_mask_of_different_size_are_refused_naming_both_files():
    with pytest.raises(GeometryError, match=r"cells.tif and mask.tif differ in size: \(4, 4\) vs \(4, 5\) voxels"):
        READ_2D({"image": image(np.zeros((1, 4, 4))), "label": label_map(np.zeros((4, 5), np.uint8))})


def test_image_and_mask_of_different_spacing_are_refused():
    with pytest.raises(
        GeometryError, match=r"cells.tif and mask.tif differ in spacing: \(0.5, 0.5\) mm vs \(1, 1\) mm"
    ):
        READ_2D(
            {"image": image(np.zeros((1, 4, 4)), spacing=[0.5, 0.5]), "label": label_map(np.zeros((4, 4), np.uint8))}
        )


def test_mask_without_a_voxel_size_takes_the_images():
    sample = READ_2D(
        {
            "image": image(np.zeros((1, 4, 4)), spacing=[0.5, 0.5]),
            "label": label_map(np.zeros((4, 4), np.uint8), known=False),
        }
    )
    assert sample["label"].spacing_mm == (0.5, 0.5)


def test_label_values_outside_the_table_are_refused():
    array = np.zeros((4, 4), np.uint8)
    array[0, 0] = 255
    with pytest.raises(
        LabelError, match=r"mask.tif: label values 255 are not in the class table \(0=background, 1=cell\)"
    ):
        READ_2D({"image": image(np.zeros((1, 4, 4))), "label": label_map(array)})
