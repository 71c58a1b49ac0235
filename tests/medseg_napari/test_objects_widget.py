"""The dock "Objects" in a real napari window: table and view, keys, clicks, edits, and what the layer shows."""

import csv
import gc
import json
import threading
import time
import weakref

import numpy as np
import pytest
from medseg_napari.jobs.worker_process import WorkerProcess
from medseg_napari.layers import Origin, image_layer, labels_layer
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.review.change import Change
from medseg_napari.review.records import MadeBy, ObjectState
from medseg_napari.reviewing.session import review_of, session_of
from medseg_napari.reviewing.view import DIAMETERS
from medseg_napari.widgets.objects import ObjectsWidget
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler
from qtpy.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qtpy.QtTest import QTest

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable

pytestmark = pytest.mark.viewer

TABLE = LabelTable.from_names(("background", "lesion", "cyst"))
CLASS_OF = {1: "lesion", 2: "cyst", 3: "lesion"}
CONFIDENCE = {1: 0.9, 2: 0.4, 3: 0.6}
SPACING = (1.0, 1.0, 2.0)  # x, y, z


def _objects():
    """A bar of 4 x 2 x 10 voxels, a cube of 3, and a single voxel; (z, y, x)."""
    labels = np.zeros((12, 30, 40), np.uint16)
    labels[2:6, 4:6, 10:20] = 1
    labels[7:10, 20:23, 30:33] = 2
    labels[10, 10, 5] = 3
    return labels


def _image(labels):
    affine = Affine.from_spacing(SPACING, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)
    values = np.where(labels == 1, 100.0, 10.0).astype(np.float32)
    return Image(values.transpose(2, 1, 0)[np.newaxis], affine, "CXYZ", ImageMetadata(value_unit="HU"))


@pytest.fixture
def viewer(qapp):
    """napari's viewer without a window: layers, slices and keys are the same."""
    return ViewerModel()


def _wait(qapp, is_done, seconds=30.0):
    end = time.monotonic() + seconds
    while not is_done() and time.monotonic() < end:
        qapp.processEvents()
        time.sleep(0.005)
    assert is_done()


@pytest.fixture
def shown(viewer, qapp, qtbot):
    """Function that shows objects and their dock; returns the layer and the dock."""

    def show():
        labels = _objects()
        origin = Origin(_image(labels), 0)
        ((values, settings, _),) = image_layer(origin.image, name="CT")
        viewer.add_image(values, **settings)
        note = ResultNote(TABLE, CLASS_OF, CONFIDENCE, MadeBy("model", "ab"))
        data, settings, _ = objects_layer(origin, labels, note, name="objects")
        layer = viewer.add_labels(data, **settings)
        widget = ObjectsWidget(viewer)
        qtbot.addWidget(widget, before_close_func=ObjectsWidget.close_panel)
        _wait(qapp, lambda: widget.panel is not None and not widget.panel.measurer.is_busy)
        return layer, widget

    return show


def _texts(panel, column):
    titles = [one.title for one in panel.model.columns]
    return [panel.rows.index(row, titles.index(column)).data() for row in range(panel.rows.rowCount())]


def _press(viewer, key):
    """A key in the canvas, by napari's own way from the key to what it is bound to."""
    keys = KeymapHandler()
    keys.keymap_providers = [viewer.layers.selection.active]
    assert keys.press_key(key)


def test_without_objects_the_dock_says_how_to_begin(viewer):
    widget = ObjectsWidget(viewer)
    assert "run a model" in widget.status.text()
    assert widget.panel is None


