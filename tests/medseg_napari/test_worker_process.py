"""Models run in a process of their own: arrays arrive whole, errors are the function's own, and cancel is obeyed."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from medseg_napari.jobs.worker_process import WorkerProcess

from medseg.errors import Cancelled, InputError, OutOfMemoryError, StorageError

HERE = "support.worker_tasks"


@pytest.fixture
def worker():
    process = WorkerProcess()
    yield process
    process.close()


def test_large_arrays_come_back_as_they_were_changed(worker):
    values = np.arange(600_000, dtype=np.float32).reshape(600, 1000)[::2, ::-1]
    doubled = worker.call(f"{HERE}:doubled", values)
    assert np.array_equal(doubled, values * 2)
    doubled[0, 0] = -1  # and can be painted on


def test_the_files_of_arrays_that_are_gone_are_deleted(worker):
    values = np.zeros((600, 1000))
    worker.call(f"{HERE}:doubled", values)
    folder = worker._folder
    del values
    worker.call(f"{HERE}:doubled", np.zeros(3))
    worker.call(f"{HERE}:doubled", np.zeros(3))
    assert [path.name for path in folder.iterdir()] == []
    worker.close()
    assert not folder.exists()


def test_an_array_that_is_sent_again_is_not_written_again(worker):
    values = np.zeros((600, 1000))
    worker.call(f"{HERE}:total", values)
    (path,) = worker._folder.glob("window-*.npy")
    written = path.stat().st_mtime_ns
    worker.call(f"{HERE}:total", values)
    assert list(worker._folder.glob("window-*.npy")) == [path]
    assert path.stat().st_mtime_ns == written


def test_the_functions_own_error_is_raised(worker):
    with pytest.raises(InputError, match=r"^expected a volume, got a picture\.$"):
        worker.call(f"{HERE}:refuses")


def test_a_full_disk_is_told_as_such_and_not_as_a_dead_process(worker):
    with pytest.raises(StorageError, match="no room"):
        worker.call(f"{HERE}:finds_no_room")


def test_what_nobody_foresaw_comes_with_its_traceback(worker):
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero") as caught:
        worker.call(f"{HERE}:breaks")
    assert "worker_tasks.py" in caught.value.__notes__[0]
    assert worker.call(f"{HERE}:total", np.ones(3)) == 3


def test_progress_arrives_while_it_works(worker):
    fractions = []
    worker.call(f"{HERE}:steps", progress=fractions.append)
    assert fractions == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("task", ["obeys", "never_looks_up"])
def test_cancel_ends_a_task_whether_it_obeys_or_not(worker, task):
    stop = threading.Event()
    with pytest.raises(Cancelled):
        worker.call(f"{HERE}:{task}", progress=lambda _: stop.set(), cancelled=stop.is_set)
    assert worker.call(f"{HERE}:total", np.ones(3)) == 3


def test_a_task_waits_for_the_one_before(worker):
    begun = threading.Event()
    results = []
    first = threading.Thread(
        target=lambda: results.append(worker.call(f"{HERE}:short_sleep", progress=lambda _: begun.set()))
    )
    first.start()
    assert begun.wait(60)
    results.append(worker.call(f"{HERE}:total", np.ones(3)))
    first.join()
    assert results == ["slept", 3]


def test_a_process_that_the_system_kills_is_named_as_want_of_memory(worker):
    pid = worker.call(f"{HERE}:pid")
    threading.Thread(target=lambda: (time.sleep(0.5), os.kill(pid, signal.SIGKILL))).start()
    with pytest.raises(OutOfMemoryError, match="want of memory"):
        worker.call(f"{HERE}:never_looks_up", progress=lambda _: None)
    assert worker.call(f"{HERE}:pid") != pid
