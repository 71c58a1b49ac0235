"""File > Save in a real window: the paths really written, on the grid of the file that was opened."""

import numpy as np
import pytest
from cases.dicom import SeriesCase
from medseg_napari.layers import image_layer, labels_on, origin_of
from medseg_napari.reviewing.session import review_of
from napari._app_model import get_app_model
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication

from medseg.images import LabelTable
from medseg.io import read_image, read_label_map
from medseg.io.dicom import read_rtstruct, read_segmentation

pytestmark = pytest.mark.viewer
VOLUME_SUFFIXES = (".nii.gz", ".nii", ".ome.tif", ".tif", ".ome.zarr", ".nrrd", ".mha")


@pytest.fixture
def on_series(make_napari_viewer_proxy, tmp_path):
    """A window with a series and objects 4 and 9 of one class on it, saved by the plugin."""
    folder = tmp_path / "series"
    SeriesCase(shape=(9, 8, 5)).write(folder)
    PluginManager.instance().discover()
    viewer = make_napari_viewer_proxy()
    data, settings, _ = image_layer(read_image(folder), name="CT")[0]
    image = viewer.add_image(data, **settings)
    labels = np.zeros(data.shape, np.uint16)
    labels[1, 2:4, 3:6], labels[3, 6, 1:3] = 4, 9
    values, given, _ = labels_on(
        origin_of(image), labels, table=LabelTable.from_names(["background", "nodule"]), name="n"
    )
    return viewer, image, viewer.add_labels(values, **given)


def saved(viewer, layer, path, **options):
    viewer.layers.selection = {layer}
    return [str(one) for one in viewer.layers.save(str(path), selected=True, plugin="medseg", **options)]


@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_a_mask_is_saved_on_the_grid_of_its_image_with_its_trail(suffix, on_series, tmp_path):
    viewer, image, layer = on_series
    path = tmp_path / f"mask{suffix}"
    assert saved(viewer, layer, path) == [str(path), f"{path}.audit.json"]
    read, origin = read_label_map(path), origin_of(image)
    assert read.present_values() == (0, 4, 9)
    for value in (4, 9):  # the centre of each object is at the same millimetre
        inside = np.argwhere(origin.from_layer(layer.data) == value).mean(axis=0)
        place = read.affine.apply(np.argwhere(read.array == value).mean(axis=0))
        if suffix in {".nii.gz", ".nii", ".nrrd", ".mha"}:  # those that hold a patient's frame
            assert np.allclose(place, origin.image.affine.apply(inside), atol=1e-3)
        assert (read.array == value).sum() == (layer.data == value).sum()


def test_a_segmentation_and_contours_are_saved_for_the_series(on_series, tmp_path):
    viewer, image, layer = on_series
    source, origin = origin_of(image).image, origin_of(image)
    seg = tmp_path / "mask.dcm"
    assert saved(viewer, layer, seg) == [str(seg), f"{seg}.audit.json"]
    assert np.array_equal(read_segmentation(seg, source=source).array > 0, origin.from_layer(layer.data) > 0)
    rois = tmp_path / "rois.dcm"
    writers = PluginManager.instance().iter_compatible_writers(["labels"])
    (contours,) = [writer for writer in writers if writer.command == "medseg.write_contours"]
    assert saved(viewer, layer, rois, _writer=contours) == [str(rois), f"{rois}.audit.json"]
    assert np.array_equal(read_rtstruct(rois, source=source).array > 0, origin.from_layer(layer.data) > 0)


def test_what_was_rejected_is_not_saved(on_series, tmp_path):
    viewer, _, layer = on_series
    review_of(layer, viewer).reject([4])
    saved(viewer, layer, tmp_path / "mask.nii.gz")
    assert read_label_map(tmp_path / "mask.nii.gz").present_values() == (0, 9)


def test_an_image_is_saved_with_its_values_and_places(on_series, tmp_path):
    viewer, image, _ = on_series
    path = tmp_path / "image.nii.gz"
    assert saved(viewer, image, path) == [str(path)]
    read, first = read_image(path), origin_of(image).image
    assert np.array_equal(read.array, first.array)
    assert np.allclose(read.affine.matrix, first.affine.matrix, atol=1e-4)


def test_a_layer_of_another_reader_keeps_its_numbers(on_series, tmp_path):
    viewer, _, _ = on_series
    labels = np.zeros((6, 7), np.int32)
    labels[2, 3], labels[4, 5] = 70_000, 3
    layer = viewer.add_labels(labels, name="drawn", scale=(2.0, 2.0))
    path = tmp_path / "drawn.tif"
    assert saved(viewer, layer, path)[0] == str(path)
    assert np.array_equal(read_label_map(path).array, labels)


def test_the_menu_opens_the_export(on_series, qtbot):
    get_app_model().commands.execute_command("medseg.export").result()
    shown = [one for one in QApplication.topLevelWidgets() if type(one).__name__ == "ExportDialog"]
    assert len(shown) == 1
    shown[0].close()
