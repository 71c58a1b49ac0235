"""Writing several kinds of file of one layer of objects, none of them over a file that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import Cancelled, InputError
from medseg.files import check_writable
from medseg_napari.exporting.elsewhere import WriteOne, writer
from medseg_napari.exporting.formats import FORMATS, Choices, Format
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.exporting.trail import write_trail
from medseg_napari.review.audit import audit_path

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 80
_LONGEST_BYTES = 200
"""Of the 255 that a file system takes."""
_NAME = re.compile(r"\w([^/\\:*?\"<>|\x00-\x1f]*[\w)\]+-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names of devices on Windows."""


@dataclass(frozen=True)
class ExportRequest:
    """What to write and where.

    Attributes:
        folder: that the files go into.
        name: the common part of their names.
        keys: of the formats.
        choices: what else was chosen.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    choices: Choices = field(default_factory=Choices)

    @property
    def formats(self) -> tuple[Format, ...]:
        """The kinds of file, in the order of `FORMATS`."""
        return tuple(one for one in FORMATS if one.key in self.keys)

    def paths_of(self, one: Format) -> tuple[Path, ...]:
        """The files of one kind, the audit trail not among them."""
        return tuple(self.folder / f"{self.name}{ending}" for ending in one.endings)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that will be written."""
        return tuple(path for one in self.formats for path in (*self.paths_of(one), *self._trail_of(one)))

    def _trail_of(self, one: Format) -> tuple[Path, ...]:
        return (audit_path(self.paths_of(one)[0]),) if one.is_mask else ()


@dataclass(frozen=True)
class ExportResult:
    """What became of a request.

    Attributes:
        paths: of the files that were written.
        failures: kind of file -> why it was not written; the others were.
        left_out: number of the objects that are in no file, since they were rejected.
    """

    paths: tuple[Path, ...]
    failures: tuple[tuple[str, Exception], ...] = ()
    left_out: int = 0


def export(
    request: ExportRequest,
    subject: Callable[[], ExportSubject],
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> ExportResult:
    """Write the files one after the other, beside a window; one that cannot be written does not hold up the others.

    Args:
        request: what to write.
        subject: gives the objects.
        progress: told how far it is, 0 to 1.
        cancelled: asked before each kind of file.

    Raises:
        InputError: nothing is to be written, or a file of one of the names is there.
        StorageError: the folder cannot be written to.
        Cancelled: `cancelled` said so; files that were finished stay.
    """
    check_names(request)
    check_writable(request.folder)
    objects = subject()
    failures: list[tuple[str, Exception]] = []
    steps = len(request.formats) + 1
    with writer() as write_one:
        for step, one in enumerate(request.formats, start=1):
            if cancelled():
                message = "Export cancelled; the files that were finished stay."
                raise Cancelled(message)
            progress(step / steps)
            try:
                _write(write_one, one, objects, request)
            except Exception as error:  # noqa: BLE001 - told with its kind of file; the other kinds are written
                failures.append((one.title, error))
    progress(1.0)
    return ExportResult(taken(request.paths), tuple(failures), len(objects.rejected))


def _write(write_one: WriteOne, one: Format, objects: ExportSubject, request: ExportRequest) -> None:
    paths = request.paths_of(one)
    write_one(one, objects, paths, request.choices)
    if one.is_mask:
        write_trail(objects, paths[0], one=one, choices=request.choices)


def check_names(request: ExportRequest) -> None:
    """Pass when the files have names that are free.

    Raises:
        InputError: they have not.
    """
    if not request.formats:
        message = "export: expected at least one kind of file, got none. Tick one."
        raise InputError(message)
    if not _is_name(request.name):
        message = (
            f'export: expected a name of up to {_LONGEST_BYTES} bytes without / \\ : * ? " < > |, that begins and ends '
            f"with a letter or digit, got {request.name!r}. Change it."
        )
        raise InputError(message)
    there = taken(request.paths)
    if there:
        message = f"{there[0]}: a file of this name is there already, and nothing is written over. Choose another name."
        raise InputError(message)


def minted(title: str) -> str:
    """A file name from the title of a layer: spaces and signs become dashes."""
    return _NOT_IN_NAMES.sub("-", title).strip("-.")[:_LONGEST_NAME].rstrip("-.")


def _is_name(text: str) -> bool:
    """Whether files can be called so on every system, with an ending and the marks of unfinished ones."""
    return len(text.encode()) <= _LONGEST_BYTES and _NAME.fullmatch(text) is not None and not _RESERVED.match(text)


def free_name(folder: Path, title: str, keys: Sequence[str]) -> str:
    """A name from the title of a layer under which nothing stands in `folder` yet."""
    stem = minted(title) or "objects"
    name, number = stem, 1
    while taken(ExportRequest(folder, name, tuple(keys)).paths):
        number += 1
        name = f"{stem}-{number}"
    return name


def taken(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Those of the files that are there."""
    return tuple(path for path in paths if path.exists() or path.is_symlink())
