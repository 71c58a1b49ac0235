"""NRRD files, .nrrd and .nhdr, read without a foreign library.

Source: Kindlmann, "Definition of NRRD file format", https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from medseg.errors import InputError
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.detached import detached_file
from medseg.io.foreign_errors import translated_errors
from medseg.io.header_lines import LONGEST_HEADER, refuse, whole_numbers_in
from medseg.io.nrrd_geometry import place
from medseg.io.stored_numbers import Packing, StoredNumbers
from medseg.io.stored_volume import StoredVolume, header_of, image_of

_REMEDY = "Copy it again (with its data file, if that is separate), or convert it anew from its source."
_NAMES_OF_TYPE = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPES = {name: code for code, names in _NAMES_OF_TYPE.items() for name in names}
_PACKINGS = {
    "raw": Packing.PLAIN,
    "gzip": Packing.GZIP,
    "gz": Packing.GZIP,
    "bzip2": Packing.BZIP2,
    "bz2": Packing.BZIP2,
}
_BYTE_ORDERS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_SYNONYMS = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip", "centers": "centerings"}
_CHANNEL_KINDS = {
    "vector",
    "list",
    "rgb-color",
    "rgba-color",
    "hsv-color",
    "covariant-vector",
    "normal",
    "scalar",
}
_SPATIAL_KINDS = {"domain", "space", "???", "none"}


class NrrdReader:
    """Reads .nrrd and .nhdr (raw, gzip, bzip2); axes X, Y(, Z) in the order of the file, vector axes as channels."""

    format = "nrrd"
    suffixes: tuple[str, ...] = (".nrrd", ".nhdr")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with translated_errors(path, expected="an NRRD file", remedy=_REMEDY):
            return header_of(_volume(path, request), request)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="an NRRD file", remedy=_REMEDY):
            return image_of(_volume(path, request), request)


def data_file(path: Path) -> Path:
    """The file with the numbers of the image whose header is `path`; often `path` itself.

    Raises:
        ImageFormatError: the header is damaged, or names no file that may be read.
    """
    with translated_errors(path, expected="an NRRD file", remedy=_REMEDY):
        return _volume(path, ReadRequest()).numbers.path


def check_no_axes(path: Path, request: ReadRequest) -> None:
    """Pass when the request names no axes but those the file has anyway.

    Raises:
        InputError: it does.
    """
    if request.axes is not None and request.axes.upper() not in {"XY", "XYZ"}:
        message = f"{path}: the file names its axes itself, got --axes {request.axes}. Leave it out."
        raise InputError(message)


def _volume(path: Path, request: ReadRequest) -> StoredVolume:
    check_no_axes(path, request)
    fields, end = _fields(path)
    sizes = whole_numbers_in(fields.get("sizes", ""), path=path, field="sizes")
    if str(len(sizes)) != fields.get("dimension", "").strip():
        refuse(path, "damaged-header", "expected as many sizes as it has dimensions")
    axes = _axes(fields, sizes, path=path)
    placed = place(fields, axes=axes, path=path)
    numbers = _numbers(fields, sizes, path=path, end=end, axes=axes)
    metadata = ImageMetadata(
        source=str(path),
        format="nrrd",
        spacing_is_known=placed.spacing_is_known,
        extra={"has_orientation": placed.has_orientation},
    )
    return StoredVolume(numbers, sizes, axes, placed.affine, metadata, placed.verdicts)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Field -> text, in lower-case standard names, and the number of bytes of the header with its empty line."""
    with path.open("rb") as stream:
        start = stream.read(LONGEST_HEADER)
    if not start.startswith(b"NRRD000"):
        refuse(path, "not-nrrd", "expected an NRRD file, got a file of another kind", "Check what it is")
    fields: dict[str, str] = {}
    position = 0
    for number, line in enumerate(start.splitlines(keepends=True)):
        position += len(line)
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return fields, position
        name, mark, value = text.partition(": ")
        if number and mark and not text.startswith("#") and ":=" not in name:
            key = name.strip().lower()
            fields[_SYNONYMS.get(key, key)] = value.strip()
    if len(start) == LONGEST_HEADER or "data file" not in fields:
        refuse(path, "truncated", "cut off: expected an empty line at the end of its header", "Copy it again")
    return fields, position


def _axes(fields: dict[str, str], sizes: tuple[int, ...], *, path: Path) -> str:
    """A letter for each stored axis: C for the one that is not in space."""
    kinds = fields.get("kinds", "").lower().split()
    directions = fields.get("space directions", "").lower().replace("none", " none ").split(")")
    words = " ".join(directions).split()
    is_outside = [word == "none" for word in words if word == "none" or word.startswith("(")]
    if len(is_outside) != len(sizes):
        is_outside = [False] * len(sizes)
    if len(kinds) == len(sizes):
        if any("complex" in kind or "matrix" in kind or kind == "time" for kind in kinds):
            cause = "expected one real number a voxel, got complex numbers, matrices or points in time"
            refuse(path, "not-one-number", cause, "Save one volume of measured values")
        is_outside = [
            outside or (kind in _CHANNEL_KINDS and kind not in _SPATIAL_KINDS)
            for outside, kind in zip(is_outside, kinds, strict=True)
        ]
    count = len(sizes) - sum(is_outside)
    if sum(is_outside) > 1 or count not in {2, 3}:
        cause = f"expected 2 or 3 axes in space and one of channels at most, got the shape {sizes}"
        refuse(path, "several-volumes", cause, "Save one volume to a file")
    spatial = iter("XYZ")
    return "".join("C" if outside else next(spatial) for outside in is_outside)


def _numbers(fields: dict[str, str], sizes: tuple[int, ...], *, path: Path, end: int, axes: str) -> StoredNumbers:
    code = _TYPES.get(" ".join(fields.get("type", "").lower().split()))
    if code is None:
        refuse(path, "not-one-number", "expected numbers, got blocks or an unknown type", "Export the measured values")
    encoding = fields.get("encoding", "").lower()
    packing = _PACKINGS.get(encoding)
    if packing is None:
        cause = "expected raw, gzip or bzip2 encoding, got another"
        refuse(path, "unsupported-encoding", cause, "Save it again compressed or raw")
    order = _BYTE_ORDERS.get(fields.get("endian", "").lower())
    if order is None and np.dtype(code).itemsize > 1:
        refuse(path, "damaged-header", "expected its endian to be little or big")
    dtype = np.dtype(code).newbyteorder(order or "=")
    if int(fields.get("line skip", "0") or 0) != 0:
        refuse(path, "unsupported-encoding", "its data begin with lines to skip", "Save it again without them")
    data_path, start = path, end
    if "data file" in fields:
        name = fields["data file"]
        if name.upper().startswith("LIST") or "%" in name:
            refuse(path, "data-in-many-files", "its data lie in several files", "Save it again as one .nrrd")
        data_path, start = detached_file(path, name), 0
    skip = int(fields.get("byte skip", "0") or 0)
    num_bytes = prod(sizes) * dtype.itemsize
    if skip == -1 and packing is Packing.PLAIN:
        start, skip = max(data_path.stat().st_size - num_bytes, start), 0
    if skip < 0:
        refuse(path, "damaged-header", "expected a byte skip of at least 0, or of -1 for raw data")
    inner = [size for size, letter in zip(sizes, axes, strict=True) if letter != "Z"]
    return StoredNumbers(
        data_path,
        dtype,
        prod(sizes),
        offset=skip,
        packing=packing,
        start=start,
        slice_bytes=prod(inner) * dtype.itemsize,
    )
