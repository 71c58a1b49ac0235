"""Reading a file's header: what of it is wanted, in which transfer syntax, and where the pixels lie.

Little-endian headers, nearly all there are, are walked through here, since a volume has hundreds of files and pydicom
takes a millisecond for each. Whatever is out of the ordinary in the least is left to pydicom and its judgement:
sequences of undefined length, other byte orders, odd orders of elements, unknown value representations, files from
before PS3.10. Both ways end in one type.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medseg.errors import ImageFormatError
from medseg.io.dicom.elements import Elements
from medseg.io.dicom.guarded import check_deflated
from medseg.io.dicom.header_tags import HEADER_TAGS
from medseg.io.foreign_errors import translated_errors

_REMEDY = "Copy it again from its source."
_PREAMBLE_END = 132
_FIRST_READ = 16_384
"""Bytes; most headers end before."""
_SECOND_READ = 1 << 20
_UNDEFINED = 0xFFFFFFFF
_TRANSFER_SYNTAX = 0x0002_0010
_SOP_CLASS = 0x0008_0016
_PIXELS = 0x7FE0_0010
_FIRST_PIXELS = 0x7FE0_0000
IN_PLACE = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)})
"""Transfer syntaxes whose pixels lie in the file as they are in memory."""
_NOT_WALKED = {ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations with a length of four bytes (PS3.5 section 7.1.2)."""
_SHORT_VR = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_BINARY = {"US": "H", "SS": "h", "FD": "d", "FL": "f", "UL": "I", "SL": "i"}
"""Value representation -> its struct code."""
_WANTED: dict[int, tuple[str, str]] = {
    int(tag_for_keyword(keyword) or 0): (keyword, dictionary_VR(keyword).split(" ")[0]) for keyword in HEADER_TAGS
}
"""Tag -> keyword and value representation."""


class PixelPlace(NamedTuple):
    """Where uncompressed little-endian pixels lie in their file, in bytes."""

    offset: int
    length: int
    file_bytes: int


@dataclass(frozen=True)
class FileHeader:
    """The elements of `HEADER_TAGS` that a file has.

    Attributes:
        elements: keyword -> value.
        transfer_syntax: UID.
        pixels: where they lie; None where they are compressed, big-endian, or not there.
    """

    elements: Elements | Mapping[str, Any]
    transfer_syntax: str
    pixels: PixelPlace | None

    def get(self, key: str, default: Any = None, /) -> Any:
        """The value under a keyword, or the default."""
        return self.elements.get(key, default)

    def __contains__(self, key: object, /) -> bool:
        """Whether the element is there, empty or not."""
        return key in self.elements


def read_header(path: Path) -> FileHeader:
    """The header of a DICOM file, pixels left out.

    Raises:
        ImageFormatError: it is no DICOM file, or a damaged one.
    """
    with translated_errors(path, expected="a DICOM file", remedy=_REMEDY), path.open("rb", buffering=0) as stream:
        return _walked(stream) or _read_by_pydicom(stream, path=path)


