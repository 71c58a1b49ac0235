"""A window or a dock may be closed while a model learns: the run stops at a step and goes on from there another day."""

import logging

import numpy as np
import psutil
import pytest
from medseg_napari.learning.corrections import CorrectedImage, CorrectionSet
from medseg_napari.learning.fine_tuning import Plan, fine_tuning_recipe, write_recipe
from medseg_napari.learning.places import runs_folder
from medseg_napari.learning.progress import RunState
from medseg_napari.learning.run import FineTuning, prepare_run
from medseg_napari.segmenting.shelf import shelf_of
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QDockWidget

from medseg.datasets.phantoms import cells_phantom
from medseg.training.checkpoints import load_checkpoint
from medseg.training.run_folder import RunFolder
from medseg.training.validation import as_classes

pytestmark = pytest.mark.viewer
SECONDS = 180


@pytest.fixture
def run(parent, tmp_path):
    """Of more steps than a test waits for."""
    corrections = CorrectionSet(tmp_path / parent.name)
    for number in range(3):
        image, instances = cells_phantom(np.random.default_rng(number), shape=(64, 64))
        corrections.add(CorrectedImage(image, as_classes(instances), objects=3), group=str(number), date="2026-11-21")
    plan = Plan(steps=2000, score=parent.score, device="cpu")
    folder = runs_folder(corrections.folder) / "tiny_cells_tuned_1"
    write_recipe(fine_tuning_recipe(parent, corrections, plan, name=folder.name), prepare_run(folder, plan))
    return FineTuning(folder, data=corrections.folder)


@pytest.fixture
def learning(make_napari_viewer_proxy, qtbot, monkeypatch, tmp_path, parent, run):
    """A window whose Learn dock has gone on with the run, which was judged once."""
    from medseg_napari.learning import places
    from medseg_napari.widgets import train

    for module in (places, train):
        monkeypatch.setattr(module, "learning_home", lambda: tmp_path)
    viewer = make_napari_viewer_proxy(show=True)
    shelf_of(viewer).offer(parent.folder.parent)
    widget = train.TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Learn")
    qtbot.waitUntil(lambda: widget.model.count() > 0 and not widget.is_busy, timeout=SECONDS * 1000)
    widget.panel.show_run(run)
    widget.panel.pause_button.click()
    qtbot.waitUntil(lambda: bool(run.progress.scores) or not run.is_running, timeout=SECONDS * 1000)
    assert run.is_running, run.progress.message
    yield viewer, widget
    run.pause()
    run.wait(SECONDS)


@pytest.mark.parametrize("closed", ["dock", "window"])
def test_a_run_that_is_closed_away_is_kept_and_goes_on(learning, run, qtbot, caplog, closed):
    viewer, widget = learning
    dock = widget.parent()
    assert isinstance(dock, QDockWidget)
    with caplog.at_level(logging.WARNING):
        if closed == "dock":
            dock.title.close_button.click()
        else:
            viewer.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
    assert "tiny_cells_tuned_1 stops learning. What it has learned so far is kept" in caplog.text
    qtbot.waitUntil(lambda: not run.is_running, timeout=SECONDS * 1000)
    assert run.wait(SECONDS)
    assert not [child for child in psutil.Process().children() if "train" in child.cmdline()]
    assert run.progress.state is RunState.PAUSED

    kept = load_checkpoint(RunFolder(run.folder).last).state.step
    assert 0 < kept < 2000
    another_day = FineTuning(run.folder, data=run.data)
    assert another_day.progress.scores == run.progress.scores
    another_day.start()
    further = lambda: another_day.progress.step > kept or not another_day.is_running  # noqa: E731
    qtbot.waitUntil(further, timeout=SECONDS * 1000)
    another_day.pause()
    assert another_day.wait(SECONDS)
    assert another_day.progress.state is RunState.PAUSED, another_day.progress.message
    assert f"going on from step {kept} (last.ckpt)" in run.folder.with_name(f"{run.folder.name}.txt").read_text()
