"""Reading in a process of its own, so that a decoder that hangs, crashes or eats memory costs one image and no more.

The child is started once and reads many files; it is killed, and replaced for the next file, when it oversteps. The
voxels come back through a temporary file that is mapped into memory.
"""

from __future__ import annotations

import atexit
import io
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from medseg.errors import StorageError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.io.base import ReadRequest
from medseg.io.budget import current_budget
from medseg.io.isolated_messages import LENGTH, READY, Answer, Task
from medseg.verdicts import Outcome, RefusedImageError, Verdict

READER_HANGS = "reader-hangs"
READER_DIED = "reader-died"
DEFAULT_SECONDS = 300.0
"""Enough for a series of some thousand slices on a slow network disk."""
_SECONDS_TO_START = 60.0
_READER = "medseg.io.dispatch:read_with"
_MODULE = "medseg.io.isolated_child"
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread's arena and stack reserve address space, which is what is limited."""
_MAY_BE_UNPICKLED = {
    "medseg.verdicts": {"Verdict", "Outcome", "RefusedImageError"},
    "medseg.io.isolated_messages": {"Answer"},
    "medseg.images.metadata": {"ImageMetadata"},
    "medseg.images.label_table": {"LabelTable", "Label", "CodedConcept"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "pathlib": {"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
    "builtins": {"frozenset", "set", "complex", "bytearray"},
}
"""A decoder that was taken over could send anything; only these names are looked up, none of which runs a command."""
_ERRORS_MODULE = "medseg.errors"


@dataclass(frozen=True)
class ReadingLimits:
    """What one image may cost.

    Attributes:
        max_seconds: by the clock, from the request to the voxels.
        max_bytes: memory for the image with all its copies; None is what `medseg.io.budget` allows.
    """

    max_seconds: float = DEFAULT_SECONDS
    max_bytes: int | None = None


class ReadingProcess:
    """A child process that reads one image after another; close it, or use it as a context manager.

    Args:
        reader: "module:function" by which the child reads.
    """

    def __init__(self, *, reader: str = _READER) -> None:
        self._reader = reader
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._lock = threading.Lock()
        self.peak_bytes = 0
        """Memory the last image took in the child, beyond what it had; 0 where that is not known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: Path, request: ReadRequest, *, limits: ReadingLimits) -> Image:
        """The image at `path`, read in the child.

        Raises:
            RefusedImageError: the reader took too long ("reader-hangs") or died ("reader-died").
            MedsegError: what the reader itself raised.
            StorageError: no room for the voxels in the folder for temporary files.
        """
        max_bytes = current_budget().max_bytes if limits.max_bytes is None else limits.max_bytes
        with self._lock, _voxel_file() as voxels:
            task = Task(path, Path.cwd(), request, voxels, limits.max_seconds, max_bytes)
            answer = self._answered(task)
            self.peak_bytes = answer.peak_bytes
            if answer.error is not None:
                raise answer.error
            return _image_of(answer, _mapped(answer, voxels))

    def close(self) -> None:
        """End the child; the next `read` starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _answered(self, task: Task) -> Answer:
        child = self._started(task.path)
        content = pickle.dumps(task)
        try:
            with suppress(OSError):  # a child that is dead: its queue says so
                assert child.stdin is not None  # noqa: S101 - it was opened as a pipe
                child.stdin.write(LENGTH.pack(len(content)) + content)
                child.stdin.flush()
            answer = self._answers.get(timeout=task.max_seconds)
            return _unpickled(self._alive(answer, task.path))
        except queue.Empty:
            self.close()
            cause = f"its reader did not end within {task.max_seconds:g} s and was stopped"
            raise _refusal(READER_HANGS, task.path, cause) from None
        except pickle.UnpicklingError as error:
            self.close()
            raise _refusal(READER_DIED, task.path, f"its reader gave no sensible answer ({error})") from error
        except BaseException:  # Ctrl-C: the answer to come would be taken for the next file's
            self.close()
            raise

    def _alive(self, answer: bytes | None, path: Path) -> bytes:
        if answer is not None:
            return answer
        child = self._child
        if child is None:
            raise _refusal(READER_DIED, path, "its reader was stopped")
        child.wait()
        self.close()
        raise _refusal(READER_DIED, path, f"its reader died ({_how_it_ended(child.returncode)})")

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        paths = os.pathsep.join(place for place in sys.path if place)
        child = subprocess.Popen(  # noqa: S603 - this very Python, no shell
            [sys.executable, "-P", "-m", _MODULE, self._reader],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": paths},
        )
        self._child, self._answers = child, queue.Queue()
        threading.Thread(target=_listen, args=(child.stdout, self._answers), daemon=True).start()
        try:
            ready = self._alive(self._answers.get(timeout=_SECONDS_TO_START), path)
        except queue.Empty:
            ready = b""
        if ready != READY:
            self.close()
            raise _refusal(READER_DIED, path, "the process that should read it did not start")
        return child


def read_isolated(
    path: str | Path, request: ReadRequest | None = None, *, limits: ReadingLimits | None = None
) -> Image:
    """The image at `path`, as `medseg.io.read_image` gives it, read by this process's reading child.

    The first call starts the child, which takes about half a second; it then stays for the next.

    Raises:
        RefusedImageError: the reader took too long ("reader-hangs") or died ("reader-died").
        MedsegError: see `medseg.io.read_image`.
    """
    return _own_process().read(Path(path), request or ReadRequest(), limits=limits or ReadingLimits())


def stop_reading() -> None:
    """End this process's reading child, from any thread; what it is reading is refused as "reader-died"."""
    if os.getpid() in _OWN:
        _own_process().close()


_OWN: dict[int, ReadingProcess] = {}
"""Process number -> its reading child; a forked process must not use its parent's."""


def _own_process() -> ReadingProcess:
    number = os.getpid()
    if number not in _OWN:
        _OWN.clear()
        _OWN[number] = ReadingProcess()
        atexit.register(_OWN[number].close)
    return _OWN[number]


class _voxel_file:  # noqa: N801 - used like a function
    """A context with the name of an empty temporary file, which is deleted at its end.

    Where it was mapped, the memory stays valid on POSIX systems; Windows refuses to delete it, so it is read there.
    """

    def __enter__(self) -> Path:
        number, name = tempfile.mkstemp(prefix="medseg-", suffix=".voxels")
        os.close(number)
        self._path = Path(name)
        return self._path

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._path.unlink()


def _listen(stream: IO[bytes], answers: queue.Queue[bytes | None]) -> None:
    """Put each message of the child into the queue, and None at its end."""
    with suppress(OSError, ValueError):
        while len(header := stream.read(LENGTH.size)) == LENGTH.size:
            length = LENGTH.unpack(header)[0]
            content = stream.read(length)
            if len(content) < length:
                break
            answers.put(content)
    answers.put(None)


class _AnswerUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _MAY_BE_UNPICKLED.get(module, ()) or (module == _ERRORS_MODULE and name.isidentifier()):
            return super().find_class(module, name)
        message = f"the reading child may not send {module}.{name}"
        raise pickle.UnpicklingError(message)


def _unpickled(content: bytes) -> Answer:
    answer = _AnswerUnpickler(io.BytesIO(content)).load()
    assert isinstance(answer, Answer)  # noqa: S101
    return answer


def _mapped(answer: Answer, voxels: Path) -> NDArray:
    """The array, in the child's order of memory; changes to it stay in this process."""
    shape = tuple(answer.shape[axis] for axis in answer.order)
    dtype = np.dtype(answer.dtype)
    try:
        if os.name == "nt":
            stored = np.fromfile(voxels, dtype=dtype).reshape(shape)
        else:
            stored = np.memmap(voxels, dtype=dtype, mode="c", shape=shape).view(np.ndarray)
    except (OSError, ValueError) as error:
        message = f"cannot read {voxels} back ({error}). Free some space in the folder for temporary files (TMPDIR)."
        raise StorageError(message) from error
    return stored.transpose(np.argsort(answer.order))


def _image_of(answer: Answer, array: NDArray) -> Image:
    assert answer.metadata is not None  # noqa: S101 - only answers with an error lack it
    affine = Affine(answer.matrix, frame=WorldFrame.RAS)
    return Image(array, affine, axes=answer.axes, metadata=answer.metadata)


def _how_it_ended(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return "killed, probably for want of memory" if name == "SIGKILL" else f"crashed with {name}"


def _refusal(code: str, path: Path, cause: str) -> RefusedImageError:
    remedy = "The file is damaged, or larger than the limits foresee. Copy it again, or leave it out"
    return RefusedImageError([Verdict(Outcome.REFUSE, code, path, cause, remedy)])