def test_the_table_has_sizes_values_and_confidence_in_the_images_units(shown):
    _, widget = shown()
    panel = widget.panel
    assert _texts(panel, "#") == ["1", "2", "3"]
    assert _texts(panel, "class") == ["lesion", "cyst", "lesion"]
    # By hand: 80 voxels of 2 mm3 are 0.16 ml; a bar of 10 x 2 mm, corner to corner.
    assert _texts(panel, "volume ml")[0] == "0.16"
    assert _texts(panel, "longest × across mm")[0].startswith("10.2 ×")
    assert _texts(panel, "mean HU") == ["100", "10", "10"]
    assert _texts(panel, "confidence") == ["0.90", "0.40", "0.60"]
    assert widget.headline.text() == "Objects: 3"


def test_a_row_takes_the_view_to_the_object_and_draws_its_diameters(shown, viewer):
    layer, widget = shown()
    widget.panel.table.selectRow(0)
    assert viewer.dims.current_step[0] == 2  # every slice of the bar is alike; the first is taken
    assert viewer.scene.camera.center[1:] == pytest.approx((4.5, 14.5))
    assert layer.selected_label == 1
    lines = viewer.layers[DIAMETERS].data
    longest, across = lines  # of each, where it begins and how far it goes
    assert {float(longest[0, 0]), float(across[0, 0])} == {2.0}
    assert np.abs(longest[1]).tolist() == [0, 2, 10]  # from corner to corner of 2 x 10 voxels
    widget.panel.table.selectRow(1)
    assert viewer.dims.current_step[0] == 7
    assert sum(one.name == DIAMETERS for one in viewer.layers) == 1
    assert viewer.layers.selection.active == layer


def test_the_selected_object_is_bright_and_the_others_are_dimmed(shown):
    layer, widget = shown()
    widget.panel.select([2])
    chosen, other = layer.get_color(2), layer.get_color(1)
    assert chosen[3] == 1
    assert other[3] < 1
    assert tuple(chosen[:3]) == (1, 1, 1)
    assert np.array_equal(layer.get_color(1), layer.get_color(3))  # one class, one colour


def test_keys_judge_step_and_classify(shown, viewer):
    layer, widget = shown()
    review = session_of(layer).review
    widget.panel.select([1])
    _press(viewer, "A")
    _press(viewer, "Down")
    _press(viewer, "R")
    assert [review.table.record(n).state for n in (1, 2)] == [ObjectState.ACCEPTED, ObjectState.REJECTED]
    assert widget.headline.text() == "Objects: 3 · 1 accepted · 1 rejected"
    _press(viewer, "1")
    assert review.table.record(2).class_name == "lesion"


def test_the_least_sure_object_that_nobody_judged_is_next(shown, viewer):
    _, widget = shown()
    _press(viewer, "U")
    assert widget.panel.selected_ids() == [2]
    _press(viewer, "A")
    _press(viewer, "U")
    assert widget.panel.selected_ids() == [3]


def test_an_edit_shows_in_the_table_and_napari_undoes_it(shown, viewer, qapp):
    layer, widget = shown()
    before = layer.data.copy()
    panel = widget.panel
    panel.select([1])
    panel.select([2], add=True)
    _press(viewer, "M")
    assert set(np.unique(layer.data)) == {0, 2, 3}
    assert _texts(panel, "#") == ["2", "3"]
    _wait(qapp, lambda: not panel.measurer.is_busy)
    assert _texts(panel, "volume ml")[0] == "0.21"  # 80 + 27 voxels of 2 mm3
    assert list(layer.features["index"]) == [2, 3]
    layer.undo()
    assert np.array_equal(layer.data, before)
    assert sorted(_texts(panel, "#")) == ["1", "2", "3"]


def test_a_stroke_of_napari_is_one_step_of_the_review(shown):
    layer, widget = shown()
    before = layer.data.copy()
    layer.selected_label = 3
    layer.paint((10, 10, 8), 3)
    assert (layer.data != before).any()
    assert session_of(layer).review.undo_name == "paint"
    assert "paint" in widget.panel.buttons.buttons["undo"].toolTip()
    layer.undo()
    assert np.array_equal(layer.data, before)


