"""Placeholder until the series reader is there."""

from __future__ import annotations

from pathlib import Path

from medseg.errors import ImageFormatError
from medseg.images import Image
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.dicom.signature import DICOM_SUFFIXES


class DicomReader:
    """Reads DICOM series."""

    format = "dicom"
    suffixes: tuple[str, ...] = DICOM_SUFFIXES

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """Not there yet."""
        message = f"{path}: DICOM is not read yet."
        raise ImageFormatError(message)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """Not there yet."""
        message = f"{path}: DICOM is not read yet."
        raise ImageFormatError(message)
