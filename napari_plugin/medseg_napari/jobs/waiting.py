"""Work that napari waits for, as it does for the writers of files, while its window goes on to be drawn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from qtpy.QtCore import QEventLoop, Qt, QThread
from qtpy.QtWidgets import QApplication, QProgressDialog

from medseg_napari.jobs.background import IsCancelled, Job, Progress

_Result = TypeVar("_Result")
_SHOWN_AFTER_MS = 400


def result_of(work: Callable[[], _Result], *, text: str) -> _Result:
    """What `work` returns, or raises, done beside the window; without a window, or not at it, done at once.

    The window is drawn and says that it is at work. Clicks, keys and the wish to close it wait until the end, so that
    nobody changes or closes what is worked on.

    Args:
        work: what to do; it must not touch the window.
        text: shown when it takes its time.
    """
    application = QApplication.instance()
    if application is None or QThread.currentThread() is not application.thread():
        return work()
    future: Future[_Result] = Future()
    job = Job(lambda progress, cancelled: _fulfil(future, work, progress, cancelled))
    dialog = _dialog(text)
    loop = QEventLoop()
    job.ended.connect(loop.quit)
    job.start()
    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
    dialog.reset()  # close would leave the timer that shows it
    dialog.deleteLater()
    return future.result()  # a program that ends has left the loop, and waits here


def _fulfil(future: Future[_Result], work: Callable[[], _Result], _progress: Progress, _cancelled: IsCancelled) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        future.set_exception(error)


def _dialog(text: str) -> QProgressDialog:
    """It cannot be cancelled: a file is written whole or not at all, and nobody asks a writer to stop."""
    dialog = QProgressDialog(text, "", 0, 0, QApplication.activeWindow())
    dialog.setCancelButton(None)
    dialog.setWindowFlag(Qt.WindowType.WindowCloseButtonHint, False)  # noqa: FBT003 - Qt's own
    dialog.setMinimumDuration(_SHOWN_AFTER_MS)
    dialog.setValue(0)
    return dialog
