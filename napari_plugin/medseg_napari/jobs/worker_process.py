"""The window's side of the process in which models run."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from medseg.errors import Cancelled, MedsegError, OutOfMemoryError
from medseg_napari.jobs.exchange import Answer, Exchange, Step, Stop, Task

_MODULE = "medseg_napari.jobs.worker_child"
_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_STOP = 0.5
"""How long a task may take to obey before its process is ended; the next task then waits for a new one to start."""


class WorkerProcess:
    """A child process that works off one task at a time; it starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def call(
        self,
        function: str,
        *arguments: Any,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """What a function answers in the child. Blocks; call it beside the window.

        Args:
            function: "module:name"; it is called with the arguments and, for a long one, `progress` and `cancelled`.
            arguments: anything that can be pickled; large arrays travel as files.
            progress: called with the finished fraction; absent for a function that is quickly done.
            cancelled: asked all the time; a child that does not obey soon is ended.

        Raises:
            Cancelled: `cancelled` said so.
            OutOfMemoryError: the child was killed, as systems do that run out of memory.
            MedsegError: what the function raised.
            RuntimeError: what it raised unforeseen, with its traceback as a note; or the child died.
        """
        while not self._lock.acquire(timeout=_SECONDS_BETWEEN_LOOKS):
            if cancelled():
                raise Cancelled(function)
        try:
            child = self._running()
            self._exchange.send(_writable(child), Task(function, arguments, is_long=progress is not None))
            return self._result(child, progress, cancelled)
        except (BrokenPipeError, EOFError) as error:
            raise self._death() from error
        finally:
            self._exchange.tidy()
            self._lock.release()

    def close(self) -> None:
        """End the child and delete what was exchanged."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        self._folder = Path(tempfile.mkdtemp(prefix="medseg-"))
        self._exchange = Exchange(self._folder, name="window")
        paths = os.pathsep.join(place for place in sys.path if place)
        child = subprocess.Popen(  # noqa: S603 - this very Python, no shell
            [sys.executable, "-P", "-m", _MODULE, os.fspath(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._child, self._messages = child, queue.Queue[Any]()
        threading.Thread(target=_listen, args=(child.stdout, self._messages), daemon=True).start()
        return child

    def _result(
        self, child: subprocess.Popen[bytes], progress: Callable[[float], None] | None, cancelled: Callable[[], bool]
    ) -> Any:
        waited = 0.0
        while True:
            try:
                message = self._messages.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                message = None
            if isinstance(message, Step) and progress is not None:
                progress(message.fraction)
            elif isinstance(message, Answer):
                return _opened(message)
            elif isinstance(message, EOFError):
                raise message
            if cancelled():
                if waited == 0.0:
                    self._exchange.send(_writable(child), Stop())
                waited += _SECONDS_BETWEEN_LOOKS
                if waited > _SECONDS_TO_STOP:
                    self.close()
                    raise Cancelled(_MODULE)

    def _death(self) -> MedsegError | RuntimeError:
        """Why there is no answer."""
        child = self._child
        with contextlib.suppress(subprocess.TimeoutExpired):
            if child is not None:
                child.wait(_SECONDS_TO_STOP)
        code = None if child is None else child.poll()
        self.close()
        if code == -9:  # SIGKILL, which Windows does not name
            message = (
                "The model's process was ended by the system, most likely for want of memory. "
                "Choose a region, or a computer with more memory."
            )
            return OutOfMemoryError(message)
        message = f"The model's process gave no answer (exit code {code}). Nothing in the window was changed."
        return RuntimeError(message)


def _opened(answer: Answer) -> Any:
    if answer.error is not None:
        if answer.details:
            answer.error.add_note(answer.details)
        raise answer.error
    return answer.result


def _writable(child: subprocess.Popen[bytes]) -> IO[bytes]:
    if child.stdin is None:
        raise EOFError
    return child.stdin


def _listen(stream: IO[bytes], messages: queue.Queue[Any]) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed from the other thread
        while (message := Exchange.receive(stream)) is not None:
            messages.put(message)
    messages.put(EOFError())


MODELS = WorkerProcess()
"""The process in which this program's models run."""
atexit.register(MODELS.close)
