"""The process in which models run: `python -m medseg_napari.jobs.worker_child FOLDER`.

It is not the window's process, since loading torch holds Python for tenths of a second, a crash or a lack of memory
would take the window along, and what can be killed can always be cancelled.
"""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import BinaryIO

from medseg.errors import Cancelled, MedsegError
from medseg_napari.jobs.exchange import Answer, Exchange, Step, Stop, Task

_BEHIND_THE_WINDOW = 5
"""By how much less pressing than the window the process is where both want the same processor."""


def serve(folder: Path) -> None:
    """Work off tasks from standard input until it ends."""
    if hasattr(os, "nice"):
        os.nice(_BEHIND_THE_WINDOW)
    tasks, answers = _private_streams()
    exchange = Exchange(folder, name="child")
    waiting: queue.Queue[Task | None] = queue.Queue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(exchange, tasks, waiting, stop), daemon=True).start()
    while (task := waiting.get()) is not None:
        exchange.send(answers, _answer(task, exchange, answers, stop))


def _listen(exchange: Exchange, tasks: BinaryIO, waiting: queue.Queue[Task | None], stop: threading.Event) -> None:
    while True:
        message = exchange.receive(tasks)
        if message is None:  # the window is gone: so is the wish for what is under way
            os._exit(0)
        if isinstance(message, Stop):
            stop.set()
        else:
            stop.clear()
            waiting.put(message)


def _answer(task: Task, exchange: Exchange, answers: BinaryIO, stop: threading.Event) -> Answer:
    module, _, name = task.function.partition(":")

    def progress(fraction: float) -> None:
        exchange.send(answers, Step(fraction))

    try:
        function = getattr(importlib.import_module(module), name)
        more = (progress, stop.is_set) if task.is_long else ()
        return Answer(function(*task.arguments, *more))
    except (MedsegError, Cancelled) as error:
        return Answer(error=error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the window is told and this process lives on
        return Answer(error=RuntimeError(f"{type(error).__name__}: {error}"), details=traceback.format_exc())


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output under other numbers: what libraries print must not end up among the answers."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nowhere, number)
    return tasks, answers


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