def test_what_cannot_be_done_is_one_line(shown, viewer):
    _, widget = shown()
    _press(viewer, "D")
    assert widget.panel.message.text().startswith("Select an object")
    widget.panel.select([1])
    _press(viewer, "M")
    assert widget.panel.message.text().startswith("merge: expected two or more objects")


def test_a_line_drawn_across_an_object_splits_it(shown, viewer, qapp):
    layer, widget = shown()
    widget.panel.select([1], fly=True)
    _press(viewer, "S")
    drawing = widget.panel.edits.drawing
    assert viewer.layers.selection.active == drawing.layer
    drawing.layer.add_lines(np.array([[2, 0, 13.5], [2, 10, 13.5]]))
    _wait(qapp, lambda: widget.panel.edits.drawing is None)
    # Voxels 10 to 13 of 10 to 19 along x lie before the line: the smaller part gets the new number.
    assert np.unique(layer.data[2:6, 4:6, 10:14]).tolist() == [4]
    assert np.unique(layer.data[2:6, 4:6, 14:20]).tolist() == [1]
    assert viewer.layers.selection.active == layer
    assert sorted(widget.panel.selected_ids()) == [1, 4]


def test_two_seeds_split_an_object_and_escape_leaves_it(shown, viewer, qapp):
    layer, widget = shown()
    edits = widget.panel.edits
    edits.by_seeds = True
    widget.panel.select([1], fly=True)
    _press(viewer, "S")
    edits.drawing.cancel()
    _wait(qapp, lambda: edits.drawing is None)
    assert 4 not in layer.data
    _press(viewer, "S")
    edits.drawing.layer.add([[2, 4, 11]])
    edits.drawing.layer.add([[2, 4, 18]])
    _wait(qapp, lambda: edits.drawing is None)
    assert {int(layer.data[2, 4, 11]), int(layer.data[2, 4, 18])} == {1, 4}


def test_a_filter_and_least_sure_first_order_the_rows(shown):
    panel = shown()[1].panel
    panel.filter.by_confidence.click()
    assert _texts(panel, "#") == ["2", "3", "1"]
    panel.filter.classes.setCurrentText("lesion")
    assert _texts(panel, "#") == ["3", "1"]
    panel.filter.words.setText("1")
    assert _texts(panel, "#") == ["1"]
    panel.filter.clear()
    panel.filter.states.setCurrentText("accepted")
    assert _texts(panel, "#") == []


def test_a_large_object_is_edited_beside_the_window(shown, qapp, monkeypatch):
    layer, widget = shown()
    monkeypatch.setattr("medseg_napari.widgets.object_edits.MOST_VOXELS", 0)
    before = layer.data.copy()
    widget.panel.select([2])
    widget.panel.call("delete")
    widget.panel.call("undo")  # not while the edit is under way
    _wait(qapp, lambda: not widget.panel.edits.is_busy)
    assert 2 not in layer.data
    assert _texts(widget.panel, "#") == ["1", "3"]
    assert layer.editable
    widget.panel.call("undo")
    assert np.array_equal(layer.data, before)


def test_a_large_object_is_divided_in_a_process_of_its_own(shown, qapp, monkeypatch):
    layer, widget = shown()
    for name in ("MOST_VOXELS", "_MOST_VOXELS_OF_SEEDS", "_MOST_VOXELS_IN_A_THREAD"):
        monkeypatch.setattr(f"medseg_napari.widgets.object_edits.{name}", 1)
    started = []
    call = WorkerProcess.call

    def watched(worker, function, *arguments, **options):
        started.append((function, worker))
        return call(worker, function, *arguments, **options)

    monkeypatch.setattr(WorkerProcess, "call", watched)
    edits = widget.panel.edits
    edits._split_by_seeds(1, [(2, 4, 11), (2, 4, 18)])
    _wait(qapp, lambda: not edits.is_busy, seconds=100)
    assert {int(layer.data[2, 4, 11]), int(layer.data[2, 4, 18])} == {1, 4}
    ((function, worker),) = started
    assert function.endswith(":seeded_parts")
    assert worker._child is None
    widget.panel.call("undo")
    edits._split_by_seeds(1, [(2, 4, 11), (9, 4, 18)])
    _wait(qapp, lambda: not edits.is_busy)
    assert "inside object 1" in widget.panel.message.text()
    assert len(started) == 1


