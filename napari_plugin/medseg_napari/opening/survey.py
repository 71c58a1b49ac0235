"""What lies at a path, one entry for each thing that can be opened, in words that need no knowledge of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medseg.errors import ImageFormatError
from medseg.io import ImageDescription, describe
from medseg.io.describe import OK
from medseg.io.dicom.kinds import ObjectKind, kind_of
from medseg.verdicts import Outcome, Verdict


@dataclass(frozen=True)
class Entry:
    """One image or mask.

    Attributes:
        path: file or folder it is read from.
        kind: what it becomes.
        title: "CT · series 1 · 120 slices"; names no patient.
        detail: size and voxel size.
        problem: why it cannot be opened as it is; empty where it can.
        overrule: codes to allow so that it opens all the same; empty where it opens as it is, or not at all.
        series_uid: key of a DICOM volume; empty for other files.
        notes: what to know about it.
    """

    path: Path
    kind: ObjectKind
    title: str
    detail: str = ""
    problem: str = ""
    overrule: frozenset[str] = frozenset()
    series_uid: str = ""
    notes: tuple[str, ...] = ()

    @property
    def can_open(self) -> bool:
        """Whether it opens, perhaps only after a person allowed it."""
        return not self.problem or bool(self.overrule)


def survey(paths: Sequence[Path], *, with_file_names: bool = True) -> list[Entry]:
    """Everything at `paths` that could be opened, images first; only headers are read.

    Args:
        paths: files or folders.
        with_file_names: whether titles may hold the names of files.

    Raises:
        InputError: there is nothing at a path, or nothing that could be an image or a mask.
    """
    masks = [entry for path in paths for entry in _masks(path)]
    taken = {entry.path for entry in masks}
    descriptions = [one for path in paths if path not in taken for one in _described(path, has_masks=bool(masks))]
    return [*_images(descriptions, with_file_names=with_file_names), *masks]


def _described(path: Path, *, has_masks: bool) -> list[ImageDescription]:
    found = describe(path)
    if has_masks:  # a folder of nothing but masks has no volume, which is then no news
        found = [one for one in found if not any(verdict.code == "no-images" for verdict in one.verdicts)]
    return found


def _images(descriptions: Sequence[ImageDescription], *, with_file_names: bool) -> list[Entry]:
    several = sum(one.format == "dicom" or not with_file_names for one in descriptions) > 1
    return [
        _entry(one, number=number if several else None, with_file_name=with_file_names)
        for number, one in enumerate(descriptions, start=1)
    ]


def _entry(found: ImageDescription, *, number: int | None, with_file_name: bool) -> Entry:
    is_open = found.verdict == OK
    refusals = [one for one in found.verdicts if one.outcome is Outcome.REFUSE]
    may_be_allowed = bool(refusals) and all(one.may_be_allowed for one in refusals)
    return Entry(
        path=found.path,
        kind=ObjectKind.IMAGES,
        title=_title(found, number=number, with_file_name=with_file_name),
        detail=_detail(found),
        problem="" if is_open else _problem(found, refusals),
        overrule=frozenset(one.code for one in refusals) if may_be_allowed else frozenset(),
        series_uid=found.series_uid,
        notes=tuple(_capital(_CODE.sub("", note)) for note in found.notes),
    )


def _title(found: ImageDescription, *, number: int | None, with_file_name: bool) -> str:
    if found.format != "dicom":
        if with_file_name:
            return found.path.name.split(".")[0]
        return "Image" if number is None else f"Image {number}"
    parts = [found.modality or "DICOM"]
    if number is not None:
        parts.append(f"series {number}")
    if found.shape:
        slices = found.shape[-1]
        parts.append(f"{slices} slice{'s' if slices != 1 else ''}")
    return " · ".join(parts)


def _detail(found: ImageDescription) -> str:
    if not found.shape:
        return ""
    size = " × ".join(str(count) for count in found.shape[1:])
    if found.spacing_mm is None:
        return f"{size}, size of a pixel not stated"
    return f"{size}, {' × '.join(f'{length:.3g}' for length in found.spacing_mm)} mm"


def _problem(found: ImageDescription, refusals: Sequence[Verdict]) -> str:
    if not refusals:
        return found.problem.removeprefix(f"{found.path}: ")
    first = refusals[0]
    return f"{_capital(first.cause)}. {first.remedy}".strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _masks(path: Path) -> list[Entry]:
    """The DICOM segmentations and structure sets at `path`, which are no images of their own."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    found = [Entry(file, kind, _MASK_TITLES[kind]) for file in files if (kind := _kind(file)) in _MASK_TITLES]
    if len(found) <= 1:
        return found
    return [replace(one, title=f"{one.title} {number}") for number, one in enumerate(found, start=1)]


def _kind(file: Path) -> ObjectKind:
    try:
        return kind_of(file)
    except ImageFormatError:  # a damaged file, of which the survey of the images speaks
        return ObjectKind.IMAGES


_CODE = re.compile(r" \[[a-z0-9-]+\]$")
"""The code of a verdict at the end of a sentence, which is for programs."""
_MASK_TITLES = {ObjectKind.SEGMENTATION: "Segmentation", ObjectKind.STRUCTURE_SET: "Structure set"}
