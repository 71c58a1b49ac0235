"""Layers lie where their voxels lie: LPS millimetres along (z, y, x) for patients, micrometres for pictures."""

import itertools

import numpy as np
import pytest
from medseg_napari._layers import image_layer, labels_layer

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.images.spatial import reorient

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
    assert _place_of_the_mark(image_layer(image, name="scan")) == pytest.approx(expected_zyx)


def test_a_volume_is_shown_in_millimetres_along_z_y_x(marked_volume):
    data, settings, kind = image_layer(marked_volume(), name="scan")
    assert (kind, data.shape) == ("image", (4, 7, 8))
    assert settings["units"] == ("mm",) * 3
    assert settings["axis_labels"] == ("z", "y", "x")
    assert settings["scale"] == pytest.approx((2.5, 0.9, 0.8))


@pytest.mark.parametrize("degrees", [0, 20])
def test_the_metadata_lead_from_the_layers_index_to_the_world(marked_volume, degrees):
    image = marked_volume(_tilted(degrees))
    data, settings, _ = image_layer(image, name="scan")
    (index,) = np.argwhere(data == 1)
    world = settings["metadata"]["affine_ras"] @ [*index, 1]
    assert world[:3] == pytest.approx(image.affine.apply([2, 3, 1]))


def _tilted(degrees):
    angle = np.radians(degrees)
    turn = [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    return np.array(turn) @ np.diag([-1.0, -1.0, 1.0])


def test_an_oblique_volume_has_a_scale_only_and_says_so(marked_volume):
    _, settings, _ = image_layer(marked_volume(_tilted(20)), name="scan")
    assert settings["metadata"]["is_oblique"]
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
    assert _place_of_the_mark(layer) == pytest.approx(_place_of_the_mark(image_layer(image, name="scan")))
    assert layer[1]["units"] == ("mm",) * 3


def _picture(array, axes, **metadata):
    matrix = [[0, 0.0005, 0], [0.0005, 0, 0], [0, 0, 1]]
    return Image(array, Affine(matrix, frame=WorldFrame.RAS), axes, ImageMetadata(**metadata))


def test_a_picture_is_shown_in_micrometres():
    _, settings, _ = image_layer(_picture(np.zeros((1, 5, 6)), "CYX"), name="cells")
    assert settings["scale"] == pytest.approx((0.5, 0.5))
    assert settings["units"] == ("um", "um")
    assert settings["axis_labels"] == ("y", "x")


def test_a_picture_without_a_size_is_shown_in_pixels():
    _, settings, _ = image_layer(_picture(np.zeros((1, 5, 6)), "CYX", spacing_is_known=False), name="cells")
    assert settings["scale"] == (1.0, 1.0)
    assert settings["units"] == ("pixel", "pixel")


def test_channels_become_layers_of_their_own():
    data, settings, _ = image_layer(_picture(np.zeros((2, 5, 6)), "CYX"), name="cells")
    assert data.shape == (2, 5, 6)
    assert settings["channel_axis"] == 0
    assert settings["name"] == ["cells 0", "cells 1"]


def test_ct_is_shown_in_a_soft_tissue_window(marked_volume):
    image = marked_volume().replace(metadata=ImageMetadata(value_unit="HU"))
    assert image_layer(image, name="CT")[1]["contrast_limits"] == (-160.0, 240.0)
