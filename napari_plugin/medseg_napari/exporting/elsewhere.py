"""DICOM objects are written in a process of their own.

highdicom reads its tables in one call of half a second that lets no other thread of Python run, and the window waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg.errors import OutOfMemoryError
from medseg_napari.exporting.formats import FORMATS, Choices, Format
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.jobs.worker_process import WorkerProcess

_WRITE = f"{__name__}:write"
WriteOne = Callable[[Format, ExportSubject, tuple[Path, ...], Choices], None]


@contextmanager
def writer() -> Iterator[WriteOne]:
    """What writes one kind of file, those of DICOM in a process that starts with the first and ends with the block.

    It blocks; call it beside the window. It raises what the writing raises, `OutOfMemoryError` where the system ended
    the process, and `RuntimeError` for what was not foreseen there.
    """
    worker = WorkerProcess()

    def write_one(one: Format, subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
        if not one.is_dicom:
            one.write(subject, paths, choices)
            return
        try:
            worker.call(_WRITE, one.key, subject, paths, choices)
        except OutOfMemoryError as error:
            message = "The export was ended by the system, most likely for want of memory. Close other programs first."
            raise OutOfMemoryError(message) from error

    try:
        yield write_one
    finally:
        worker.close()


def write(key: str, subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    """Write a kind of file here; what the process is asked."""
    (one,) = (one for one in FORMATS if one.key == key)
    one.write(subject, paths, choices)
