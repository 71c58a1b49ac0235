"""Ctrl-C that ends a run at a step's end instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from medseg.errors import Cancelled

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests(cancelled: Callable[[], bool] | None) -> Iterator[Callable[[], bool]]:
    """Yield a question "does the user want to stop?" that Ctrl-C, SIGTERM and `cancelled` answer with yes.

    `Cancelled` leaves the block with the number of the signal. A second signal raises it at once. Signals are only
    listened to in the main thread; elsewhere (a GUI's worker) `cancelled` is the way to stop. The handlers that were
    there before come back at the end.
    """
    asked: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            message = f"stopped by a second {signal.Signals(number).name}."
            raise Cancelled(message)

    def is_asked() -> bool:
        return bool(asked) or (cancelled is not None and cancelled())

    if threading.current_thread() is not threading.main_thread():
        yield is_asked
        return
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield is_asked
    except Cancelled as error:
        error.signal_number = asked[0] if asked else 0
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
