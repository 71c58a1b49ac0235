"""A real napari window shows what the plugin opens, at its place and in its units."""

import numpy as np
import pytest
from medseg_napari.layers import labels_layer
from medseg_napari.layers.patient_view import watch

import medseg
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelMap, LabelTable

pytestmark = pytest.mark.viewer


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


def _units(layer):
    return tuple(str(unit) for unit in layer.units)


def test_a_nifti_opens_with_its_marked_voxel_at_its_place(viewer, tmp_path, marked_volume):
    medseg.write_image(marked_volume(), tmp_path / "scan.nii.gz")
    (layer,) = viewer.open(str(tmp_path / "scan.nii.gz"), plugin="medseg")
    (index,) = np.argwhere(np.asarray(layer.data) == 1)
    # LPS mm of voxel (2, 3, 1), by hand, along z, y, x.
    assert layer.data_to_world(index) == pytest.approx((32.5, 22.7, -8.4), abs=1e-4)
    assert layer.get_value((32.5, 22.7, -8.4), world=True) == 1
    assert _units(layer) == ("millimeter",) * 3
    assert tuple(viewer.dims.axis_labels) == ("z", "y", "x")


def test_the_generated_cells_open_in_micrometres_with_their_truth_on_them(viewer):
    viewer.open_sample("medseg", "cells")
    image, truth = viewer.layers
    assert np.array_equal(image.extent.world, truth.extent.world)
    assert _units(image) == _units(truth)
    assert type(truth).__name__ == "Labels"


def test_the_generated_ct_is_drawn_with_its_lesions_where_they_are(viewer):
    viewer.open_sample("medseg", "ct")
    image, lesions = viewer.layers
    assert _units(image) == _units(lesions) == ("millimeter",) * 3
    assert np.array_equal(image.extent.world, lesions.extent.world)
    place = np.argwhere(np.asarray(lesions.data) > 0)[0]
    viewer.dims.set_point(0, lesions.data_to_world(place)[0])
    with_lesions = viewer.screenshot(canvas_only=True, flash=False)
    lesions.visible = False
    assert (viewer.screenshot(canvas_only=True, flash=False) != with_lesions).any()


def test_a_patient_in_3d_is_no_mirror_image(viewer):
    """Two blocks behind each other show which end of z is nearer; two beside them, where L and P are on the screen.

    By hand: with the patient's left on the screen's right and the back at the bottom, the eye looks from the feet, as
    at an axial slice: x (to the left) times -y (up) is -z. Whoever sees the head nearer sees a mirror image.
    """
    array = np.zeros((1, 40, 40, 40), np.uint8)
    array[0, 16:24, 16:24, 32:38] = 1  # head
    array[0, 16:24, 16:24, 2:8] = 2  # feet
    array[0, 32:38, 16:24, 18:22] = 3  # patient's left
    array[0, 16:24, 32:38, 18:22] = 4  # back
    affine = Affine(np.eye(4), frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)
    body = LabelMap(array[0], affine, "XYZ", LabelTable.from_names(("background", "head", "feet", "left", "back")))
    watch(viewer)
    data, settings, _ = labels_layer(body, name="body")
    layer = viewer.add_labels(data, **settings, iso_gradient_mode="fast")
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)

    def places(value):
        hue = np.asarray(layer.get_color(value))[:3] * 255
        hue, pixels = (
            hue / np.linalg.norm(hue),
            picture / np.maximum(np.linalg.norm(picture, axis=-1, keepdims=True), 1),
        )
        return np.argwhere((pixels @ hue > 0.99) & (picture.sum(-1) > 100))

    head, feet, left, back = (places(value) for value in (1, 2, 3, 4))
    middle = np.array(picture.shape[:2]) / 2
    assert len(feet) > 2 * len(head)
    assert left.mean(0)[1] > middle[1] + 20
    assert back.mean(0)[0] > middle[0] + 20
