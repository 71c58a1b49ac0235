"""A dock, a dialog or the window may be closed while its work goes on: the work ends, and nothing comes of it."""

import gc

import numpy as np
import psutil
import pytest
from medseg_napari.jobs import background
from medseg_napari.jobs.worker_process import MODELS
from medseg_napari.reviewing.session import review_of, session_of
from medseg_napari.widgets.compare import CompareWidget
from medseg_napari.widgets.export_dialog import ExportDialog
from medseg_napari.widgets.objects import ObjectsWidget
from medseg_napari.widgets.time_strip import TimeStripWidget
from medseg_napari.widgets.train import TrainWidget
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow

pytestmark = pytest.mark.viewer

LONG_MS = 120_000


def _labels(seed):
    values = np.random.default_rng(seed).integers(0, 60, (8, 40, 40), dtype=np.uint16)
    return values.repeat(2, 0).repeat(3, 1).repeat(3, 2)


def _docked(viewer, kind):
    widget = kind(viewer)
    viewer.window.add_dock_widget(widget, area="right", name=kind.__name__)
    return widget


def _look_for_objects(viewer, _folder):
    widget = _docked(viewer, ObjectsWidget)
    viewer.add_labels(_labels(0))
    return widget


def _compare(viewer, _folder):
    for seed in (0, 1):
        viewer.add_labels(_labels(seed))
    widget = _docked(viewer, CompareWidget)
    widget.start()
    return widget


def _count(viewer, _folder):
    widget = _docked(viewer, TimeStripWidget)
    viewer.add_labels(_labels(0))
    return widget


def _find_models(viewer, _folder):
    return _docked(viewer, TrainWidget)


def _export(viewer, folder):
    layer = viewer.add_labels(_labels(0))
    widget = ExportDialog(viewer, layer=layer, parent=_window())
    widget.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # as it is opened from the menu and from the dock
    widget.show()
    widget.folder.setText(str(folder))
    widget.start()
    return widget


def _window():
    return next(one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow))


WORK = {
    "objects": _look_for_objects,
    "compare": _compare,
    "count": _count,
    "models": _find_models,
    "export": _export,
}


def _close(widget):
    """Press the x of the dock, or of the dialog."""
    dock = widget.parent()
    if isinstance(dock, QDockWidget):
        dock.title.close_button.click()
    else:
        widget.close()


def _end_of(jobs, qtbot):
    """Wait for the threads, and for all that they sent."""
    qtbot.waitUntil(lambda: not jobs & background._RUNNING, timeout=LONG_MS)
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()


@pytest.mark.parametrize("closed", ["dock", "window"])
@pytest.mark.parametrize("work", WORK)
def test_what_is_closed_gets_no_result(make_napari_viewer_proxy, qtbot, tmp_path, work, closed):
    viewer = make_napari_viewer_proxy(show=True)
    widget = WORK[work](viewer, tmp_path)
    jobs = set(background._RUNNING)
    assert jobs
    delivered, gone = [], []
    for job in jobs:
        for signal in (job.done, job.failed, job.cancelled):
            signal.connect(lambda *values: delivered.append(values))
    widget.destroyed.connect(lambda *_: gone.append(work))
    layers = list(viewer.layers)
    if closed == "dock":
        _close(widget)
    else:
        viewer.close()
    _end_of(jobs, qtbot)
    assert gone == [work]
    assert delivered == []
    assert list(viewer.layers) == (layers if closed == "dock" else [])
    assert [layer for layer in layers if session_of(layer) is not None] == []
    if closed == "window":
        assert MODELS._child is None
        assert not [child for child in psutil.Process().children() if "worker_child" in " ".join(child.cmdline())]


def test_a_dock_that_is_closed_hears_of_no_layer_and_lets_the_mask_be_edited(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    layer = viewer.add_labels(_labels(0))
    objects = _docked(viewer, ObjectsWidget)
    qtbot.waitUntil(lambda: objects.panel is not None and not objects.panel.measurer.is_busy, timeout=LONG_MS)
    panel = objects.panel
    panel.select(panel.model.ids[:1], fly=True)
    panel.edits._do_beside(lambda: panel.session.review.delete(panel.model.ids[:1]), voxels=1)
    _close(objects)
    _end_of(set(background._RUNNING), qtbot)
    assert layer.editable
    assert "diameters" not in [one.name for one in viewer.layers]
    assert review_of(layer, viewer).undo_name == "delete"
    viewer.add_labels(_labels(1))
    assert not background._RUNNING
