"""Layers lie where their voxels lie: LPS millimetres along (z, y, x) for patients, micrometres for pictures."""

import itertools

import numpy as np
import pytest
from medseg_napari.layers import image_layer, image_of, label_map_of, labels_layer, labels_on
from medseg_napari.layers.windows import WINDOWS

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.images.spatial import reorient

LESION = LabelTable.from_names(("background", "lesion"))
ALL_ORDERS = [
    "".join(letters) for axes in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*axes)
]


def _place_of_the_mark(layer):
    data, settings, _ = layer
    (index,) = np.argwhere(data == 1)
    return index * settings["scale"] + settings["translate"]


@pytest.mark.parametrize("orientation", ALL_ORDERS)
def test_a_marked_voxel_stands_at_its_lps_place_in_any_of_48_orders(marked_volume, orientation):
    # As a reader gives it: the array axes are called X, Y, Z wherever they point.
    image = reorient(marked_volume(), orientation).replace(axes="CXYZ")
    # By hand: RAS = origin - 2 * 0.8, origin - 3 * 0.9, origin + 1 * 2.5; LPS turns the signs of x and y.
    expected_zyx = (30.0 + 2.5, -(-20.0 - 2.7), -(10.0 - 1.6))
    assert _place_of_the_mark(*image_layer(image, name="scan")) == pytest.approx(expected_zyx)


def test_a_volume_is_shown_in_millimetres_along_z_y_x(marked_volume):
    ((data, settings, kind),) = image_layer(marked_volume(), name="scan")
    assert (kind, data.shape) == ("image", (4, 7, 8))
    assert settings["units"] == ("mm",) * 3
    assert settings["axis_labels"] == ("z", "y", "x")
    assert settings["scale"] == pytest.approx((2.5, 0.9, 0.8))


@pytest.mark.parametrize("degrees", [0, 20])
def test_the_metadata_lead_from_the_layers_index_to_the_world(marked_volume, degrees):
    image = marked_volume(_tilted(degrees))
    ((data, settings, _),) = image_layer(image, name="scan")
    (index,) = np.argwhere(data == 1)
    world = settings["metadata"]["affine_ras"] @ [*index, 1]
    assert world[:3] == pytest.approx(image.affine.apply([2, 3, 1]))


def _tilted(degrees):
    angle = np.radians(degrees)
    turn = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    return np.array(turn) @ np.diag([-1.0, -1.0, 1.0])


def test_an_oblique_volume_has_a_scale_only_and_says_so(marked_volume):
    ((_, settings, _),) = image_layer(marked_volume(_tilted(20)), name="scan")
    assert settings["metadata"]["medseg"].is_oblique
    assert settings["scale"] == pytest.approx((2.5, 0.9, 0.8))
    assert not {"translate", "rotate", "shear", "affine"} & set(settings)


def test_labels_lie_on_their_image(marked_volume):
    image = marked_volume()
    mask = LabelMap(
        image.array[0].astype(np.uint8), image.affine, "XYZ", LabelTable.from_names(("background", "lesion"))
    )
    layer = labels_layer(mask, name="lesions")
    assert layer[2] == "labels"
    assert layer[0].dtype == np.uint8
    assert _place_of_the_mark(layer) == pytest.approx(_place_of_the_mark(*image_layer(image, name="scan")))
    assert layer[1]["units"] == ("mm",) * 3


def _picture(array, axes, **metadata):
    matrix = [[0, 0.0005, 0], [0.0005, 0, 0], [0, 0, 1]]
    return Image(array, Affine(matrix, frame=WorldFrame.RAS), axes, ImageMetadata(**metadata))


def test_a_picture_is_shown_in_micrometres():
    ((_, settings, _),) = image_layer(_picture(np.zeros((1, 5, 6)), "CYX"), name="cells")
    assert settings["scale"] == pytest.approx((0.5, 0.5))
    assert settings["units"] == ("um", "um")
    assert settings["axis_labels"] == ("y", "x")


def test_a_picture_without_a_size_is_shown_in_pixels():
    ((_, settings, _),) = image_layer(_picture(np.zeros((1, 5, 6)), "CYX", spacing_is_known=False), name="cells")
    assert settings["scale"] == (1.0, 1.0)
    assert settings["units"] == ("pixel", "pixel")


