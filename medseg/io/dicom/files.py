"""Finding the DICOM files of a folder and reading their headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import MedsegError
from medseg.io.dicom.candidates import Candidates, candidates_in
from medseg.io.dicom.header import FileHeader, read_header
from medseg.io.dicom.plain_values import shown_uid
from medseg.io.foreign_errors import translated_errors
from medseg.verdicts import Outcome, RefusedImageError, Verdict

_REMEDY = "Copy it again from its source."
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"

NO_IMAGES: Mapping[str, str] = {
    _DIRECTORY_CLASS: "directory",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "label map segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "dose",
    "1.2.840.10008.5.1.4.1.1.481.3": "structure set",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
}
"""SOP classes that are laid over images and are none themselves, though some have rows and columns."""
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_IMAGE_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128")
"""CT, MR and PET images, enhanced ones among them: a file that says so and has no size is damaged, no other object."""


@dataclass(frozen=True)
class DicomFile:
    """A file whose header was read.

    Attributes:
        path: where it lies.
        header: what is read of it.
    """

    path: Path
    header: FileHeader

    @property
    def is_image(self) -> bool:
        """Whether it holds, or by its kind should hold, pixels of its own, one image or several."""
        kind = self.sop_class_uid
        is_known = any(kind == uid or kind.startswith(uid + ".") for uid in _IMAGE_CLASSES)
        return ("Rows" in self.header or is_known) and kind not in NO_IMAGES

    @property
    def is_picture(self) -> bool:
        """Whether it is a colour picture or a screenshot, which may lie in a series and is no slice of it."""
        samples = str(self.header.get("SamplesPerPixel", "1"))
        is_screenshot = (self.sop_class_uid + ".").startswith(_SECONDARY_CAPTURE + ".")
        return is_screenshot or samples in {"3", "4"}

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID, empty where the file has none."""
        return str(self.header.get("SOPClassUID", "") or "")

    @property
    def series_uid(self) -> str:
        """Series Instance UID; empty where the file has none."""
        return shown_uid(str(self.header.get("SeriesInstanceUID", "") or ""))


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Attributes:
        files: DICOM files with readable headers, images or not.
        damaged: a refusal for each file that claims to be DICOM and cannot be read.
        left_out: a flag for each file or link that is no DICOM or was not followed.
    """

    files: tuple[DicomFile, ...]
    damaged: tuple[Verdict, ...]
    left_out: tuple[Verdict, ...] = ()

    def series(self) -> dict[str, list[DicomFile]]:
        """Series Instance UID -> its image files, in the order of the UIDs; without a UID, each folder is a series."""
        found: dict[str, list[DicomFile]] = {}
        folders = sorted({file.path.parent for file in self.files if file.is_image and not file.series_uid})
        for file in self.files:
            if file.is_image:
                key = file.series_uid or f"unnamed-{folders.index(file.path.parent) + 1}"
                found.setdefault(key, []).append(file)
        return dict(sorted(found.items()))

    @property
    def objects(self) -> tuple[DicomFile, ...]:
        """DICOM files without pixels of their own: reports, structure sets, segmentations."""
        return tuple(file for file in self.files if not file.is_image)


def scan(path: Path, *, allow: frozenset[str] = frozenset()) -> Scan:
    """What lies in the folder `path` and below; or, for a file, that one.

    Links that lead out of the folder are not followed unless `allow` holds "link-outside".
    """
    if path.is_file():
        return _scanned(Candidates((path,)))
    with translated_errors(path, expected="a folder", remedy="Check its permissions."):
        return _scanned(candidates_in(path, follow_links="link-outside" in allow))


def _scanned(candidates: Candidates) -> Scan:
    files: list[DicomFile] = []
    damaged: list[Verdict] = []
    for candidate in candidates.paths:
        try:
            files.append(DicomFile(candidate, read_header(candidate)))
        except RefusedImageError as error:
            damaged += error.verdicts
        except MedsegError as error:
            damaged.append(unreadable(candidate, error))
    damaged += candidates.damaged
    left_out = list(candidates.left_out)
    if candidates.bare:
        more, no_dicom = _bare_files(candidates.bare)
        files += more
        left_out += no_dicom
    files, cut_off = _without_nameless(files)
    kept = [file for file in files if file.sop_class_uid != _DIRECTORY_CLASS]
    return Scan(tuple(sorted(kept, key=lambda file: file.path)), (*damaged, *cut_off), tuple(left_out))


def _without_nameless(files: list[DicomFile]) -> tuple[list[DicomFile], list[Verdict]]:
    """Images without SeriesInstanceUID beside others that have one are damaged: a header that was cut off, most often.

    Where no image has one, an anonymiser took it.
    """
    named = {file.path.parent for file in files if file.is_image and file.series_uid}
    kept, damaged = [], []
    for file in files:
        if file.is_image and not file.series_uid and file.path.parent in named:
            cause = "expected SeriesInstanceUID, as the files beside it have, got none: its header may be cut off"
            damaged.append(_damaged(file.path, cause))
        else:
            kept.append(file)
    return kept, damaged


def _bare_files(paths: tuple[Path, ...]) -> tuple[list[DicomFile], list[Verdict]]:
    """Files that have no DICOM signature and start like one all the same: those that can be read, and the rest."""
    files, left_out = [], []
    for path in paths:
        try:
            files.append(DicomFile(path, read_header(path)))
        except MedsegError:
            left_out.append(Verdict(Outcome.FLAG, "no-dicom", path, "a file of another kind, left out"))
    return files, left_out


def unreadable(path: Path, error: MedsegError) -> Verdict:
    """The refusal of a file that cannot be read; a person may overrule it, the file is then left out."""
    cause = str(error).removeprefix(f"{path}: ").removesuffix(_REMEDY).strip().removesuffix(".")
    return _damaged(path, cause)


def _damaged(path: Path, cause: str) -> Verdict:
    return Verdict(Outcome.REFUSE, "unreadable-file", path, cause, _REMEDY.removesuffix("."), may_be_allowed=True)