def test_a_large_step_is_undone_and_redone_beside_the_window(shown, qapp, monkeypatch):
    layer, widget = shown()
    before = layer.data.copy()
    widget.panel.select([1])
    widget.panel.call("delete")
    after = layer.data.copy()
    monkeypatch.setattr("medseg_napari.reviewing.session.MOST_VOXELS", 79)  # the bar has 80 voxels
    threads = []
    apply = Change.apply_to

    def watched(change, labels):
        threads.append(threading.get_ident())
        apply(change, labels)

    monkeypatch.setattr(Change, "apply_to", watched)
    layer.undo()
    _wait(qapp, lambda: not widget.panel.edits.is_busy)
    assert np.array_equal(layer.data, before)
    assert sorted(_texts(widget.panel, "#")) == ["1", "2", "3"]
    layer.redo()
    _wait(qapp, lambda: not widget.panel.edits.is_busy)
    assert np.array_equal(layer.data, after)
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_selecting_and_editing_changes_rows_and_resets_nothing(shown, viewer):
    _, widget = shown()
    panel, told = widget.panel, []
    panel.select([3], fly=True)
    for name in ("modelReset", "layoutChanged"):
        getattr(panel.model, name).connect(lambda *_, name=name: told.append(name))
    panel.model.dataChanged.connect(lambda first, last, *_: told.append((first.row(), last.row())))
    layers = list(viewer.layers)
    panel.select([2], fly=True)
    assert not told
    assert list(viewer.layers) == layers  # the diameters are drawn in the layer that is there
    panel.call("accept")
    assert told == [(1, 1)]


def test_the_table_and_the_audit_trail_are_saved(shown, tmp_path, qapp):
    _, widget = shown()
    widget.panel.select([1])
    widget.panel.call("accept")
    job = widget.panel.export.save_table(tmp_path / "objects.csv")
    _wait(qapp, lambda: not job.is_running and "Saved" in widget.panel.message.text())
    rows = list(csv.DictReader((tmp_path / "objects.csv").read_text(encoding="utf-8").splitlines()))
    assert [rows[0][name] for name in ("object", "class", "state")] == ["1", "lesion", "accepted"]
    assert float(rows[0]["volume_ml"]) == pytest.approx(0.16)
    assert float(rows[0]["longest_mm"]) == pytest.approx(np.hypot(10, 2), rel=1e-5)  # six digits are written
    job = widget.panel.export.save_trail(tmp_path / "who.json")
    _wait(qapp, lambda: not job.is_running and "who.json" in widget.panel.message.text())
    trail = json.loads((tmp_path / "who.json").read_text(encoding="utf-8"))["objects"]
    assert trail["1"]["state"] == "accepted"
    assert trail["1"]["judged_by"] == "editor"


def test_a_mask_of_classes_is_offered_to_be_numbered(viewer, qapp):
    labels = (_objects() > 0).astype(np.uint8)
    image = _image(labels)
    mask = LabelMap(
        np.ascontiguousarray(labels.transpose(2, 1, 0)), image.affine, "XYZ", LabelTable.from_names(("background", "x"))
    )
    data, settings, _ = labels_layer(mask, name="mask", image=image)
    layer = viewer.add_labels(np.ascontiguousarray(data), **settings)
    widget = ObjectsWidget(viewer)
    _wait(qapp, lambda: "which class" in widget.status.text())
    widget.find_button.click()
    _wait(qapp, lambda: widget.panel is not None, seconds=200)
    assert widget.headline.text() == "Objects: 3"
    assert not layer.visible
    assert int(layer.data.max()) == 1


