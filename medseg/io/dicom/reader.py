"""Reading a DICOM series as one volume."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medseg.errors import InputError, MedsegError
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.dicom.signature import DICOM_SUFFIXES
from medseg.io.foreign_errors import translated_errors
from medseg.io.slices import slice_of
from medseg.verdicts import Outcome, RefusedImageError, Verdict, settled

if TYPE_CHECKING:  # pydicom is imported when the first DICOM file is read, not with medseg.io
    from medseg.io.dicom.judge import FolderJudgement, JudgedVolume

Value = TypeVar("Value")
_REMEDY = "Copy it again from its source."
_UNITS = {"HU": "HU", "HU_MOD": "HU", "OD": "optical density", "MGML": "mg/ml", "PCT": "%"}
"""RescaleType -> unit of the values; the others (US, unspecified) name none."""
_MOST_LISTED = 5
"""Series that a message lists."""
_LEFT_OUT = {
    "empty-file": "files of zero bytes",
    "link-outside": "links to files outside the folder",
    "link-to-folder": "links to folders",
    "broken-link": "links that lead nowhere",
}
"""Code of what is no part of a volume -> how a note calls it. What has a note of its own is not here."""


class DicomReader:
    """Reads the one series in a DICOM folder and its sub-folders, or a single file.

    `array[c, i, j, k]` is column i and row j of slice k; slices ascend along the normal of the first. Values are
    modality values (rescaled slice by slice): integers in the smallest of uint8, int16, uint16, int32 that does where
    slope and intercept are whole, else float32. MONOCHROME1 is not inverted, padding gets the lowest other value, each
    with a flag. What was found doubtful is in `metadata.verdicts`; what cannot be placed without a guess is refused.
    """

    format = "dicom"
    suffixes: tuple[str, ...] = DICOM_SUFFIXES

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the series says about itself, without its pixels."""
        with translated_errors(path, expected="a DICOM series", remedy=_REMEDY):
            volume, verdicts = _chosen(path, request)
            return _header_of(volume, verdicts, path=path)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The volume."""
        from medseg.io.dicom.filling import interpolated
        from medseg.io.dicom.pixels import volume_of

        with translated_errors(path, expected="a DICOM series", remedy=_REMEDY):
            volume, verdicts = _chosen(path, request)
            header = _header_of(volume, verdicts, path=path)
            assembled = volume_of(volume.slices, dtype=header.dtype)
            array = assembled.array if volume.places is None else interpolated(assembled.array, volume.places)
        metadata = _with_verdicts(header.metadata, assembled.verdicts)
        image = Image(array[None], header.affine, axes="CXYZ", metadata=metadata)
        return image if request.slice_index is None else slice_of(image, request.slice_index)


@dataclass(frozen=True)
class DescribedVolume:
    """A volume of a folder, or what keeps it from being one.

    Attributes:
        key: Series Instance UID, with marks where the series holds several volumes; empty where there is none.
        found: its header, or the error with which it is refused.
        modality: DICOM code; empty where there is no volume.
        num_slices: images that it is made of.
    """

    key: str
    found: ImageHeader | MedsegError
    modality: str = ""
    num_slices: int = 0


def describe_series(path: Path) -> list[DescribedVolume]:
    """Each volume in a folder (or file), those that are refused among them.

    Files that belong to no volume are not listed; a folder without volumes is one entry for each reason, without key.
    """
    from medseg.io.dicom.judge import judge_folder

    with translated_errors(path, expected="a folder of DICOM files", remedy=_REMEDY):
        judgement = judge_folder(path)
    entries = [_described(volume, judgement, path=path) for volume in judgement.volumes]
    if not entries:
        refusals = [one for one in judgement.left_out if one.outcome is Outcome.REFUSE]
        entries += [DescribedVolume("", RefusedImageError([one])) for one in refusals]
    return entries


def _described(volume: JudgedVolume, judgement: FolderJudgement, *, path: Path) -> DescribedVolume:
    found: ImageHeader | MedsegError
    try:
        verdicts = settled(volume.verdicts, allow=frozenset())
        with translated_errors(path, expected="a DICOM series", remedy=_REMEDY):
            found = _header_of(volume, (*verdicts, *_left_out(judgement, path=path)), path=path)
    except MedsegError as error:
        found = error
    return DescribedVolume(volume.key, found, volume.modality, len(volume.slices))


def _chosen(path: Path, request: ReadRequest) -> tuple[JudgedVolume, tuple[Verdict, ...]]:
    from medseg.io.dicom.judge import judge_folder

    if request.axes is not None and request.axes.upper() != "XYZ":
        message = f"{path}: a DICOM series names its axes itself, got --axes {request.axes}. Leave it out."
        raise InputError(message)
    judgement = judge_folder(path, allow=request.allow)
    if not judgement.volumes:
        raise RefusedImageError([one for one in judgement.left_out if one.outcome is Outcome.REFUSE])
    volume = _one_volume(judgement, path=path, wanted=request.series_uid)
    verdicts = settled(volume.verdicts, allow=request.allow)
    return volume, (*verdicts, *_left_out(judgement, path=path))


def _one_volume(judgement: FolderJudgement, *, path: Path, wanted: str | None) -> JudgedVolume:
    volumes = judgement.volumes
    if wanted is not None:
        matching = [one for one in volumes if one.key == wanted] or [one for one in volumes if one.series_uid == wanted]
        if not matching:
            message = f"{path}: holds no series {wanted}. It holds (modality, number of images): {_listed(volumes)}."
            raise InputError(message)
    else:
        matching = [one for one in volumes if not one.is_localizer] or list(volumes)
    if len(matching) == 1:
        return matching[0]
    raise RefusedImageError([_several(matching, path=path)])


def _several(volumes: list[JudgedVolume], *, path: Path) -> Verdict:
    if len({one.series_uid for one in volumes}) > 1:
        code, what = "several-series", f"one DICOM series, got {len(volumes)}"
    else:
        code, what = "several-volumes", f"one volume, got a series of {len(volumes)} ({_kinds_of_split(volumes)})"
    cause = f"expected {what} (modality, number of images): {_listed(tuple(volumes))}"
    remedy = "Choose one by its series UID (--series), or put each into a folder of its own"
    return Verdict(Outcome.REFUSE, code, path, cause, remedy)


def _kinds_of_split(volumes: list[JudgedVolume]) -> str:
    marks = [mark for one in volumes for mark in one.key.partition("#")[2].split(",")]
    return ", ".join(sorted({mark.rpartition("-")[0] for mark in marks}))


def _listed(volumes: tuple[JudgedVolume, ...]) -> str:
    shown = [f"{one.key} ({one.modality or '?'}, {len(one.slices)})" for one in volumes[:_MOST_LISTED]]
    return "; ".join(shown) + ("; ..." if len(volumes) > _MOST_LISTED else "")


def _left_out(judgement: FolderJudgement, *, path: Path) -> list[Verdict]:
    """What the user of a volume should know of the rest of the folder, one verdict a kind."""
    counts = Counter(one.code for one in judgement.left_out)
    found = [
        Verdict(Outcome.FLAG, code, path, f"{what}, left out: {counts[code]}")
        for code, what in _LEFT_OUT.items()
        if counts[code]
    ]
    pictures = counts["picture-left-out"]
    if pictures:
        found.append(
            Verdict(Outcome.FLAG, "picture-left-out", path, f"pictures among the slices, left out: {pictures}")
        )
    others = counts["no-dicom"] + counts["no-image"]
    if others:
        cause = f"files in the folder that are no DICOM images, left out: {others}"
        found.append(Verdict(Outcome.CONVERT, "files-left-out", path, cause))
    return found


def _header_of(volume: JudgedVolume, verdicts: tuple[Verdict, ...], *, path: Path) -> ImageHeader:
    from medseg.io.dicom.pixels import narrowest_type

    first = volume.slices[0]
    if path.is_file() and first.frame is None:
        cause = "one file of a series was read; give its folder for the whole volume"
        verdicts = (*verdicts, Verdict(Outcome.CONVERT, "one-file", path, cause))
    is_hounsfield = first.modality == "CT" and first.has_rescale and first.rescale_type in {"", "HU"}
    metadata = ImageMetadata(
        source=str(path),
        format="dicom",
        modality=first.modality or None,
        value_unit="HU" if is_hounsfield else _UNITS.get(first.rescale_type),
        instance_uids=_per_slice(volume, [one.sop_instance_uid for one in volume.slices], absent=""),
        extra=_extra(volume),
        notes=tuple(one.note for one in verdicts),
        verdicts=verdicts,
    )
    if volume.affine is None:  # a volume without place has a refusal, which `settled` raised
        raise RefusedImageError(verdicts)
    return ImageHeader((1, *volume.shape), "CXYZ", narrowest_type(volume.slices), volume.affine, metadata)


def _with_verdicts(metadata: ImageMetadata, verdicts: tuple[Verdict, ...]) -> ImageMetadata:
    notes = tuple(one.note for one in verdicts)
    return replace(metadata, verdicts=(*metadata.verdicts, *verdicts), notes=(*metadata.notes, *notes))


def _extra(volume: JudgedVolume) -> dict[str, object]:
    """What outputs need to name their source: plain values, which can go to another process."""
    first = volume.slices[0]
    extra: dict[str, object] = {
        "series_uid": volume.series_uid,
        "volume_key": volume.key,
        "study_uid": first.study_uid,
        "frame_of_reference_uid": first.frame_of_reference_uid,
        "source_paths": _per_slice(volume, [str(one.path) for one in volume.slices], absent=""),
    }
    if any(one.frame is not None for one in volume.slices):
        extra["frame_numbers"] = _per_slice(volume, [one.frame or 1 for one in volume.slices], absent=0)
    return extra


def _per_slice(volume: JudgedVolume, values: list[Value], *, absent: Value) -> tuple[Value, ...]:
    """One of `values` a slice of the array; `absent` for slices that are interpolated."""
    if volume.places is None:
        return tuple(values)
    return tuple(values[int(place)] if float(place).is_integer() else absent for place in volume.places)
