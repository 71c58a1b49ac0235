"""Writing files so that a final name never holds half a file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg.errors import StorageError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary name keeps every suffix of `path` (writers choose the format by suffix). The file is flushed to disk
    before it is renamed, so that after a power cut the final name holds all of it or does not exist.

    Raises:
        StorageError: the disk is full, the folder is read-only, or another error of the operating system.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.part.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        message = f"cannot write {path}: {error.strerror or error}. Free some space or choose another --output."
        raise StorageError(message) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    Raises:
        StorageError: see `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
