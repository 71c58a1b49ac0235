"""The process in which `medseg.io.isolated` reads: it takes requests, reads under limits, and answers.

Whatever a decoder writes to the standard streams is lost on purpose: some print header values.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from medseg.errors import ImageFormatError, MedsegError, StorageError
from medseg.images import Image
from medseg.io.base import ReadRequest
from medseg.io.budget import OVER_BUDGET, Budget, within_budget
from medseg.io.isolated_messages import LENGTH, READY, Answer, Task
from medseg.verdicts import Outcome, RefusedImageError, Verdict

_ROOM_BESIDE_BUDGET = 256 * 2**20
"""Address space beyond the budget: libraries that are loaded with the first file of a kind, and thread stacks."""
_SECONDS_OF_GRACE = 2
"""How much later than the parent the child ends itself; for parents that died."""
_REMEDY = "The file is damaged, or larger than the limits foresee. Copy it again, or leave it out"

Read = Callable[[Path, ReadRequest], Image]


def serve(reader: str) -> None:
    """Answer tasks from standard input until it ends.

    Args:
        reader: "module:function" that reads; `medseg.io.dispatch:read_with`.
    """
    tasks, answers = _private_streams()
    _leave_no_core_dump()
    module, _, name = reader.partition(":")
    read: Read = getattr(importlib.import_module(module), name)
    _send(answers, READY)
    while (task := _next_task(tasks)) is not None:
        _send(answers, pickle.dumps(_answer(task, read)))


def _send(answers: BinaryIO, content: bytes) -> None:
    answers.write(LENGTH.pack(len(content)) + content)
    answers.flush()


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output under other numbers; the standard ones then lead nowhere."""
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return tasks, answers


def _next_task(tasks: BinaryIO) -> Task | None:
    header = tasks.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    task: Task = pickle.loads(tasks.read(LENGTH.unpack(header)[0]))  # noqa: S301 - from the parent, which started this
    return task


def _answer(task: Task, read: Read) -> Answer:
    _reset_peak()
    before = _peak_bytes()
    try:
        os.chdir(task.folder)
        with _limited(task), within_budget(Budget(task.max_bytes)):
            image = read(task.path, task.request)
            order = _write_voxels(image.array, task.voxels)
    except MedsegError as error:
        return Answer(error=error, peak_bytes=_peak_bytes() - before)
    except MemoryError:
        cause = f"its reader asked for more memory than the {task.max_bytes} bytes it may use"
        refusal = RefusedImageError([Verdict(Outcome.REFUSE, OVER_BUDGET, task.path, cause, _REMEDY)])
        return Answer(error=refusal, peak_bytes=_peak_bytes() - before)
    except Exception as error:  # noqa: BLE001 - a bug of ours; the parent must learn of it all the same
        message = f"{task.path}: cannot be read ({type(error).__name__}, a fault in medseg). Please report it."
        return Answer(error=ImageFormatError(message), peak_bytes=_peak_bytes() - before)
    return Answer(
        shape=image.array.shape,
        order=order,
        dtype=image.array.dtype.str,
        axes=image.axes,
        matrix=tuple(tuple(row) for row in image.affine.matrix.tolist()),
        metadata=image.metadata,
        peak_bytes=_peak_bytes() - before,
    )


def _write_voxels(array: np.ndarray, path: Path) -> tuple[int, ...]:
    """Write the voxels as they lie in memory, without a copy where they lie without gaps; return that order.

    Raises:
        StorageError: there is no room for them.
    """
    order = tuple(sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis)))
    try:
        with path.open("wb") as file:
            np.ascontiguousarray(array.transpose(order)).tofile(file)
    except OSError as error:
        message = (
            f"cannot write {array.nbytes} bytes of voxels to the folder for temporary files ({path.parent}). "
            "Free some space there, or name another folder in TMPDIR."
        )
        raise StorageError(message) from error
    return order


@contextlib.contextmanager
def _limited(task: Task) -> Iterator[None]:
    """Cap address space and time while a file is read; both end with the block."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit
        yield
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    with contextlib.suppress(OSError, ValueError):  # systems without /proc, or that do not know this limit
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        wanted = used + task.max_bytes + _ROOM_BESIDE_BUDGET
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, task.max_seconds + _SECONDS_OF_GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _leave_no_core_dump() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reset_peak() -> None:
    """Let the kernel forget the highest memory so far; Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_bytes() -> int:
    """Highest resident memory of this process since `_reset_peak`; 0 where it is not known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
