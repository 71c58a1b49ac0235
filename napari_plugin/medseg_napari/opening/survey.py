"""What lies at a path, one entry for each thing that can be opened, in words that need no knowledge of files."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medseg.errors import ImageFormatError, InputError, MedsegError
from medseg.io import ImageDescription, describe, list_inputs
from medseg.io.ctc_frames import frame_folder_header, frame_folders, is_frame_name
from medseg.io.describe import OK
from medseg.io.dicom.kinds import ObjectKind, kind_of
from medseg.io.ome_zarr_files import is_zarr_folder
from medseg.io.read_frames import time_series_at
from medseg.io.time_series import SeriesHeader, check_pictures
from medseg.verdicts import Outcome, RefusedImageError, Verdict
from medseg_napari.opening.series import series_detail


@dataclass(frozen=True)
class Entry:
    """One image or mask.

    Attributes:
        path: file or folder it is read from.
        kind: what it becomes.
        title: "CT · series 1 · 120 slices"; names no patient.
        detail: size and voxel size.
        description: of a DICOM series, without the patient's name; for the eyes of who chooses, and for no file.
        problem: why it cannot be opened as it is; empty where it can.
        overrule: codes to allow so that it opens all the same; empty where it opens as it is, or not at all.
        series_uid: key of a DICOM volume; empty for other files.
        notes: what to know about it.
        frames: what is known of a time series; None for all else.
    """

    path: Path
    kind: ObjectKind
    title: str
    detail: str = ""
    problem: str = ""
    overrule: frozenset[str] = frozenset()
    series_uid: str = ""
    notes: tuple[str, ...] = ()
    frames: SeriesHeader | None = None
    description: str = ""

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
        InputError: there is nothing at a path, or nothing that could be an image or a mask, or an archive.
    """
    _check_unpacked(paths)
    masks = [entry for path in paths for entry in _masks(path)]
    taken = {entry.path for entry in masks}
    sequences = [entry for path in paths if path.is_dir() for entry in _sequences(path)]
    in_sequences = {entry.path for entry in sequences}
    descriptions = [
        one
        for path in paths
        if path not in taken
        for one in _described(path, has_masks=bool(masks), in_sequences=in_sequences)
    ]
    return [*sequences, *_images(descriptions, with_file_names=with_file_names), *masks]


def _check_unpacked(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.suffix.lower() in _ARCHIVES and path.is_file():
            message = f"{path.name}: expected an image or a folder, got an archive. Unpack it, then open the folder."
            raise InputError(message)


def _sequences(folder: Path) -> list[Entry]:
    """The sequences of the Cell Tracking Challenge in a folder."""
    if is_zarr_folder(folder):
        return []
    entries = []
    for frames in frame_folders(folder):
        try:
            header = frame_folder_header(frames)
            check_pictures(header)
        except MedsegError as error:
            title = f"{frames.title} · {len(frames.files)} frames"
            entries.append(Entry(frames.folder, ObjectKind.IMAGES, title, problem=_plain(str(error), frames.folder)))
        else:
            entries.append(_series_entry(header, header.title))
    return entries


def _series_entry(header: SeriesHeader, title: str) -> Entry:
    return Entry(
        header.path,
        ObjectKind.IMAGES,
        f"{title} · {header.shape[0]} frames",
        detail=series_detail(header),
        frames=header,
    )


def _described(path: Path, *, has_masks: bool, in_sequences: Collection[Path]) -> list[ImageDescription]:
    if in_sequences and path.is_dir():
        others = [file for file in _listed(path) if not (file.parent in in_sequences and is_frame_name(file.name))]
        return [one for file in others for one in describe(file)]
    found = describe(path)
    if has_masks:  # a folder of nothing but masks has no volume, which is then no news
        found = [one for one in found if not any(verdict.code == "no-images" for verdict in one.verdicts)]
    return found


def _images(descriptions: Sequence[ImageDescription], *, with_file_names: bool) -> list[Entry]:
    several = sum(one.format == "dicom" or not with_file_names for one in descriptions) > 1
    called = _called(descriptions) if several else [(None, "")] * len(descriptions)
    stated = [number for one, (number, _) in zip(descriptions, called, strict=True) if one.format == "dicom"]
    are_distinct = None not in stated and len(set(stated)) == len(stated)
    return [
        _entry(
            one,
            number=(number if are_distinct and number is not None else place) if several else None,
            description=description,
            with_file_name=with_file_names,
        )
        for place, (one, (number, description)) in enumerate(zip(descriptions, called, strict=True), start=1)
    ]


def _called(descriptions: Sequence[ImageDescription]) -> list[tuple[int | None, str]]:
    """Number and description of each DICOM series; each folder is looked at once."""
    from medseg.io.dicom.series_facts import series_facts

    known = {folder: series_facts(folder) for folder in {one.path for one in descriptions if one.format == "dicom"}}
    facts = [known.get(one.path, {}).get(one.series_uid.split("#")[0]) for one in descriptions]
    return [(None, "") if one is None else (one.number, one.description) for one in facts]


def _entry(found: ImageDescription, *, number: int | None, description: str, with_file_name: bool) -> Entry:
    title = _title(found, number=number, with_file_name=with_file_name)
    if found.num_times > 1:
        return _over_time(found, title)
    is_open = found.verdict == OK
    refusals = [one for one in found.verdicts if one.outcome is Outcome.REFUSE]
    may_be_allowed = bool(refusals) and all(one.may_be_allowed for one in refusals)
    return Entry(
        path=found.path,
        kind=ObjectKind.IMAGES,
        title=title,
        detail=_detail(found),
        problem="" if is_open else _problem(found, refusals),
        overrule=frozenset(one.code for one in refusals) if may_be_allowed else frozenset(),
        series_uid=found.series_uid,
        notes=tuple(_capital(_CODE.sub("", note)) for note in found.notes),
        description=description,
    )


def _over_time(found: ImageDescription, title: str) -> Entry:
    """A time series; one of volumes is refused."""
    try:
        header = time_series_at(found.path)
        assert header is not None  # noqa: S101 - its description says that there are several points in time
        check_pictures(header)
    except MedsegError as error:
        reasons = error.verdicts if isinstance(error, RefusedImageError) else ()
        problem = _problem(replace(found, problem=str(error)), reasons)
        return Entry(found.path, ObjectKind.IMAGES, title, problem=problem)
    return _series_entry(header, title)


def _listed(folder: Path) -> list[Path]:
    try:
        return list_inputs(folder)
    except InputError:  # nothing but sequences
        return []


def _title(found: ImageDescription, *, number: int | None, with_file_name: bool) -> str:
    if found.format != "dicom":
        if with_file_name:
            return found.path.name.split(".")[0]
        return "Image" if number is None else f"Image {number}"
    parts = [found.modality or "DICOM"]
    if number is not None:
        parts.append(f"series {number}")
    slices = found.shape[-1] if found.shape else found.num_slices
    if slices:
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
        return _plain(found.problem, found.path)
    first = refusals[0]
    return f"{_capital(first.cause)}. {first.remedy}".strip()


def _plain(message: str, path: Path) -> str:
    """A message without the path that it begins with, which stands beside it already."""
    return _capital(message.removeprefix(f"{path}: "))


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


_ARCHIVES = {".zip", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz"}
_CODE = re.compile(r" \[[a-z0-9-]+\]$")
"""The code of a verdict at the end of a sentence, which is for programs."""
_MASK_TITLES = {ObjectKind.SEGMENTATION: "Segmentation", ObjectKind.STRUCTURE_SET: "Structure set"}
