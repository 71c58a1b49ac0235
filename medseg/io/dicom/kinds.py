"""What a DICOM file is: images, or something that was drawn on images."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from medseg.io.dicom.signature import DICOM_SUFFIXES, is_dicom_file


class ObjectKind(StrEnum):
    """What a path leads to."""

    IMAGES = "images"
    """Images, DICOM or not."""
    SEGMENTATION = "segmentation"
    STRUCTURE_SET = "structure set"


_KINDS: Mapping[str, ObjectKind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": ObjectKind.SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.7": ObjectKind.SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.481.3": ObjectKind.STRUCTURE_SET,
}
"""SOP class (PS3.4 B.5) -> what it is."""


def kind_of(path: Path) -> ObjectKind:
    """What is at `path`; images for folders and for all that is no DICOM.

    Raises:
        ImageFormatError: a DICOM file whose header cannot be read.
    """
    if not path.is_file() or not (path.suffix.lower() in DICOM_SUFFIXES or is_dicom_file(path)):
        return ObjectKind.IMAGES
    from medseg.io.dicom.header import read_header

    return _KINDS.get(str(read_header(path).get("SOPClassUID", "")), ObjectKind.IMAGES)
