"""Objects are measured beside the window, a few at a time, the wanted ones first."""

from __future__ import annotations

import time
from collections.abc import Iterable

from qtpy.QtCore import QObject, Signal

from medseg_napari.jobs.background import IsCancelled, Job, Progress
from medseg_napari.review.objects import Measurement
from medseg_napari.reviewing.session import Session

_SECONDS_PER_BATCH = 0.2
"""After so long the table is told: often enough to look alive, seldom enough to be sorted anew each time."""

_Found = dict[int, Measurement | None]


class Measurer(QObject):
    """Measures what the table of a session has no measurement of.

    Attributes:
        measured: emits the ids (a tuple) that the table has a measurement of now.
    """

    measured = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._wanted: dict[int, None] = {}
        self._under_way: set[int] = set()
        self._job: Job | None = None

    def want(self, ids: Iterable[int], *, first: bool = False) -> None:
        """Measure these objects; `first`, before all others that wait."""
        new = dict.fromkeys(ids)
        self._wanted = {**new, **self._wanted} if first else {**self._wanted, **new}
        self._begin()

    def changed(self, ids: Iterable[int]) -> None:
        """These objects changed: what is being measured of them is stale."""
        ids = tuple(ids)
        self._under_way -= set(ids)
        self.want(ids, first=True)

    def stop(self) -> None:
        """Deliver nothing any more."""
        self._wanted = {}
        if self._job is not None:
            self._job.abandon()
            self._job = None

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be measured."""
        return self._job is not None

    def _begin(self) -> None:
        if self._job is not None:
            return
        table = self._session.review.table
        todo = [number for number in self._wanted if number in table and table.measured(number) is None]
        self._wanted = dict.fromkeys(todo)
        if not todo:
            return
        self._under_way = set(todo)
        review = self._session.review

        def work(_progress: Progress, cancelled: IsCancelled) -> _Found:
            begun = time.monotonic()
            found: _Found = {}
            for number in todo:
                try:
                    found[number] = review.measure(number)
                except Exception:  # noqa: BLE001 - it was edited meanwhile, so its voxels and its box do not agree
                    found[number] = None
                if cancelled() or time.monotonic() - begun > _SECONDS_PER_BATCH:
                    break
            return found

        self._job = Job(work)
        self._job.done.connect(self._take)
        self._job.failed.connect(lambda _error: self._take({}))
        self._job.start()

    def _take(self, found: _Found) -> None:
        self._job = None
        table, kept = self._session.review.table, []
        for number, measurement in found.items():
            if number not in self._under_way:
                continue
            self._wanted.pop(number, None)
            if measurement is not None and number in table:
                table.keep(number, measurement)
                kept.append(number)
        self.measured.emit(tuple(kept))
        self._begin()
