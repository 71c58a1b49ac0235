"""Whether the chain of pages in a TIFF ends and each has a size: readers can go round in circles for minutes if not."""

from __future__ import annotations

import struct
from pathlib import Path

from medseg.io.refusals import refuse

_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_BIG = 43
_SIDES = {256, 257}
"""Tags ImageWidth and ImageLength."""
_UNSIGNED = {1, 3, 4, 13, 16, 18}
"""Types of field BYTE, SHORT, LONG, IFD, LONG8 and IFD8."""
_COPY_AGAIN = "Copy or export it again"


def check_directories(path: Path) -> None:
    """Pass when the image file directories of a TIFF (TIFF 6.0, section 2; BigTIFF) lie beside each other in the file.

    What is no TIFF passes: the reader has better words for it.

    Raises:
        RefusedImageError: the directories together are larger than the file, so that some overlap or recur
            ("circular-pages"), the size of a page is no positive number ("damaged"), or a page lies beyond the end of
            the file ("truncated").
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(16)
        order = _BYTE_ORDERS.get(head[:2])
        if order is None or len(head) < 16:
            return
        is_big = struct.unpack_from(order + "H", head, 2)[0] == _BIG
        count_code, offset_code, entry_bytes = ("Q", "Q", 20) if is_big else ("H", "I", 12)
        count_bytes, offset_bytes = struct.calcsize(count_code), struct.calcsize(offset_code)
        (offset,) = struct.unpack_from(order + offset_code, head, 8 if is_big else 4)
        walked = 0
        while 0 < offset < size and walked <= size:
            stream.seek(offset)
            start = stream.read(count_bytes)
            if len(start) < count_bytes:
                break
            length = count_bytes + entry_bytes * struct.unpack(order + count_code, start)[0]
            walked += length + offset_bytes
            if offset + length > size:
                break
            _check_sides(stream.read(length - count_bytes), order=order, entry_bytes=entry_bytes, path=path)
            following = stream.read(offset_bytes)
            if len(following) < offset_bytes:
                break
            (offset,) = struct.unpack(order + offset_code, following)
    if walked > size:
        refuse(path, "circular-pages", "its pages refer to each other in a circle or overlap", _COPY_AGAIN)
    if offset != 0:
        refuse(path, "truncated", "its list of pages goes on beyond the end of the file", _COPY_AGAIN)


def _check_sides(entries: bytes, *, order: str, entry_bytes: int, path: Path) -> None:
    """Pass when width and length are of a type without sign: tifffile takes a negative one and never ends."""
    for at in range(0, len(entries) - entry_bytes + 1, entry_bytes):
        tag, field_type = struct.unpack_from(order + "HH", entries, at)
        if tag in _SIDES and field_type not in _UNSIGNED:
            refuse(path, "damaged", "width or length of a page is not stored as a positive whole number", _COPY_AGAIN)
