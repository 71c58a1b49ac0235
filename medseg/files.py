"""Writing files so that a final name never holds half a file."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medseg.errors import StorageError

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space or choose a folder on another disk."),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Choose a folder that you may write to."),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), "Something of another kind has that name: move it."),
}
"""What the user can do, by error number."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary name keeps every suffix of `path` (writers choose the format by suffix). The file is flushed to disk
    before it is renamed, so that after a power cut the final name holds all of it or does not exist.

    Raises:
        StorageError: the disk is full, the folder is read-only, or another error of the operating system about this
            path. One that names another file (an input that the block reads) is left as it is.
    """
    temporary = _temporary(path)
    try:
        with _storage_errors(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush_to_disk(temporary)
            temporary.replace(path)
    finally:
        with suppress(OSError):  # where the folder could not be made there is nothing to remove
            temporary.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, for a folder that becomes `path` when the block ends without an error.

    What stood at `path` is moved aside first and deleted afterwards, since no system renames a folder over another: a
    power cut between the two leaves the old one under a hidden name. A link at `path` is replaced, not followed.

    Raises:
        StorageError: as in `atomic_path`.
    """
    temporary = _temporary(path)
    aside = _temporary(path)
    try:
        with _storage_errors(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _flush_to_disk(file)
            if path.is_symlink() or path.exists():
                path.rename(aside)
            temporary.rename(path)
    finally:
        if not path.exists() and (aside.is_symlink() or aside.exists()):
            aside.rename(path)
        remove(temporary)
        remove(aside)


def check_writable(folder: Path) -> None:
    """Make `folder` where it is missing, and pass when a file can be made in it: asked before a long work begins.

    Raises:
        StorageError: it cannot; see `atomic_path`.
    """
    probe = _temporary(folder / "probe")
    try:
        with _storage_errors(folder, probe):
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()  # a full disk is left to the file that does not fit, whose name says more
    finally:
        with suppress(OSError):
            probe.unlink()


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    Bytes of file names that are no text become backslash codes, which JSON reads back.

    Raises:
        StorageError: see `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(4)}.part.{path.name}")


@contextmanager
def _storage_errors(path: Path, temporary: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError) or _is_about_another_file(error, path, temporary):
            raise
        remedy = _REMEDIES.get(error.errno or 0, "Choose another place for it.")
        message = f"cannot write {path}: {error.strerror or error}. {remedy}"
        raise StorageError(message) from error


def remove(path: Path) -> None:
    """Delete a file, link or folder, where it is there and may be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


def _is_about_another_file(error: OSError, path: Path, temporary: Path) -> bool:
    if not isinstance(error.filename, str | os.PathLike):
        return False
    named = Path(error.filename)
    return named not in {path, temporary, *path.parents} and temporary not in named.parents


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that a killed process left in `folder`; nobody else may be writing there."""
    for leftover in folder.glob(".????????.part.*"):
        remove(leftover)
