"""What a folder of DICOM files holds: each volume with its order, its place and the verdicts on it.

Headers first: pixels are decoded here only to tell whether two slices at one place are the same image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import MedsegError
from medseg.geometry import Affine
from medseg.io.dicom.checks import (
    IN_A_SERIES,
    IN_A_VOLUME,
    differences,
    different_pixel_spacing,
    doubts_about_values,
    fewer_than_stated,
)
from medseg.io.dicom.duplicates import without_copies, without_twins
from medseg.io.dicom.enhanced import slice_headers
from medseg.io.dicom.files import NO_IMAGES, DicomFile, Scan, scan, unreadable
from medseg.io.dicom.grouping import Group, split, split_collisions
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.dicom.stacking import Stack, collisions, ordered, spoken, stacked
from medseg.io.foreign_errors import translated_errors
from medseg.io.refusals import flag
from medseg.verdicts import Outcome, RefusedImageError, Verdict

_REMEDY = "Copy it again from its source."
_RANKS = tuple(Outcome)
_NO_STACK = {"several-sizes", "several-pixel-spacings"}
"""Findings after which there is no one grid."""
_MASKS = {"segmentation", "label map segmentation", "structure set"}
"""Kinds of `NO_IMAGES` that hold a mask."""


@dataclass(frozen=True, eq=False)
class JudgedVolume:
    """One volume of a folder, its pixels not read yet.

    Attributes:
        key: Series Instance UID, with "#" and marks ("#echo-2", "#orientation-1") where the series holds several.
        series_uid: Series Instance UID; "unnamed-1", ... where the files have none.
        slices: in order along the normal; in no order where the volume is refused before it could be ordered.
        affine: (i, j, k) -> world mm, RAS; None where there is none.
        shape: columns, rows, slices; of the array, so with the slices that will be interpolated.
        modality: DICOM code.
        verdicts: what was found, what a person allowed among it.
        outcome: the worst of them.
        places: where slices are interpolated: for each slice of the array its place among `slices`.
    """

    key: str
    series_uid: str
    slices: tuple[SliceHeader, ...]
    affine: Affine | None
    shape: tuple[int, ...]
    modality: str
    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    places: tuple[float, ...] | None = None

    @property
    def is_localizer(self) -> bool:
        """Whether it is made of scout views."""
        return bool(self.slices) and all(one.is_localizer for one in self.slices)


@dataclass(frozen=True, eq=False)
class FolderJudgement:
    """What a folder holds.

    Attributes:
        volumes: in the order of their keys.
        left_out: what is part of no volume: a flag each, or, where there are no volumes at all, a refusal.
    """

    volumes: tuple[JudgedVolume, ...]
    left_out: tuple[Verdict, ...]


def judge_folder(path: Path, *, allow: frozenset[str] = frozenset()) -> FolderJudgement:
    """The volumes in `path`, a folder with its sub-folders or a file.

    Slices are put together by patient, study, series, orientation, stack, echo, b-value and phase, never by folder or
    name.

    Args:
        path: folder or file.
        allow: codes of refusals that a person overrules.

    Raises:
        InputError: the folder may not be read.
    """
    found = scan(path, allow=allow)
    volumes: list[JudgedVolume] = []
    left_out = list(found.left_out)
    for uid, files in found.series().items():
        slices, pictures = _without_pictures(files)
        left_out += pictures
        judged, dropped = _judged_series(uid, slices, found, path=path, allow=allow)
        volumes += judged
        left_out += dropped
    left_out += [_object_left_out(file) for file in found.objects]
    if not volumes:
        left_out = [*found.damaged, _nothing_found(found, path=path), *left_out]
    return FolderJudgement(tuple(sorted(volumes, key=lambda one: one.key)), tuple(left_out))


def _judged_series(
    uid: str, files: Sequence[DicomFile], found: Scan, *, path: Path, allow: frozenset[str]
) -> tuple[list[JudgedVolume], list[Verdict]]:
    """The volumes of one series, and the slices of it that belong to none."""
    slices, refusals = _headers(files)
    refusals += _damaged_near(found, files)
    slices, scouts = _without_localizers(slices)
    left_out = [flag(one.path, "localizer-left-out", "a scout view among the slices, left out") for one in scouts]
    if slices:
        refusals += differences(slices, IN_A_SERIES, name=path)
        slices, copied = without_copies(slices, name=path)
        hints = [*copied, *fewer_than_stated([*slices, *scouts], name=path)] if path.is_dir() else copied
    else:
        hints = []
    if scouts:
        cause = f"scout views among the slices, left out: {len(scouts)} ({spoken(scouts[0])})"
        hints.append(flag(path, "localizer-left-out", cause))
    if not slices or any(not (one.may_be_allowed and one.code in allow) for one in refusals):
        return [_refused(uid, slices, files, [*_one_each(refusals), *hints])], left_out
    parts = [(group, twins) for part in split(slices) for group, twins in _apart(part, name=path)]
    common = [*_one_each(refusals), *hints]
    return [
        _judged(group, [*common, *twins, *_splits(group, count=len(parts), name=path)], uid=uid, name=path, allow=allow)
        for group, twins in parts
    ], left_out


def _apart(group: Group, *, name: Path) -> list[tuple[Group, list[Verdict]]]:
    """`group` without repeats at one place, or in parts where slices at one place differ."""
    if not collisions(ordered(group.slices)):
        return [(group, [])]
    kept, twins = without_twins(group.slices, name=name)
    if twins:
        return [(Group(tuple(kept), group.marks), twins)]
    return [(part, []) for part in split_collisions(group)]


def _judged(group: Group, verdicts: list[Verdict], *, uid: str, name: Path, allow: frozenset[str]) -> JudgedVolume:
    slices = group.slices
    verdicts += [*differences(slices, IN_A_VOLUME, name=name), *different_pixel_spacing(slices, name=name)]
    unfit = any(one.code in _NO_STACK for one in verdicts)
    stack = Stack(slices, None, None, ()) if unfit else stacked(slices, name=name, allow=allow)
    verdicts += [*stack.verdicts, *doubts_about_values(slices, name=name)]
    first = stack.slices[0]
    settled = _after_allowing(verdicts, allow)
    return JudgedVolume(
        key=group.key(uid),
        series_uid=uid,
        slices=stack.slices,
        affine=stack.affine,
        shape=(first.columns, first.rows, stack.depth),
        modality=first.modality,
        verdicts=settled,
        outcome=_worst(settled),
        places=stack.places,
    )


def _refused(
    uid: str, slices: Sequence[SliceHeader], files: Sequence[DicomFile], verdicts: Sequence[Verdict]
) -> JudgedVolume:
    shape = (slices[0].columns, slices[0].rows, len(slices)) if slices else (0, 0, len(files))
    modality = slices[0].modality if slices else ""
    return JudgedVolume(uid, uid, tuple(slices), None, shape, modality, tuple(verdicts), Outcome.REFUSE)


def _after_allowing(verdicts: Sequence[Verdict], allow: frozenset[str]) -> tuple[Verdict, ...]:
    return tuple(
        one.overruled() if one.outcome is Outcome.REFUSE and one.may_be_allowed and one.code in allow else one
        for one in verdicts
    )


def _worst(verdicts: Sequence[Verdict]) -> Outcome:
    return max((one.outcome for one in verdicts), key=_RANKS.index, default=Outcome.CONVERT)


def _headers(files: Sequence[DicomFile]) -> tuple[list[SliceHeader], list[Verdict]]:
    slices: list[SliceHeader] = []
    refusals: list[Verdict] = []
    for file in files:
        try:
            with translated_errors(file.path, expected="a DICOM slice", remedy=_REMEDY):
                slices += slice_headers(file)
        except RefusedImageError as error:
            refusals += error.verdicts
        except MedsegError as error:
            refusals.append(unreadable(file.path, error))
    return slices, refusals


def _damaged_near(found: Scan, files: Sequence[DicomFile]) -> list[Verdict]:
    """Files that cannot be read and lie beside these: any of them may be a slice of the series."""
    folders = {file.path.parent for file in files}
    everywhere = {file.path.parent for file in found.files if file.is_image}
    return [one for one in found.damaged if one.path.parent in folders or one.path.parent not in everywhere]


def _without_pictures(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[Verdict]]:
    slices = [file for file in files if not file.is_picture]
    if not slices:
        return list(files), []
    cause = "a picture or screenshot among the slices, left out"
    return slices, [flag(file.path, "picture-left-out", cause) for file in files if file.is_picture]


def _without_localizers(slices: list[SliceHeader]) -> tuple[list[SliceHeader], list[SliceHeader]]:
    scouts = [one for one in slices if one.is_localizer]
    if len(scouts) == len(slices):
        return slices, []
    return [one for one in slices if not one.is_localizer], scouts


def _one_each(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The first verdict of each code, with the number of further files that it holds for."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.code, []).append(verdict)
    return [
        alike[0]
        if len(alike) == 1
        else Verdict(
            alike[0].outcome,
            alike[0].code,
            alike[0].path,
            f"{alike[0].cause} (and {len(alike) - 1} more files)",
            alike[0].remedy,
            alike[0].may_be_allowed,
        )
        for alike in found.values()
    ]


def _splits(group: Group, *, count: int, name: Path) -> list[Verdict]:
    if count == 1:
        return []
    cause = f"the series holds {count} volumes; this is {', '.join(group.marks)}"
    return [Verdict(Outcome.SPLIT, "several-volumes", name, cause, "Choose one by its key (--series KEY)")]


def _object_left_out(file: DicomFile) -> Verdict:
    kind = NO_IMAGES.get(file.sop_class_uid, "report or other object")
    return flag(file.path, "no-image", f"a DICOM object without an image of its own ({kind}), left out")


def _nothing_found(found: Scan, *, path: Path) -> Verdict:
    if found.objects:
        kinds = sorted({NO_IMAGES.get(file.sop_class_uid, "report or other object") for file in found.objects})
        cause = f"expected images, got only DICOM objects without images of their own ({', '.join(kinds)})"
        remedy = "Give the series they belong to"
        if _MASKS & set(kinds):
            remedy += ", or make a mask of them: medseg convert FILE.dcm MASK.nii.gz --source SERIES"
        return Verdict(Outcome.REFUSE, "no-images", path, cause, remedy)
    others = len(found.left_out) + len(found.damaged)
    held = f"{others} files of other kinds" if others else "nothing"
    links = sum(one.code == "link-outside" for one in found.left_out)
    if links:
        held += f", {links} of them links out of the folder"
    cause = f"expected a folder with a DICOM series, it holds {held}"
    return Verdict(Outcome.REFUSE, "no-images", path, cause, "Check the path")
