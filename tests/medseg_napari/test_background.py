"""Work runs beside the window: its result comes on the GUI thread, and not at all once nobody wants it."""

import threading
import weakref

import pytest
from medseg_napari.jobs.background import Job, abandon_all
from medseg_napari.jobs.waiting import result_of
from qtpy.QtCore import QTimer

from medseg.errors import Cancelled, InputError

pytestmark = pytest.mark.viewer


def test_the_result_comes_back_on_the_thread_that_asked(qtbot):
    threads = {}

    def work(progress, cancelled):
        threads["work"] = threading.get_ident()
        return 42

    results = []
    job = Job(work)
    job.done.connect(lambda value: results.append((value, threading.get_ident())))
    with qtbot.waitSignal(job.ended):
        job.start()
    assert results == [(42, threading.get_ident())]
    assert threads["work"] != threading.get_ident()


def test_an_error_is_delivered_and_not_raised(qtbot):
    def work(progress, cancelled):
        message = "scan.nii: expected an image"
        raise InputError(message)

    job = Job(work)
    with qtbot.waitSignal(job.failed) as failed:
        job.start()
    assert str(failed.args[0]) == "scan.nii: expected an image"


def _until_cancelled(progress, cancelled):
    threading.Event().wait(0.02)
    for step in range(100_000):
        progress(step / 100_000)
        if cancelled():
            raise Cancelled("stopped")
        threading.Event().wait(0.005)


def test_cancel_stops_the_work(qtbot):
    job = Job(_until_cancelled)
    with qtbot.waitSignal(job.progressed) as progressed:
        job.start()
    assert 0 <= progressed.args[0].fraction < 1
    with qtbot.waitSignal(job.cancelled):
        job.cancel()
    assert job.wait(10)


def test_a_result_that_comes_after_cancel_is_not_delivered(qtbot):
    begun, go_on = threading.Event(), threading.Event()

    def work(progress, cancelled):
        begun.set()
        go_on.wait(10)
        return "late"

    delivered = []
    job = Job(work)
    job.done.connect(delivered.append)
    job.start()
    assert begun.wait(10)
    job.cancel()
    with qtbot.waitSignal(job.cancelled):
        go_on.set()
    assert delivered == []


def test_an_abandoned_job_delivers_nothing_and_its_thread_ends(qtbot):
    delivered = []
    job = Job(_until_cancelled)
    for signal in (job.done, job.failed, job.cancelled):
        signal.connect(lambda *values: delivered.append(values))
    job.start()
    abandon_all()
    qtbot.wait(50)
    assert not job.is_running
    assert delivered == []


def test_a_finished_job_frees_what_it_worked_on(qtbot):
    class Big:
        pass

    big = Big()
    seen = weakref.ref(big)
    job = Job(lambda progress, cancelled, big=big: None)
    del big
    with qtbot.waitSignal(job.ended):
        job.start()
    assert job.wait(10)
    del job
    qtbot.waitUntil(lambda: seen() is None)


def test_the_window_lives_while_it_waits_for_a_result(qtbot):
    said_by_window = threading.Event()
    QTimer.singleShot(50, said_by_window.set)
    heard, thread = result_of(lambda: (said_by_window.wait(60), threading.get_ident()), text="Saving ...")
    assert heard
    assert thread != threading.get_ident()


def test_the_error_of_what_is_waited_for_is_raised(qtbot):
    def work():
        message = "mask.nii.gz: no room"
        raise InputError(message)

    with pytest.raises(InputError, match=r"^mask\.nii\.gz: no room$"):
        result_of(work, text="Saving ...")


def test_off_the_window_there_is_nothing_to_wait_for(qtbot):
    idents = []
    job = Job(lambda _progress, _cancelled: result_of(threading.get_ident, text="") == threading.get_ident())
    job.done.connect(idents.append)
    with qtbot.waitSignal(job.ended):
        job.start()
    assert idents == [True]
