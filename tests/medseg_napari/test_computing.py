"""An edit's slow part in a process of its own: the same answer, the same errors, and no process is left."""

import sys

import numpy as np
import pytest
from medseg_napari.jobs.computing import in_own_process
from medseg_napari.jobs.worker_process import WorkerProcess
from medseg_napari.review import Review
from medseg_napari.review.edits.split_by_seeds import seeded_parts

from medseg.errors import Cancelled, GeometryError, OutOfMemoryError


def _two_balls():
    """Two balls of 9 voxels that touch in one plane; (y, x)."""
    grid = np.indices((9, 18)) - np.array([4, 4])[:, None, None]
    other = grid - np.array([0, 9])[:, None, None]
    return (((grid**2).sum(axis=0) <= 20) | ((other**2).sum(axis=0) <= 20)).astype(np.uint16)


@pytest.fixture
def workers(monkeypatch):
    """The processes that were asked."""
    asked = []
    call = WorkerProcess.call

    def watched(worker, *arguments, **options):
        asked.append(worker)
        return call(worker, *arguments, **options)

    monkeypatch.setattr(WorkerProcess, "call", watched)
    return asked


def test_a_review_splits_and_fills_alike_here_and_in_a_process(workers):
    seeds = [(4, 4), (4, 13)]
    here, there = Review(_two_balls()), Review(_two_balls())
    there.compute = in_own_process(lambda: False)
    for review in (here, there):
        review.labels[4, 4] = 0
        review.fill_holes(1)
        review.split_by_seeds(1, seeds)
    assert here.labels[4, 4] > 0
    assert len(np.unique(here.labels)) == 3
    assert np.array_equal(here.labels, there.labels)
    assert len(workers) == 2
    assert all(worker._child is None for worker in workers)


def test_what_the_function_raises_is_raised(workers):
    with pytest.raises(GeometryError, match="spacing for each"):
        in_own_process(lambda: False)(seeded_parts, _two_balls() > 0, [(4, 4)], (1.0, 1.0, 1.0))
    assert workers[0]._child is None


def test_an_edit_that_nobody_wants_any_more_ends(workers):
    with pytest.raises(Cancelled):
        in_own_process(lambda: True)(seeded_parts, np.ones((60, 60, 60), bool), [(1, 1, 1), (50, 50, 50)], (1.0,) * 3)
    assert workers[0]._child is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say by which signal a process was ended")
def test_a_process_that_the_system_ends_is_told_as_a_lack_of_memory(workers):
    def kill():
        if workers and workers[0]._child is not None:
            workers[0]._child.kill()
        return False

    mask = np.ones((200, 200, 200), bool)
    mask[0] = False
    with pytest.raises(OutOfMemoryError, match="The edit was ended by the system"):
        in_own_process(kill)(seeded_parts, mask, [(9, 9, 9), (150, 150, 150)], (1.0,) * 3)
