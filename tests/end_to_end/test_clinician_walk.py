"""A walk through a real napari window by its buttons, keys and clicks: from a messy folder to a corrected, saved mask.

With MEDSEG_WALK_PICTURES set to a folder, what the screen showed at each step is kept there.
"""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from cases.napari_user import NapariUser
from medseg_napari.layers import origin_of
from medseg_napari.review.records import ObjectState
from medseg_napari.widgets.export_dialog import ExportDialog
from medseg_napari.widgets.series_chooser import SeriesChooser

from medseg.datasets.phantoms import ct_phantom
from medseg.io import read_label_map
from medseg.io.dicom import write_series

pytestmark = pytest.mark.viewer

PICTURES = os.environ.get("MEDSEG_WALK_PICTURES")


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """What a scanner might leave: a CT with lesions, a second series with slices missing, and a text file."""
    folder = (Path(PICTURES) if PICTURES else tmp_path_factory.mktemp("walk")) / "study"  # its path is in the pictures
    image, _ = ct_phantom(np.random.default_rng(7))
    write_series(image, folder / "a", uid_seed=1, patient_id="WALK-1", patient_name="Canary^Patient")
    other, _ = ct_phantom(np.random.default_rng(8), shape=(96, 96, 24))
    paths = write_series(other, folder / "b", uid_seed=2, patient_id="WALK-1", patient_name="Canary^Patient")
    for path in paths[10:12]:
        path.unlink()
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    return folder


@pytest.fixture
def user(make_napari_viewer_proxy, qtbot):
    """A person at a window in which the docks stand, as they do once they were opened."""
    user = NapariUser(make_napari_viewer_proxy(show=True), qtbot, pictures=Path(PICTURES) if PICTURES else None)
    _, user.segment = user.viewer.window.add_plugin_dock_widget("medseg", "Segment")
    _, user.objects = user.viewer.window.add_plugin_dock_widget("medseg", "Objects")
    user.rest(300)
    yield user
    user.segment.cancel()
    user.objects.close_panel()
    user.end()


def test_from_a_messy_folder_to_a_corrected_and_saved_segmentation(user, messy):
    user.wait(lambda: user.segment.model.count() >= 2)
    user.picture("ct empty")
    user.drop(messy, user.segment)
    chooser = user.dialog(SeriesChooser)
    user.picture("ct chooser")
    user.click(chooser.buttons.button(chooser.buttons.StandardButton.Open))
    user.wait(lambda: len(user.viewer.layers) == 1 and user.segment.run_button.isEnabled())
    user.picture("ct opened")
    user.click(user.segment.run_button)
    user.wait(lambda: len(user.viewer.layers) == 2)
    assert len(user.actions) == 3, user.actions

    image, mask = user.viewer.layers
    assert "Canary" not in image.name + mask.name
    panel = _panel(user)
    user.picture("ct found")
    number = _click_largest(user, panel)
    largest = panel.session.review.table[number].measured.largest_slice
    assert image.world_to_data(user.viewer.dims.point)[0] == pytest.approx(largest)
    user.zoom(5)
    user.picture("ct object")
    found = mask.data.copy()
    user.press("S")
    _draw_across(user, panel, number)
    parts = panel.selected_ids()
    assert len(parts) == 2
    assert np.array_equal(np.isin(mask.data, parts), found == number)
    user.picture("ct split")
    user.press("A")
    first = _export(user, panel)
    assert len(user.actions) < 12, user.actions

    split = mask.data.copy()
    user.press("M")
    assert np.array_equal(mask.data, found)
    user.press("Z", ctrl=True)
    assert np.array_equal(mask.data, split)
    assert {panel.session.review.table.record(part).state for part in parts} == {ObjectState.ACCEPTED}
    user.click_row(panel.table, _row_of_smallest(panel))
    (rejected,) = panel.selected_ids()
    user.press("R")
    user.picture("ct judged")
    second = _export(user, panel, values="a number for each object")

    # Both come back as the objects that they were, the mask of classes by the record beside it.
    for path, expected in ((first, split), (second, np.where(split == rejected, 0, split))):
        user.drop(path, user.segment)
        reopened = _added(user, "Segmentation")
        assert origin_of(reopened).image is origin_of(image).image
        assert _same_regions(np.asarray(reopened.data), expected)
        user.picture("ct reopened")
        user.viewer.layers.remove(reopened)
    trail = json.loads(second.with_name(f"{second.name}.audit.json").read_text(encoding="utf-8"))["objects"]
    assert trail[str(rejected)]["state"] == "rejected"
    assert {trail[str(part)]["state"] for part in parts} == {"accepted"}


