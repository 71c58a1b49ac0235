"""Ending a reading that nobody wants any more: the process that decodes is ended, since it cannot be asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from medseg.io.isolated import stop_reading
from medseg_napari.opening.series import stop_reading_frames

_SECONDS_BETWEEN_LOOKS = 0.1


@contextmanager
def stopped_when(cancelled: Callable[[], bool]) -> Iterator[None]:
    """While the block reads, end the reading processes as soon as `cancelled` says so; the block then fails."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            if cancelled():
                stop_reading()
                stop_reading_frames()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
