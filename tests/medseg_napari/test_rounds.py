"""Rounds of open, run, correct and close leave nothing behind, and a window may be closed in the middle of anything."""

import gc
import threading
import weakref

import numpy as np
import psutil
import pytest
from medseg_napari.jobs import background
from medseg_napari.jobs.worker_process import MODELS
from medseg_napari.opening.flow import Opening
from medseg_napari.reviewing.session import session_of
from medseg_napari.widgets.objects import ObjectsWidget
from medseg_napari.widgets.segment import SegmentWidget
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from medseg.datasets.phantoms import ct_phantom
from medseg.io import write_image

pytestmark = pytest.mark.viewer

ROUNDS = 3
LONG_MS = 120_000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    image, _ = ct_phantom(
        np.random.default_rng(1), shape=(48, 48, 8), spacing_mm=(8, 8, 10), lesion_fraction=(1.9e-3, 2e-3)
    )
    file = tmp_path_factory.mktemp("rounds") / "ct.nii.gz"
    write_image(image, file)
    return file


@pytest.fixture
def window(make_napari_viewer_proxy):
    """A viewer with the docks Segment and Objects."""
    viewer = make_napari_viewer_proxy(show=True)
    docks = SegmentWidget(viewer), ObjectsWidget(viewer)
    for widget in docks:
        viewer.window.add_dock_widget(widget, area="right", name=type(widget).__name__)
    return viewer, *docks


def _tidy():
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()


def _threads():
    """Threads that Python started. It also remembers, for good, each thread of Qt's pool that once ran Python code."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


def _open(window, qtbot, path):
    viewer, segment, _ = window
    Opening(viewer, [path], parent=segment.window(), tell=lambda _: None).start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=LONG_MS)
    qtbot.waitUntil(segment.run_button.isEnabled, timeout=LONG_MS)


def _round(window, qtbot, path):
    """Weak references to what must be gone when the layers are closed."""
    viewer, segment, objects = window
    _open(window, qtbot, path)
    segment.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=LONG_MS)
    qtbot.waitUntil(lambda: objects.panel is not None and not objects.panel.measurer.is_busy, timeout=LONG_MS)
    panel = objects.panel
    panel.select(panel.model.ids[:1], fly=True)
    panel.call("delete")
    assert session_of(panel.session.layer).review.undo_name == "delete"
    seen = [weakref.ref(one) for one in (panel, panel.session, panel.session.review, panel.session.layer)]
    viewer.layers.clear()
    return seen


def test_rounds_leave_no_thread_no_review_and_no_file(window, qtbot, path):
    seen = _round(window, qtbot, path)
    _tidy()
    python_threads, system_threads = _threads(), psutil.Process().num_threads()
    files = psutil.Process().num_fds()
    for _ in range(ROUNDS - 1):
        seen += _round(window, qtbot, path)
    qtbot.waitUntil(lambda: not background._RUNNING, timeout=LONG_MS)
    _tidy()
    assert [type(one()).__name__ for one in seen if one() is not None] == []
    assert _threads() - python_threads == set()
    assert psutil.Process().num_threads() <= system_threads
    assert psutil.Process().num_fds() <= files
    assert list(MODELS._folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["open", "run", "measure"])
def test_a_window_closed_in_the_middle_leaves_no_job_and_no_process(window, qtbot, path, moment):
    viewer, segment, objects = window
    if moment == "open":
        Opening(viewer, [path], parent=segment.window(), tell=lambda _: None).start()
    elif moment == "run":
        _open(window, qtbot, path)
        segment.start()
        qtbot.wait(100)
    elif moment == "measure":
        values = np.random.default_rng(0).integers(0, 60, (8, 40, 40), dtype=np.uint16)
        viewer.add_labels(values.repeat(4, 0).repeat(4, 1).repeat(4, 2))
        qtbot.waitUntil(lambda: objects.panel is not None, timeout=LONG_MS)
    assert background._RUNNING
    viewer.close()
    _tidy()
    qtbot.waitUntil(lambda: not background._RUNNING, timeout=LONG_MS)
    assert MODELS._child is None
    assert not [child for child in psutil.Process().children() if "worker_child" in " ".join(child.cmdline())]