def test_closing_the_dock_gives_the_keys_back_and_keeps_the_history(shown):
    layer, widget = shown()
    widget.panel.select([2])
    widget.panel.call("delete")
    widget.close_panel()
    assert not layer.keymap
    assert review_of(layer, None).undo_name == "delete"


def test_in_a_window_clicks_keys_and_drawn_lines_reach_the_objects(make_napari_viewer_proxy, qapp):
    viewer = make_napari_viewer_proxy(show=True)
    origin = Origin(_image(_objects()), 0)
    data, settings, _ = objects_layer(origin, _objects(), ResultNote(TABLE, CLASS_OF, CONFIDENCE), name="objects")
    layer = viewer.add_labels(data, **settings)
    _, widget = viewer.window.add_plugin_dock_widget("medseg", "Objects")
    _wait(qapp, lambda: widget.panel is not None and not widget.panel.measurer.is_busy)
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    widget.panel.select([2], fly=True)
    widget.panel.select([1])
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    assert widget.panel.selected_ids() == [2]
    QTest.keyClick(canvas, Qt.Key.Key_A)
    assert session_of(layer).review.table.record(2).state is ObjectState.ACCEPTED
    QTest.keyClick(canvas, Qt.Key.Key_S)
    above, below = (QPoint(middle.x(), middle.y() + by) for by in (-80, 80))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, above)
    for place in (middle, below):
        QTest.mouseMove(canvas, place)
        qapp.processEvents()
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, below)
    _wait(qapp, lambda: widget.panel.edits.drawing is None)
    assert set(np.unique(layer.data)) == {0, 1, 2, 3, 4}
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert set(np.unique(layer.data)) == {0, 1, 2, 3}
    QTest.keyClick(canvas, Qt.Key.Key_P)
    assert layer.mode == "paint"
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    assert widget.panel.selected_ids()  # a click that paints chooses nothing


def test_a_dock_that_qt_takes_away_leaves_the_layer_to_napari(shown):
    layer, widget = shown()
    panel = widget.panel
    widget.panel = None
    panel.deleteLater()
    QCoreApplication.sendPostedEvents(panel, QEvent.Type.DeferredDelete.value)
    assert not layer.keymap
    session_of(layer).review.delete([2])
    layer.undo()
    assert 2 in layer.data


def test_superpixels_are_painted_where_the_button_is_dragged(shown):
    layer, widget = shown()
    widget.panel.select([2])
    widget.panel.call("superpixels")
    assert not layer.mouse_pan
    widget.panel.edits._paint([(8, 15, 15)])
    assert layer.data[8, 15, 15] == 2
    widget.panel.call("superpixels")
    assert layer.mouse_pan
    layer.undo()
    assert layer.data[8, 15, 15] == 0


def test_outlines_become_fills_and_are_none_in_3d(shown, viewer):
    layer, widget = shown()
    assert layer.contour == 1
    viewer.dims.ndisplay = 3
    assert layer.contour == 0
    viewer.dims.ndisplay = 2
    widget.panel.look.fill.setValue(40)
    assert layer.contour == 0
    assert layer.opacity == pytest.approx(0.4)


def test_removing_the_mask_empties_the_dock(shown, viewer):
    layer, widget = shown()
    widget.panel.select([1])
    viewer.layers.remove(layer)
    assert widget.panel is None
    assert DIAMETERS not in viewer.layers
    assert "run a model" in widget.status.text()


def test_a_mask_that_was_closed_is_freed_with_its_review(shown, viewer, qapp):
    layer, widget = shown()
    widget.panel.select([1])
    widget.panel.call("grow")
    _wait(qapp, lambda: not widget.panel.measurer.is_busy)
    freed = weakref.ref(session_of(layer).review)
    viewer.layers.remove(layer)
    del layer
    viewer.add_points()  # napari holds on to the layer that was active before

    def is_freed():
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
        return freed() is None

    _wait(qapp, is_freed)
