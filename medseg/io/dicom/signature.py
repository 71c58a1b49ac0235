"""Telling DICOM files from others by their first bytes, without pydicom."""

from __future__ import annotations

from pathlib import Path

_PREAMBLE_BYTES = 128
_MAGIC = b"DICM"
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def is_dicom_file(path: Path) -> bool:
    """Whether the file starts as PS3.10 says; False as well for what cannot be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(_PREAMBLE_BYTES + len(_MAGIC))[_PREAMBLE_BYTES:] == _MAGIC
    except OSError:
        return False
