"""No window, no work: the processes that read and run models end with the last window that needs them."""

from __future__ import annotations

import atexit
from functools import partial

from qtpy.QtCore import QObject

from medseg.io.isolated import stop_reading
from medseg_napari.jobs.background import abandon_all
from medseg_napari.jobs.worker_process import MODELS

_OWNERS: set[int] = set()


def keep_processes_for(owner: QObject | None) -> None:
    """Once the last owner is destroyed, the processes end; may be called again for the same owner."""
    if owner is None:
        return
    number = id(owner)
    if number not in _OWNERS:
        _OWNERS.add(number)
        owner.destroyed.connect(partial(_let_go, number))


def _let_go(number: int, *_: object) -> None:
    _OWNERS.discard(number)
    if not _OWNERS:
        _end_processes()


def _end_processes() -> None:
    stop_reading()
    MODELS.close()


def _end_program() -> None:
    """A thread that still ran when Python ends would end it with a crash."""
    abandon_all(seconds=0)
    _end_processes()
    abandon_all()


atexit.register(_end_program)
