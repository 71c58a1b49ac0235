import numpy as np
import pytest
import torch
from cases.grids import rotation, volume
from monai.data import MetaTensor
from monai.transforms import Orientation, Spacing

from medseg.errors import LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap, LabelTable
from medseg.io.monai import image_from_metatensor, label_map_from_metatensor, to_metatensor

LABELS = LabelTable.from_names(["background", "organ"])


def image(dtype=np.float32, turn=None):
    grid = volume("LPS", turn=turn)
    array = np.arange(2 * np.prod(grid.spatial_shape)).reshape(2, *grid.spatial_shape).astype(dtype)
    return Image(array, grid.affine, axes="CXYZ")


def test_a_metatensor_has_channels_first_and_the_ras_affine():
    tensor = to_metatensor(image())
    assert isinstance(tensor, MetaTensor)
    assert tuple(tensor.shape) == (2, 5, 4, 3)
    np.testing.assert_array_equal(tensor.affine.numpy(), image().affine.matrix)
    assert tensor.meta["space"] == "RAS"


def test_there_and_back_is_the_same_image():
    before = image(np.int16, turn=rotation(3, 4, 5))
    again = image_from_metatensor(to_metatensor(before), axes="CXYZ")
    np.testing.assert_array_equal(again.array, before.array)
    assert again.array.dtype == np.int16
    assert again.affine == before.affine


@pytest.mark.parametrize(("stored", "torch_type"), [(np.uint16, torch.int32), (np.uint32, torch.int64)])
def test_types_without_arithmetic_in_torch_become_signed(stored, torch_type):
    assert to_metatensor(image(stored)).dtype == torch_type


def test_the_tensor_is_a_copy():
    before = image()
    to_metatensor(before)[...] = 0
    assert before.array.max() > 0


def test_a_label_map_becomes_one_channel_and_comes_back():
    grid = volume("RAS")
    label_map = LabelMap(np.ones(grid.spatial_shape, np.uint8), grid.affine, "XYZ", LABELS)
    tensor = to_metatensor(label_map)
    assert tuple(tensor.shape) == (1, *grid.spatial_shape)
    again = label_map_from_metatensor(tensor.float(), axes="XYZ", labels=LABELS)
    np.testing.assert_array_equal(again.array, label_map.array)
    assert again.array.dtype == np.uint8
    with pytest.raises(LabelError, match=r"expected whole numbers as labels, got 0\.5"):
        label_map_from_metatensor(tensor.float() / 2, axes="XYZ", labels=LABELS)


def test_monai_keeps_a_voxel_in_its_place_when_it_reorients():
    before = image()
    after = image_from_metatensor(Orientation(axcodes="PIR", labels=None)(to_metatensor(before)), axes="CXYZ")
    voxel = np.argwhere(before.array[0] == 17)[0]
    found = np.argwhere(after.array[0] == 17)[0]
    np.testing.assert_allclose(after.affine.apply(found), before.affine.apply(voxel), atol=1e-6)
    assert after.affine.orientation == "PIR"


def test_monai_resamples_two_dimensions_with_our_affine():
    affine = Affine([[0, 0.5, 3], [0.25, 0, 4], [0, 0, 1]], frame=WorldFrame.RAS)
    picture = Image(np.ones((1, 8, 8), np.float32), affine, "CYX")
    after = image_from_metatensor(Spacing(pixdim=(0.5, 0.5))(to_metatensor(picture)), axes="CYX")
    assert after.spacing_mm == pytest.approx((0.5, 0.5))


def test_an_lps_tensor_is_turned():
    tensor = to_metatensor(image())
    tensor.meta["space"] = "LPS"
    turned = image_from_metatensor(tensor, axes="CXYZ").affine.matrix
    np.testing.assert_allclose(turned, np.diag([-1, -1, 1, 1]) @ image().affine.matrix)


def test_a_two_dimensional_tensor_with_a_four_by_four_affine_is_read():
    tensor = MetaTensor(torch.zeros(1, 4, 5), affine=torch.diag(torch.tensor([2.0, 3.0, 1.0, 1.0])))
    assert image_from_metatensor(tensor, axes="CYX").spacing_mm == (2.0, 3.0)