def test_channels_become_layers_of_their_own():
    layers = image_layer(_picture(np.zeros((2, 5, 6)), "CYX", channel_names=("DAPI", "GFP")), name="cells")
    assert [data.shape for data, _, _ in layers] == [(5, 6), (5, 6)]
    assert [settings["name"] for _, settings, _ in layers] == ["cells, DAPI", "cells, GFP"]
    assert {settings["blending"] for _, settings, _ in layers} == {"additive"}


def test_ct_is_shown_in_a_soft_tissue_window(marked_volume):
    image = marked_volume().replace(metadata=ImageMetadata(value_unit="HU"))
    assert image_layer(image, name="CT")[0][1]["contrast_limits"] == (-160.0, 240.0)


def test_a_picture_is_drawn_from_its_1st_to_its_99_8th_percentile():
    # 0 to 1000 once each: the percentiles are 10 and 998.
    values = np.arange(1001, dtype=np.float32).reshape(1, 7, 143)
    ((_, settings, _),) = image_layer(_picture(values, "CYX"), name="cells")
    assert settings["contrast_limits"] == pytest.approx((10, 998))


def test_an_image_of_one_value_or_of_none_can_be_drawn():
    for values in (np.full((1, 4, 4), 3.0), np.full((1, 4, 4), np.nan)):
        low, high = image_layer(_picture(values, "CYX"), name="flat")[0][1]["contrast_limits"]
        assert low < high


def _added(layer_data):
    from napari.layers import Layer

    return Layer.create(*layer_data)


@pytest.mark.parametrize("orientation", ALL_ORDERS)
def test_labels_drawn_on_a_layer_come_back_on_the_files_own_grid(marked_volume, orientation):
    image = reorient(marked_volume(), orientation).replace(axes="CXYZ")
    shown, settings, _ = image_layer(image, name="scan")[0]
    drawn = (shown == 1).astype(np.uint8)
    layer = _added(labels_on(settings["metadata"]["medseg"], drawn, table=LESION, name="drawn"))
    label_map = label_map_of(layer, kind=LabelKind.SEMANTIC)
    assert np.array_equal(label_map.array, image.array[0] == 1)
    assert (label_map.affine, label_map.axes, label_map.labels) == (image.affine, "XYZ", LESION)


def test_the_image_of_a_layer_is_the_very_image_that_was_read(marked_volume):
    image = marked_volume()
    assert image_of(_added(image_layer(image, name="scan")[0])) is image


def test_a_layer_of_another_reader_is_read_in_its_own_units():
    from napari.layers import Image as ImageLayer

    layer = ImageLayer(np.zeros((4, 5, 6)), scale=(2.0, 0.5, 0.25), units=("um", "um", "um"))
    image = image_of(layer)
    assert image.axes == "CZYX"
    assert image.spacing_mm == pytest.approx((0.002, 0.0005, 0.00025))
    assert image.metadata.spacing_is_known
    assert not image_of(ImageLayer(np.zeros((5, 6)))).metadata.spacing_is_known
    assert image_of(ImageLayer(np.zeros((5, 6, 3), np.uint8), rgb=True)).array.shape == (3, 5, 6)


def test_a_turned_layer_of_another_reader_is_refused():
    from napari.layers import Image as ImageLayer

    with pytest.raises(InputError, match="expected a layer that is not turned or sheared"):
        image_of(ImageLayer(np.zeros((4, 5, 6)), rotate=10, name="odd"))


def test_a_layer_whose_data_were_replaced_is_not_taken_for_its_old_image(marked_volume):
    layer = _added(image_layer(marked_volume(), name="scan")[0])
    layer.data = np.ones((2, 7, 8), np.float32)
    assert image_of(layer).array.shape == (1, 2, 7, 8)


def test_windows_are_centred_as_radiologists_name_them():
    # By hand: level 40, width 400; level -600, width 1500.
    assert WINDOWS["Soft tissue"] == (-160, 240)
    assert WINDOWS["Lung"] == (-1350, 150)
