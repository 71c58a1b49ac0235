"""A real napari window shows what the plugin opens, at its place and in its units."""

import numpy as np
import pytest

import medseg

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
