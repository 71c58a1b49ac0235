"""Telling DICOM files from others by their first bytes, without pydicom."""

from __future__ import annotations

from pathlib import Path

_PREAMBLE_BYTES = 128
_MAGIC = b"DICM"
_BARE_BYTES = 8
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
"""Groups 0002 and 0008, the first of any file, in little-endian order; big-endian ones always had a preamble."""
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def is_dicom_file(path: Path) -> bool:
    """Whether the file starts as PS3.10 says; False as well for what cannot be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(_PREAMBLE_BYTES + len(_MAGIC))[_PREAMBLE_BYTES:] == _MAGIC
    except OSError:
        return False


def starts_like_bare_dicom(path: Path) -> bool:
    """Whether the file starts with a data element of group 0002 or 0008, as files without preamble do."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_BARE_BYTES)
    except OSError:
        return False
    return len(start) == _BARE_BYTES and start[:2] in _FIRST_GROUPS and start[3] == 0
