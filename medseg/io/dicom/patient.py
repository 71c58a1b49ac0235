"""Which patient an image states: to be compared in memory, never to be shown or stored."""

from __future__ import annotations

from pathlib import Path

from medseg.io.dicom.elements import text
from medseg.io.dicom.header import read_header
from medseg.io.dicom.signature import is_dicom_file


def stated_patient(path: Path) -> str:
    """PatientID (0010,0020) of a DICOM file, or of the first one in a folder; empty where none is stated.

    Raises:
        ImageFormatError: the file's header is damaged.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    first = next(filter(is_dicom_file, files), None)
    return "" if first is None else text(read_header(first), "PatientID")
