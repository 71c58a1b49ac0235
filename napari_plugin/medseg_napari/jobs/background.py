"""Work in a thread of its own, whose result comes back to the GUI thread, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QThread, Signal

from medseg.errors import Cancelled

Progress = Callable[[float], None]
IsCancelled = Callable[[], bool]
Work = Callable[[Progress, IsCancelled], Any]
"""Takes `progress(fraction)` and `cancelled()`; raises `medseg.errors.Cancelled` when it stops early."""

_LEAST_SECONDS_BETWEEN_REPORTS = 0.05
_RUNNING: set[Job] = set()
"""Jobs whose thread still runs: nobody else may hold them, and a thread that is collected while it runs ends Python."""


@dataclass(frozen=True)
class Report:
    """How far a job is.

    Attributes:
        fraction: done, 0 to 1.
        seconds_left: by the pace so far; None before there is one.
    """

    fraction: float
    seconds_left: float | None


class Job(QObject):
    """A piece of work in its own thread; all signals are delivered on the thread that made it.

    Args:
        work: what to do.
        owner: with whose end the job is abandoned, as a dock goes with its window; absent, nobody's.
    """

    done = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    progressed = Signal(object)
    ended = Signal()

    def __init__(self, work: Work, *, owner: QObject | None = None) -> None:
        super().__init__()
        self._thread = _Thread(work)
        self._stop = self._thread.stop
        self._thread.outcome.connect(self._deliver)
        self._thread.report.connect(self._pass_on)
        self._thread.finished.connect(self._forget)
        self._is_wanted = True
        if owner is not None:
            owner.destroyed.connect(self.abandon)

    def start(self) -> Job:
        """Begin; returns the job itself."""
        _RUNNING.add(self)
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Ask the work to stop; `cancelled` follows when it has."""
        self._stop.set()

    def abandon(self, *_: object) -> None:
        """Cancel, and deliver nothing any more: the viewer or the layer that wanted the result is gone."""
        self._is_wanted = False
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether the thread ended within `seconds`."""
        return bool(self._thread.wait(int(seconds * 1000)))

    @property
    def is_running(self) -> bool:
        """Whether the thread still runs."""
        return bool(self._thread.isRunning())

    def _deliver(self, signal_name: str, value: object) -> None:
        if not self._is_wanted:
            return
        if signal_name == "cancelled" or self._stop.is_set():  # a result that came too late is not wanted either
            self.cancelled.emit()
        else:
            getattr(self, signal_name).emit(value)
        self.ended.emit()

    def _pass_on(self, report: Report) -> None:
        if self._is_wanted and not self._stop.is_set():
            self.progressed.emit(report)

    def _forget(self) -> None:
        self._thread.wait()  # it has said that it ends, and must have ended before it is collected
        _RUNNING.discard(self)


def abandon_all(*, seconds: float = 10.0) -> None:
    """Abandon every job and wait for the threads, as when the program ends."""
    for job in list(_RUNNING):
        job.abandon()
    for job in list(_RUNNING):
        job.wait(seconds)


class _Thread(QThread):
    outcome = Signal(str, object)
    report = Signal(object)

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self.stop = threading.Event()
        self._begun = self._last = 0.0

    def run(self) -> None:
        """Do the work; Qt calls it in the new thread."""
        self._begun = self._last = time.monotonic()
        try:
            result = self._work(self._progress, self.stop.is_set)
        except Cancelled:
            self.outcome.emit("cancelled", None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the user is told and the window lives on
            self.outcome.emit("failed", error)
        else:
            self.outcome.emit("done", result)
        finally:
            del self._work  # what it holds (an image, a network) is freed with it

    def _progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last < _LEAST_SECONDS_BETWEEN_REPORTS and fraction < 1:
            return
        self._last = now
        spent = now - self._begun
        left = spent / fraction * (1 - fraction) if fraction > 0 else None
        self.report.emit(Report(fraction, left))