def test_nuclei_are_found_by_the_model_that_is_proposed(user):
    user.wait(lambda: user.segment.model.count() >= 3)
    user.menu("File", "Open Sample", "medseg", "Touching cells (generated)")
    user.wait(user.segment.run_button.isEnabled)
    assert "nuclei" in user.segment.model.currentText()
    truth = user.viewer.layers[-1]
    user.click(user.segment.run_button)
    user.wait(lambda: len(user.viewer.layers) == 3)
    assert user.actions[-1] == "click Run"
    assert len(user.actions) == 5, user.actions  # four of them in the menu of samples
    found = user.viewer.layers[-1]
    panel = _panel(user)
    assert panel.session.layer.name == found.name == "cells, nuclei"
    user.picture("nuclei found")
    in_truth = len(np.unique(truth.data)) - 1
    assert 0.7 * in_truth < len(panel.session.review.table.ids) < 1.4 * in_truth
    overlap = (found.data > 0) & (truth.data > 0)
    assert 2 * overlap.sum() / ((found.data > 0).sum() + (truth.data > 0).sum()) > 0.8


def test_cells_are_inspected_corrected_and_exported(user, tmp_path):
    user.menu("File", "Open Sample", "medseg", "Touching cells (generated)")
    user.wait(lambda: len(user.viewer.layers) == 2)
    mask = user.viewer.layers[-1]
    panel = _panel(user)
    user.picture("cells opened")
    whole = mask.data.copy()
    number = _click_largest(user, panel)
    user.zoom(4)
    user.press("S")
    _draw_across(user, panel, number)
    assert np.array_equal(np.isin(mask.data, panel.selected_ids()), whole == number)
    assert len(panel.selected_ids()) == 2
    user.picture("cells split")
    user.press("M")
    assert np.array_equal(mask.data, whole)

    row = _row_of_smallest(panel)
    user.click_row(panel.table, row)
    (smallest,) = panel.selected_ids()
    user.press("D")
    assert smallest not in mask.data
    user.press("Z", ctrl=True)
    assert np.array_equal(mask.data, whole)
    user.click_row(panel.table, 0)
    user.click_row(panel.table, 1, add=True)
    accepted = sorted(panel.selected_ids())
    user.press("A")
    assert "2 accepted" in user.objects.headline.text()

    path = _export(user, panel, folder=tmp_path, also=("csv",), name="cells")
    assert np.array_equal(read_label_map(path).array, origin_of(mask).from_layer(mask.data))
    with (tmp_path / "cells-truth-objects.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["object"]) for row in rows] == sorted(set(np.unique(whole)) - {0})
    assert [int(row["object"]) for row in rows if row["state"] == "accepted"] == accepted


def _panel(user):
    """The objects of the active mask, measured."""
    user.wait(lambda: user.objects.panel is not None and not user.objects.panel.measurer.is_busy)
    user.rest(200)
    return user.objects.panel


def _added(user, name):
    """The layer of a name, waited for."""
    user.wait(lambda: name in user.viewer.layers)
    return user.viewer.layers[name]


def _sizes(panel):
    """Voxels of the object in each row."""
    table = panel.session.review.table
    return [table[int(panel.rows.index(row, 0).data())].measured.voxels for row in range(panel.rows.rowCount())]


def _row_of_smallest(panel):
    return int(np.argmin(_sizes(panel)))


def _click_largest(user, panel):
    """Click the row of the largest object; its number."""
    user.click_row(panel.table, int(np.argmax(_sizes(panel))))
    (number,) = panel.selected_ids()
    return number


def _draw_across(user, panel, number):
    """Draw the line that divides an object through its centre, a tenth longer than its box at each end."""
    layer = panel.session.layer
    measured = panel.session.review.table.measured(number)
    rows = measured.box[-2]
    beyond = 0.1 * (rows.stop - rows.start) + 1
    column = measured.centre[-1]
    ends = [(*measured.centre[:-2], row, column) for row in (rows.start - beyond, rows.stop + beyond)]
    user.drag(*(np.asarray(layer.data_to_world(end))[-2:] for end in ends))
    user.wait(lambda: panel.edits.drawing is None)


def _export(user, panel, *, values=None, folder=None, also=(), name="ct"):
    """Write the mask through the export dialog, to the folder that it offers unless one is typed; path of the mask."""
    user.choose(panel.export, "Masks, DICOM, reports ...")
    dialog = user.dialog(ExportDialog)
    for key in also:
        user.click(dialog.kinds[key])
    if values is not None:
        user.choose_in(dialog.values, values)
    if folder is not None:
        user.write(dialog.folder, str(folder))
    user.picture(f"{name} export")
    user.click(dialog.export_button)
    user.wait(lambda: "Written to" in dialog.status.toPlainText())
    user.picture(f"{name} exported")
    written = dialog.request().folder / dialog.status.toPlainText().splitlines()[1]
    dialog.close()
    return written


def _same_regions(one, other):
    """Whether two arrays of objects hold the same regions, under whatever numbers."""
    pairs = np.unique(np.stack([one.ravel().astype(np.int64), other.ravel().astype(np.int64)]), axis=1)
    return len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1])) and np.array_equal(one > 0, other > 0)
