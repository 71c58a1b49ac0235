"""Reading a DICOM file only after its packed size was measured.

pydicom unpacks a deflated data set (PS3.5 A.5) in one step, whatever its size: 511 KB become 512 MB, or any other size.
Here it is first unpacked piece by piece into nothing, up to a limit.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import FileDataset

from medseg.errors import ImageFormatError
from medseg.io.budget import COMPRESSION_BOMB, most_inflated
from medseg.verdicts import Outcome, RefusedImageError, Verdict

_PREAMBLE_BYTES = 128
_MAGIC = b"DICM"
_META_GROUP = 2
_TRANSFER_SYNTAX_ELEMENT = 0x0010
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_LONG_LENGTH = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"}
"""Value representations with a length of four bytes (PS3.5 7.1.2)."""
_PIECE = 2**16


def guarded_dcmread(path: Path, **options: Any) -> FileDataset:
    """What `pydicom.dcmread` gives, unless the file would unpack into more memory than it may.

    Raises:
        RefusedImageError: a deflated data set that grows past the budget or beyond what a scan does
            ("compression-bomb").
        ImageFormatError: file meta information that cannot be walked.
    """
    with path.open("rb") as stream:
        check_deflated(stream, path=path)
        dataset: FileDataset = dcmread(stream, **options)
    dataset.filename = str(path)
    return dataset


def check_deflated(stream: BinaryIO, *, path: Path) -> None:
    """Pass when the DICOM file in `stream` may be unpacked; it stands at its start before and after.

    Raises:
        RefusedImageError: see `guarded_dcmread`.
        ImageFormatError: see `guarded_dcmread`.
    """
    if _is_deflated(stream, path=path):
        _check_inflated_size(stream, path=path)
    stream.seek(0)


def _is_deflated(stream: BinaryIO, *, path: Path) -> bool:
    """Whether the file meta information (PS3.10 7.1) says so; `stream` then stands at the data set."""
    head = stream.read(_PREAMBLE_BYTES + len(_MAGIC))
    stream.seek(len(head) if head.endswith(_MAGIC) else 0)
    deflated = False
    while True:
        start = stream.tell()
        header = stream.read(8)
        if len(header) < 8 or struct.unpack("<H", header[:2])[0] != _META_GROUP:
            stream.seek(start)
            return deflated
        element, vr, length = struct.unpack("<H2sH", header[2:])
        if vr in _LONG_LENGTH:
            (length,) = struct.unpack("<I", stream.read(4).ljust(4, b"\xff"))
        if start + length > path.stat().st_size:
            message = f"{path}: its file meta information is damaged. Copy it again from its source."
            raise ImageFormatError(message)
        if element == _TRANSFER_SYNTAX_ELEMENT:
            deflated = stream.read(length).rstrip(b"\0 ") == _DEFLATED
        else:
            stream.seek(length, 1)


def _check_inflated_size(stream: BinaryIO, *, path: Path) -> None:
    stored = path.stat().st_size
    limit = most_inflated(stored)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = 0
    while not unpacker.eof and (piece := unpacker.unconsumed_tail or stream.read(_PIECE)):
        inflated += len(unpacker.decompress(piece, _PIECE * 16))
        if inflated > limit:
            cause = f"its deflated data set of {stored} bytes unpacks to more than {limit} bytes"
            remedy = "It was made to fill the memory: ask where it came from"
            raise RefusedImageError([Verdict(Outcome.REFUSE, COMPRESSION_BOMB, path, cause, remedy)])
