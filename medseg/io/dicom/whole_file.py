"""Whether a DICOM file ends where its data elements say.

pydicom takes a sequence of stated length that was cut off between two of its items for a shorter sequence.
"""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom.dataset import FileDataset

from medseg.io.refusals import refuse

_PREAMBLE_BYTES = 128
_MAGIC = b"DICM"
_META_GROUP = 2
_UNDEFINED = 0xFFFFFFFF
_DEFLATED = "1.2.840.10008.1.2.1.99"
_LONG_VR = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
"""Value representations with a length of four bytes (PS3.5 section 7.1.2)."""


def check_whole(dataset: FileDataset, *, path: Path) -> None:
    """Pass when no element of the file goes on after its end.

    The walk ends at a sequence of undefined length, whose end pydicom looks for itself, and before a deflated data set.

    Raises:
        RefusedImageError: the file is cut off ("truncated").
    """
    is_implicit, is_little = dataset.original_encoding
    if str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")) == _DEFLATED:
        return
    order = "<" if is_little else ">"
    size = path.stat().st_size
    with path.open("rb") as stream:
        at = _PREAMBLE_BYTES + len(_MAGIC) if stream.read(_PREAMBLE_BYTES + len(_MAGIC)).endswith(_MAGIC) else 0
        while at < size:
            stream.seek(at)
            start = stream.read(12).ljust(12, b"\xff")
            is_meta = struct.unpack("<H", start[:2])[0] == _META_GROUP
            header, length = _extent(start, "<" if is_meta else order, is_implicit=bool(is_implicit) and not is_meta)
            if length == _UNDEFINED and at + header <= size:
                return
            at += header + length
    if at > size:
        cause = f"expected at least {at} bytes, as its last data element says, got {size}: the file is cut off"
        refuse(path, "truncated", cause, "Copy it again from its source")


def _extent(start: bytes, order: str, *, is_implicit: bool) -> tuple[int, int]:
    """Bytes of an element before its value, and of its value."""
    if is_implicit:
        return 8, struct.unpack_from(order + "I", start, 4)[0]
    if start[4:6] in _LONG_VR:
        return 12, struct.unpack_from(order + "I", start, 8)[0]
    return 8, struct.unpack_from(order + "H", start, 6)[0]
