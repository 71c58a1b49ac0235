"""What Ctrl-C and SIGTERM do to a command: they end it as an error would, so that what it holds is let go."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """End the block with exit code 128 + the signal's number, as shells count: 130 for Ctrl-C, 143 for SIGTERM.

    The temporary files and processes of the block are cleared away on the way out. A signal that is being ignored
    (nohup) stays ignored. The handlers that were there before come back at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    # Not print(): the signal may have come in the middle of one, and a stream must not be entered twice.
    os.write(2, f"medseg: stopped by {signal.Signals(number).name}.\n".encode())
    raise SystemExit(exit_code(number))


def exit_code(signal_number: int) -> int:
    """Exit code of a command that a signal stopped; that of Ctrl-C where a person stopped it otherwise."""
    return 128 + (signal_number or signal.SIGINT)
