"""The list of cases of a batch: what lies in the folder, under which name its results will stand."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medseg.io import case_name, list_inputs

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class CaseJob:
    """One case to be done.

    Attributes:
        case_id: name of its result folder, unique in the batch.
        source: image file or DICOM series folder.
    """

    case_id: str
    source: Path


def find_cases(folder: Path) -> tuple[CaseJob, ...]:
    """Cases of a folder at any depth, by ascending path; a single image file is one case.

    The name of a case is its path below the folder with the separators replaced; the suffix stays only where two files
    differ in nothing else.

    Raises:
        InputError: the folder is missing or holds no image.
    """
    sources = list_inputs(folder)
    root = folder if folder.is_dir() else folder.parent
    short = [_case_name(source, root, keep_suffix=False) for source in sources]
    doubled = {name for name, count in Counter(short).items() if count > 1}
    names = [
        _case_name(source, root, keep_suffix=True) if name in doubled else name
        for source, name in zip(sources, short, strict=True)
    ]
    return tuple(CaseJob(name, source.resolve()) for name, source in zip(names, sources, strict=True))


def content_hash(source: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        if path != source:
            digest.update(path.relative_to(source).as_posix().encode() + b"\0")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _case_name(source: Path, root: Path, *, keep_suffix: bool) -> str:
    relative = source.relative_to(root)
    if str(relative) == ".":
        return source.resolve().name
    parts = list(relative.parts)
    if source.is_file() and not keep_suffix:
        parts[-1] = case_name(source)
    return "__".join(parts)
