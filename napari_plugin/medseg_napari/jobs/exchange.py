"""Messages between the window and its worker process: pickles, with large arrays as files that are mapped.

Both ends are this very program, on one machine and of one user; nothing else is ever unpickled.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import pickle
import struct
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_LARGE_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Task:
    """Call `function` ("module:name") with `arguments`, and where it is a long one, with `progress` and `cancelled`."""

    function: str
    arguments: tuple[Any, ...]
    is_long: bool


@dataclass(frozen=True)
class Stop:
    """The task under way is no longer wanted."""


@dataclass(frozen=True)
class Step:
    """How far the task is, 0 to 1."""

    fraction: float


@dataclass(frozen=True)
class Answer:
    """The end of a task: its result, or the error it ended with; `details` is a traceback for what was not foreseen."""

    result: Any = None
    error: BaseException | None = None
    details: str = ""


class Exchange:
    """Writes and reads messages; one at each end.

    Args:
        folder: for the files of large arrays; both ends use the same.
        name: of this end, so that the files of the two do not collide.
    """

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._names = (folder / f"{name}-{number}.npy" for number in itertools.count())
        self._sent: list[tuple[weakref.ref[NDArray[Any]], Path]] = []

    def send(self, stream: IO[bytes], message: object) -> None:
        """Write a message."""
        content = io.BytesIO()
        _Pickler(content, self._stored).dump(message)
        stream.write(_LENGTH.pack(content.tell()) + content.getvalue())
        stream.flush()

    @staticmethod
    def receive(stream: IO[bytes]) -> Any:
        """The next message; None at the end of the stream."""
        head = stream.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        content = stream.read(_LENGTH.unpack(head)[0])
        return pickle.loads(content)  # noqa: S301 - see the top

    def tidy(self) -> None:
        """Delete the files that nobody will open again.

        They are those of arrays that this end sent and that no longer exist here, and all that the other end sent,
        which is mapped by now. Call it between two tasks, at the end that gives them. Where mapped files cannot be
        deleted, as on Windows, they go with the folder.
        """
        self._sent = [one for one in self._sent if one[0]() is not None]
        wanted = {path for _, path in self._sent}
        for path in self._folder.glob("*.npy"):
            if path not in wanted:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _stored(self, array: NDArray[Any]) -> Path:
        """The file of an array; an array that was sent before is not written again."""
        for known, path in self._sent:
            if known() is array:
                return path
        path = next(self._names)
        np.save(path, array)
        self._sent.append((weakref.ref(array), path))
        return path


class _Pickler(pickle.Pickler):
    def __init__(self, stream: IO[bytes], stored: Callable[[NDArray[Any]], Path]) -> None:
        super().__init__(stream, protocol=5)
        self._stored = stored

    def reducer_override(self, value: Any) -> Any:
        """Large arrays as their files; all else as ever."""
        if isinstance(value, np.ndarray) and value.nbytes >= _LARGE_BYTES:
            return mapped, (os.fspath(self._stored(value)),)
        return NotImplemented


def mapped(path: str) -> NDArray[Any]:
    """The array in a file, read as it is touched; writing to it changes memory only."""
    array: NDArray[Any] = np.load(path, mmap_mode="c")
    return np.asarray(array)