def _read_by_pydicom(stream: BinaryIO, *, path: Path) -> FileHeader:
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    check_deflated(stream, path=path)
    try:
        header = dcmread(stream, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
    except InvalidDicomError:
        # Files from before PS3.10 start with the first data element at once; what makes sense then is read.
        stream.seek(0)
        header = dcmread(stream, stop_before_pixels=True, specific_tags=list(HEADER_TAGS), force=True)
        if not all(keyword in header for keyword in _IDENTITY):
            message = f"{path}: expected a DICOM file, got something else. {_REMEDY}"
            raise ImageFormatError(message) from None
    for element in header:  # pydicom converts a value when it is asked for; damaged ones have to show here
        del element
    meta = getattr(header, "file_meta", {})
    kind = str(header.get("SOPClassUID", "") or meta.get("MediaStorageSOPClassUID", ""))
    if not {"SOPClassUID", "Rows"} & set(header.dir()) and kind != MediaStorageDirectoryStorage:
        # A file cut off within its header is not an object without pixels: it may be a lost slice.
        message = f"{path}: expected a DICOM file that says what it holds, and its header ends before. {_REMEDY}"
        raise ImageFormatError(message)
    header.SOPClassUID = kind  # some anonymisers empty it and leave it in the meta information
    is_implicit, is_little = header.original_encoding
    stated = str(meta.get("TransferSyntaxUID", ""))
    guessed = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
    syntax = stated or str(guessed)
    place = None
    if syntax in IN_PLACE:
        at = stream.tell()  # pydicom stops before the pixels
        place = _pixel_place(stream.read(12), at=at, is_implicit=bool(is_implicit), size=size)
    return FileHeader(header, syntax, place)


def _pixel_place(start: bytes, *, at: int, is_implicit: bool, size: int) -> PixelPlace | None:
    if len(start) < 12:
        return None
    tag, _, length, end = _element(start, 0, is_implicit=is_implicit)
    return PixelPlace(at + end, length, size) if tag == _PIXELS and length != _UNDEFINED else None


def _walked(stream: BinaryIO) -> FileHeader | None:
    """The header, or None where pydicom shall read it."""
    size = os.fstat(stream.fileno()).st_size
    data = stream.read(_FIRST_READ)
    if data[128:_PREAMBLE_END] != b"DICM":
        return None
    found = _header_in(data, size=size)
    if found is None and size > len(data):
        found = _header_in(data + stream.read(_SECOND_READ), size=size)
    return found


def _header_in(data: bytes, *, size: int) -> FileHeader | None:
    try:
        # The file meta information begins with its own length (PS3.10 section 7.1).
        tag, _, length, value = _element(data, _PREAMBLE_END, is_implicit=False)
        if tag != 0x0002_0000 or length != 4:
            return None
        start = value + 4 + int(struct.unpack_from("<I", data, value)[0])
        meta, _, _ = _elements(data[:start], value + 4, is_implicit=False)
        syntax = meta.get(_TRANSFER_SYNTAX, (b"", b""))[1].decode("ascii").strip(" \0")
        if not syntax.startswith("1.2.840.10008.1.2") or syntax in {
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
        }:
            return None
        is_implicit = syntax == ImplicitVRLittleEndian
        raw, at, is_at_pixels = _elements(data, start, is_implicit=is_implicit)
        if not is_at_pixels or not raw[_SOP_CLASS][1]:
            return None
        elements = {_WANTED[tag][0]: _value(_WANTED[tag][1], *pair) for tag, pair in raw.items()}
    except (struct.error, ValueError, LookupError):
        return None
    is_native = syntax in IN_PLACE
    place = _pixel_place(data[at : at + 12], at=at, is_implicit=is_implicit, size=size) if is_native else None
    return FileHeader(elements, syntax, place)


def _elements(data: bytes, at: int, *, is_implicit: bool) -> tuple[dict[int, tuple[bytes, bytes]], int, bool]:
    """Tag -> value representation and bytes, where the walk ended, and whether that was before the pixels.

    Raises:
        ValueError: something is not as it usually is.
    """
    found: dict[int, tuple[bytes, bytes]] = {}
    last = 0
    while at < len(data):
        tag, vr, length, value = _element(data, at, is_implicit=is_implicit)
        if tag <= last or (length == _UNDEFINED and tag < _FIRST_PIXELS):
            raise ValueError
        if tag >= _FIRST_PIXELS:
            return found, at, tag == _PIXELS
        if tag in _WANTED or tag == _TRANSFER_SYNTAX:
            found[tag] = (vr, data[value : value + length])
        at, last = value + length, tag
    if at > len(data):
        raise ValueError
    return found, at, False


def _element(data: bytes, at: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
    """Tag, value representation, length of the value and its place.

    Raises:
        ValueError: an unknown value representation.
        struct.error: the data end here.
    """
    group, number = struct.unpack_from("<HH", data, at)
    tag = group << 16 | number
    if is_implicit:
        return tag, b"", struct.unpack_from("<I", data, at + 4)[0], at + 8
    vr = data[at + 4 : at + 6]
    if vr in _SHORT_VR:
        return tag, vr, struct.unpack_from("<H", data, at + 6)[0], at + 8
    if vr in _LONG_VR:
        return tag, vr, struct.unpack_from("<I", data, at + 8)[0], at + 12
    raise ValueError


def _value(expected: str, vr: bytes, raw: bytes) -> Any:
    """The value as pydicom would give it, numbers in text left as text.

    Raises:
        ValueError: another representation than the standard's, or text that needs a character set.
    """
    kind = vr.decode("ascii") or expected
    if kind != expected and {kind, expected} != {"US", "SS"}:
        raise ValueError
    if kind == "SQ":
        raise ValueError
    code = _BINARY.get(kind)
    if code is not None:
        values = struct.unpack(f"<{len(raw) // struct.calcsize('<' + code)}{code}", raw)
        return values[0] if len(values) == 1 else list(values)
    parts = [part.strip(" \0") for part in raw.decode("ascii").split("\\")]
    return parts[0] if len(parts) == 1 else parts
