"""One run at a time in an output folder.

Two files do it. The operating system locks `.medseg.lock` (flock, on Windows msvcrt) and lets go of it when the process
ends, however hard. `.medseg.running.json` says who runs here: for the message of the second run, and for where the lock
does not reach, between two hosts whose network file system keeps locks to itself.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from medseg.errors import InputError, StorageError
from medseg.files import write_text_atomically

LOCK_NAME = ".medseg.lock"
HOLDER_NAME = ".medseg.running.json"
LOCK_FILES = frozenset({LOCK_NAME, HOLDER_NAME})
"""Names that say nothing about what a folder holds."""


@dataclass(frozen=True)
class Holder:
    """The process that writes to a folder.

    Attributes:
        host: its machine.
        pid: its number there.
        started: when it began, ISO 8601 in UTC.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Self:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}"


@contextmanager
def one_run_at_a_time(folder: Path, *, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `folder`, which is made where it is missing, until the block ends.

    Args:
        folder: where the block writes.
        say: takes the line that tells of a run that ended without letting go.

    Raises:
        InputError: another run writes there, or may do so from another host.
        StorageError: the folder or the lock cannot be written.
    """
    is_new = not folder.exists()
    lock = _locked(folder)
    try:
        _take_over(folder, say=say)
        holder = folder / HOLDER_NAME
        write_text_atomically(holder, json.dumps(asdict(Holder.here())) + "\n")
        try:
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
    finally:
        if is_new and {path.name for path in folder.iterdir()} == {LOCK_NAME}:
            shutil.rmtree(folder, ignore_errors=True)  # the block refused before it wrote anything
        lock.release()


def _locked(folder: Path) -> FileLock:
    lock = FileLock(str(folder / LOCK_NAME), blocking=False, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        holder = _read_holder(folder)
        who = f": {holder}" if holder is not None else ""
        message = f"{folder}: another run writes here{who}. Wait for its end, or choose another --output."
        raise InputError(message) from None
    except OSError as error:
        message = f"cannot lock {folder}: {error.strerror or error}. Choose a folder that you may write to."
        raise StorageError(message) from error
    return lock


def _take_over(folder: Path, *, say: Callable[[str], None]) -> None:
    """Pass where whoever ran here last is gone; with the lock in hand, that is so for every process of this host."""
    holder = _read_holder(folder)
    if holder is None:
        return
    if holder.host != Holder.here().host:
        message = (
            f"{folder}: {holder}, may still write here; from this machine that cannot be seen. "
            f"When it has ended, delete {folder / HOLDER_NAME} and start again."
        )
        raise InputError(message)
    say(f"{folder}: the run before ({holder}) ended without letting go of the folder; taken over.")


def _read_holder(folder: Path) -> Holder | None:
    """Who says to be running there; None where nobody does, or where it cannot be made out."""
    try:
        content = json.loads((folder / HOLDER_NAME).read_text(encoding="utf-8"))
        return Holder(str(content["host"]), int(content["pid"]), str(content["started"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
