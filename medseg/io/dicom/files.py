"""Finding the DICOM files of a folder and reading their headers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from medseg.errors import ImageFormatError, MedsegError
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.header_tags import HEADER_TAGS
from medseg.io.dicom.signature import DICOM_SUFFIXES, is_dicom_file
from medseg.io.foreign_errors import translated_errors

_REMEDY = "Copy it again from its source."
_DIRECTORY_NAME = "DICOMDIR"

NO_IMAGES: Mapping[str, str] = {
    "1.2.840.10008.1.3.10": "directory",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "label map segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "dose",
    "1.2.840.10008.5.1.4.1.1.481.3": "structure set",
    "1.2.840.10008.5.1.4.1.1.30": "parametric map",
}
"""SOP classes that are laid over images and are none themselves, though some have rows and columns."""


@dataclass(frozen=True)
class DicomFile:
    """A file whose header was read.

    Attributes:
        path: where it lies.
        header: the data elements of `HEADER_TAGS`.
    """

    path: Path
    header: FileDataset

    @property
    def is_image(self) -> bool:
        """Whether it holds pixels of its own, one image or several."""
        return "Rows" in self.header and str(self.header.get("SOPClassUID", "")) not in NO_IMAGES

    @property
    def series_uid(self) -> str:
        """Series Instance UID; empty where the file has none."""
        return str(self.header.get("SeriesInstanceUID", ""))


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Attributes:
        files: DICOM files with readable headers, images or not.
        damaged: a refusal for each file that claims to be DICOM and cannot be read.
        strangers: files of other kinds.
        folders_left_out: sub-folders that were not looked into, since the folder itself holds DICOM files.
    """

    files: tuple[DicomFile, ...]
    damaged: tuple[ImageFormatError, ...]
    strangers: tuple[Path, ...]
    folders_left_out: tuple[Path, ...] = ()

    def series(self) -> dict[str, list[DicomFile]]:
        """Series Instance UID -> its image files, in the order of the UIDs."""
        found: dict[str, list[DicomFile]] = {}
        for file in self.files:
            if file.is_image:
                found.setdefault(file.series_uid, []).append(file)
        return dict(sorted(found.items()))


def scan(path: Path) -> Scan:
    """What lies in the folder `path`, or below it where it holds no DICOM file itself; or, for a file, that one."""
    if path.is_file():
        return _scan([path], strangers=[])
    with translated_errors(path, expected="a folder", remedy="Check its permissions."):
        entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    here = [entry for entry in entries if entry.is_file() and entry.name.upper() != _DIRECTORY_NAME]
    claimants = [entry for entry in here if _claims_to_be_dicom(entry)]
    if claimants:
        found = _scan(claimants, strangers=[entry for entry in here if entry not in set(claimants)])
        return replace(found, folders_left_out=tuple(entry for entry in entries if entry.is_dir()))
    below = list(_walked(path))
    claimants = [entry for entry in below if _claims_to_be_dicom(entry)]
    return _scan(claimants, strangers=[entry for entry in below if entry not in set(claimants)])


def _scan(claimants: list[Path], *, strangers: list[Path]) -> Scan:
    files, damaged = [], []
    for candidate in claimants:
        try:
            files.append(DicomFile(candidate, read_header(candidate)))
        except MedsegError as error:
            damaged.append(error if isinstance(error, ImageFormatError) else ImageFormatError(str(error)))
    return Scan(tuple(files), tuple(damaged), tuple(strangers))


def read_header(path: Path) -> FileDataset:
    """The header of a DICOM file, pixels left out.

    Raises:
        ImageFormatError: it is no DICOM file, or a damaged one.
    """
    with translated_errors(path, expected="a DICOM file", remedy=_REMEDY):
        try:
            return guarded_dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
        except InvalidDicomError:
            # Files from before PS3.10 start with the first data element at once; what makes sense then is read.
            header = guarded_dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS), force=True)
            if not {"SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"} <= set(header.dir()):
                message = f"{path}: expected a DICOM file, got something else. {_REMEDY}"
                raise ImageFormatError(message) from None
            return header


def _walked(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        shown = (name for name in sorted(names) if not name.startswith(".") and name.upper() != _DIRECTORY_NAME)
        yield from (Path(place) / name for name in shown)


def _claims_to_be_dicom(path: Path) -> bool:
    return path.suffix.lower() in DICOM_SUFFIXES or is_dicom_file(path)
