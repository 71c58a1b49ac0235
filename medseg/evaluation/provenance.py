"""Where an evaluation's numbers come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medseg.errors import InputError


@dataclass(frozen=True)
class InputRecord:
    """One file that was scored.

    Attributes:
        role: "reference", "prediction" or "probabilities".
        path: as it was given.
        sha256: of its bytes; for a folder, of its files' names and bytes in order of name.
    """

    role: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """What was scored, with what.

    Attributes:
        medseg_version: version of medseg that scored.
        inputs: the files; empty where maps in memory were scored.
        slices: the slices that were chosen, as the caller wrote them; None is all.
        options: the other choices that change the scores, by name.
    """

    medseg_version: str = ""
    inputs: tuple[InputRecord, ...] = ()
    slices: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def medseg_version() -> str:
    """Version of the installed medseg, "unknown" where it runs without being installed."""
    try:
        return version("medseg")
    except PackageNotFoundError:
        return "unknown"


def record_input(path: Path, *, role: str) -> InputRecord:
    """Path and content hash of a file or folder.

    Raises:
        InputError: it cannot be read.
    """
    files: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else (path,)
    digest = hashlib.sha256()
    try:
        for file in files:
            if path.is_dir():
                digest.update(str(file.relative_to(path)).encode())
            if file.is_file():
                _add_bytes(digest, file)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error})."
        raise InputError(message) from error
    return InputRecord(role, str(path), digest.hexdigest())


def _add_bytes(digest: hashlib._Hash, file: Path) -> None:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
