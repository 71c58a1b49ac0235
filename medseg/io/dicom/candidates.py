"""Which files of a folder could be DICOM, by name and first bytes; nothing outside the folder is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medseg.io.dicom.signature import DICOM_SUFFIXES, is_dicom_file, starts_like_bare_dicom
from medseg.io.refusals import flag
from medseg.verdicts import Outcome, Verdict

DIRECTORY_NAME = "DICOMDIR"
"""The table of contents of a medium. It is not needed, and the paths in it are not followed."""


@dataclass(frozen=True)
class Candidates:
    """The files of a folder and its sub-folders, sorted by what they claim to be.

    Attributes:
        paths: DICOM by signature or suffix.
        bare: without either, but starting as a DICOM file without preamble does.
        damaged: a refusal for each empty file that looks like one of the slices.
        left_out: a flag for each other file, and for links that lead out of the folder.
    """

    paths: tuple[Path, ...]
    bare: tuple[Path, ...] = ()
    damaged: tuple[Verdict, ...] = ()
    left_out: tuple[Verdict, ...] = ()


def candidates_in(root: Path, *, follow_links: bool = False) -> Candidates:
    """The files in `root` and below. Hidden files and a DICOMDIR are passed over.

    Args:
        root: a folder.
        follow_links: whether links to files outside `root` are read; linked folders never are.

    Raises:
        OSError: the folder cannot be listed.
    """
    paths: list[Path] = []
    bare: list[Path] = []
    empty: list[Path] = []
    left_out: list[Verdict] = []
    inside = root.resolve()
    for path in _walked(root):
        if path.is_symlink():
            reason = _reason_not_to_follow(path, inside=inside, follow_links=follow_links)
            if reason is not None:
                left_out.append(reason)
                continue
        if path.is_dir() or not path.is_file():
            left_out.append(flag(path, "no-dicom", "neither a file nor a folder, left out"))
        elif path.stat().st_size == 0:
            empty.append(path)
        elif path.suffix.lower() in DICOM_SUFFIXES or is_dicom_file(path):
            paths.append(path)
        elif starts_like_bare_dicom(path):
            bare.append(path)
        else:
            left_out.append(flag(path, "no-dicom", "a file of another kind, left out"))
    damaged = [_empty_slice(path) for path in empty if _looks_like_a_slice(path, paths)]
    named = {verdict.path for verdict in damaged}
    left_out += [flag(path, "empty-file", "a file of zero bytes, left out") for path in empty if path not in named]
    return Candidates(tuple(paths), tuple(bare), tuple(damaged), tuple(left_out))


def _walked(root: Path) -> Iterator[Path]:
    """All visible files below `root`, and the links to folders, in the order of their names."""
    list(root.iterdir())  # os.walk passes over a folder that may not be listed
    for place, folders, names in os.walk(root):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in folders if (here / name).is_symlink())
        yield from (here / name for name in sorted(names) if _is_shown(name))


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name.upper() != DIRECTORY_NAME


def _reason_not_to_follow(path: Path, *, inside: Path, follow_links: bool) -> Verdict | None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to nowhere or to itself
        return flag(path, "broken-link", "a link that leads nowhere, left out")
    if target.is_dir():
        return flag(path, "link-to-folder", "a link to a folder, not followed")
    if target.is_relative_to(inside):
        if any(part.startswith(".") for part in target.relative_to(inside).parts):
            return None  # hidden files are not read in their own place
        return flag(path, "link-inside", "a link to a file of the same folder, which is read in its own place")
    if follow_links:
        return None
    return flag(path, "link-outside", "a link to a file outside the folder, not followed")


def _looks_like_a_slice(path: Path, slices: list[Path]) -> bool:
    """Whether an empty file is called like the DICOM files beside it, so that it may be a slice that was lost."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    kinds = {other.suffix.lower().strip(".0123456789") for other in slices if other.parent == path.parent}
    return path.suffix.lower().strip(".0123456789") in kinds


def _empty_slice(path: Path) -> Verdict:
    cause = "expected a DICOM file, got a file of zero bytes"
    return Verdict(Outcome.REFUSE, "empty-file", path, cause, "Copy it again from its source", may_be_allowed=True)
