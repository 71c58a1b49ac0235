"""The Learn dock in a real window: from reviewed masks to a model in the Segment dock's choice."""

import numpy as np
import pytest
from medseg_napari.layers import Origin, image_layer
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.learning.fine_tuning import Plan
from medseg_napari.learning.places import runs_folder
from medseg_napari.learning.run import prepare_run
from medseg_napari.review.records import MadeBy
from medseg_napari.segmenting.shelf import shelf_of

from medseg.datasets.phantoms import cells_phantom
from medseg.images import LabelTable

pytestmark = pytest.mark.viewer
TABLE = LabelTable.from_names(("background", "cell"))


@pytest.fixture
def dock(make_napari_viewer_proxy, qtbot, monkeypatch, tmp_path, parent):
    from medseg_napari.learning import places
    from medseg_napari.widgets import train

    for module in (places, train):
        monkeypatch.setattr(module, "learning_home", lambda: tmp_path)
    viewer = make_napari_viewer_proxy(show=True)
    shelf_of(viewer).offer(parent.folder.parent)
    widget = train.TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Learn")
    qtbot.waitUntil(lambda: widget.model.count() > 0, timeout=120_000)
    widget.model.setCurrentIndex(widget.model.findText(parent.name, _starts()))
    qtbot.waitUntil(lambda: widget.model.currentText().startswith(parent.name) and not widget.is_busy, timeout=60_000)
    yield viewer, widget
    if widget.panel.run is not None:
        widget.panel.run.pause()
        widget.panel.run.wait(60)


def _starts():
    from qtpy.QtCore import Qt

    return Qt.MatchFlag.MatchStartsWith


def _reviewed(viewer, number, *, accepted=True):
    from medseg_napari.reviewing.session import review_of

    image, instances = cells_phantom(np.random.default_rng(number), shape=(64, 64))
    for data, settings, kind in image_layer(image, name=f"cells {number}"):
        getattr(viewer, f"add_{kind}")(data, **settings)
    ids = [int(value) for value in np.unique(instances.array) if value]
    note = ResultNote(TABLE, dict.fromkeys(ids, "cell"), {}, MadeBy("tiny_cells", "ab" * 32))
    data, settings, _ = objects_layer(Origin(image), instances.array.astype(np.uint16), note, name=f"found {number}")
    layer = viewer.add_labels(data, **settings)
    review = review_of(layer, viewer)
    if accepted:
        review.accept(ids)
    viewer.layers.selection.active = layer
    return layer


def _add(qtbot, widget):
    count = widget.images.count()
    widget.add_button.click()
    qtbot.waitUntil(lambda: widget.images.count() > count, timeout=60_000)


def test_without_a_reviewed_mask_the_dock_says_how_to_begin(dock):
    _, widget = dock
    assert "Run a model in Segment" in widget.status.text()
    assert not widget.add_button.isEnabled()
    assert not widget.learn_button.isEnabled()


def test_objects_that_nobody_looked_at_are_asked_about(dock, qtbot):
    viewer, widget = dock
    layer = _reviewed(viewer, 0, accepted=False)
    qtbot.waitUntil(widget.add_button.isEnabled, timeout=60_000)
    widget.add_button.click()
    count = len(np.unique(layer.data)) - 1
    assert widget.question.text().startswith(f"Neither accepted nor rejected nor changed: {count} of {count} objects")
    wrong = next(button for button in widget.question.buttons() if button.text() == "They are wrong")
    wrong.click()
    qtbot.waitUntil(lambda: widget.images.count() == 1, timeout=60_000)
    assert widget.images.item(0).text().startswith("Image 1: 0 objects")
    widget.add_button.click()
    next(button for button in widget.question.buttons() if button.text() == "They are right").click()
    qtbot.waitUntil(lambda: f"{count} objects" in widget.headline.text(), timeout=60_000)
    assert widget.images.count() == 1


def test_a_model_learns_from_three_images_and_is_offered(dock, qtbot):
    viewer, widget = dock
    for number in range(3):
        assert not widget.learn_button.isEnabled()
        _reviewed(viewer, number)
        _add(qtbot, widget)
    from medseg_napari.widgets.segment import SegmentWidget

    assert widget.headline.text().endswith("1 held back to judge")
    segment = SegmentWidget(viewer)
    qtbot.addWidget(segment)
    widget.unit.setCurrentText("steps")
    widget.amount.setValue(2)
    widget.learn_button.click()
    shelf = shelf_of(viewer)
    qtbot.waitUntil(lambda: len(shelf.folders) == 2, timeout=240_000)
    assert shelf.folders[1].name == "tiny_cells_tuned_1"
    assert "before it was" in widget.panel.status.text()
    assert len(widget.panel.score.text) > 0
    qtbot.waitUntil(lambda: widget.model.findText("tiny_cells_tuned_1") >= 0, timeout=60_000)
    assert widget.learn_button.isEnabled()
    qtbot.waitUntil(lambda: segment.model.findText("tiny_cells_tuned_1") >= 0, timeout=60_000)


def test_a_run_that_was_stopped_with_napari_can_go_on_or_be_thrown_away(dock, qtbot, parent):
    _, widget = dock
    folder = runs_folder(widget.home / parent.name) / "tiny_cells_tuned_1"
    prepare_run(folder, Plan(steps=5))
    widget.model.setCurrentIndex(0)
    qtbot.waitUntil(lambda: not widget.is_busy, timeout=60_000)
    widget.model.setCurrentIndex(widget.model.findText(parent.name, _starts()))
    qtbot.waitUntil(lambda: widget.panel.run is not None, timeout=60_000)
    assert widget.panel.pause_button.text() == "Go on"
    widget.panel.stop_button.click()
    assert "Keep the best so far" not in [button.text() for button in widget.panel.question.buttons()]
    next(button for button in widget.panel.question.buttons() if button.text() == "Throw away").click()
    assert widget.panel.run is None
    assert not list(folder.parent.iterdir())
