"""MetaImage files, .mha and .mhd, read without a foreign library.

Source: MetaIO's documentation, https://docs.itk.org/en/latest/learn/metaio.html; positions are LPS as in ITK.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.detached import detached_file
from medseg.io.foreign_errors import translated_errors
from medseg.io.header_lines import (
    LONGEST_HEADER,
    NO_ORIENTATION,
    millimetres,
    numbers_in,
    refuse,
    whole_numbers_in,
)
from medseg.io.nrrd import check_no_axes
from medseg.io.refusals import flag
from medseg.io.stored_numbers import Packing, StoredNumbers
from medseg.io.stored_volume import StoredVolume, header_of, image_of
from medseg.verdicts import Outcome, RefusedImageError, Verdict

_REMEDY = "Copy it again (with its data file, if that is separate), or convert it anew from its source."
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_ORIGINS = ("Offset", "Position", "Origin")
_LAST = "ElementDataFile"
_DIRECTION_TOLERANCE = 1e-3


class MetaImageReader:
    """Reads .mha and .mhd (raw or compressed); axes X, Y(, Z) in the order of the file."""

    format = "metaimage"
    suffixes: tuple[str, ...] = (".mha", ".mhd")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with translated_errors(path, expected="a MetaImage file", remedy=_REMEDY):
            return header_of(_volume(path, request), request)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="a MetaImage file", remedy=_REMEDY):
            return image_of(_volume(path, request), request)


def data_file(path: Path) -> Path:
    """The file with the numbers of the image whose header is `path`; often `path` itself.

    Raises:
        ImageFormatError: the header is damaged, or names no file that may be read.
    """
    with translated_errors(path, expected="a MetaImage file", remedy=_REMEDY):
        return _volume(path, ReadRequest()).numbers.path


def _volume(path: Path, request: ReadRequest) -> StoredVolume:
    check_no_axes(path, request)
    fields, end = _fields(path)
    sizes = whole_numbers_in(fields.get("DimSize", ""), path=path, field="DimSize")
    if str(len(sizes)) != fields.get("NDims", "").strip():
        refuse(path, "damaged-header", "expected as many sizes as it has dimensions")
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) not in {2, 3}:
        cause = f"expected 2 or 3 axes, got the shape {sizes}"
        refuse(path, "several-volumes", cause, "Save one volume to a file")
    (channels,) = whole_numbers_in(fields.get("ElementNumberOfChannels", "1"), path=path, field="channels")[:1]
    verdicts: list[Verdict] = []
    affine, known = _place(fields, ndim=len(sizes), path=path, verdicts=verdicts)
    shape, axes = (sizes, "XYZ"[: len(sizes)]) if channels == 1 else ((channels, *sizes), "C" + "XYZ"[: len(sizes)])
    numbers = _numbers(fields, shape, path=path, end=end)
    has_orientation = any(name in fields for name in _DIRECTIONS) and len(sizes) == 3
    metadata = ImageMetadata(
        source=str(path), format="metaimage", spacing_is_known=known, extra={"has_orientation": has_orientation}
    )
    return StoredVolume(numbers, shape, axes, affine, metadata, tuple(verdicts))


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Field -> text, and the number of bytes of the header."""
    with path.open("rb") as stream:
        start = stream.read(LONGEST_HEADER)
    fields: dict[str, str] = {}
    position = 0
    for line in start.splitlines(keepends=True):
        position += len(line)
        name, mark, value = line.decode("utf-8", "replace").partition("=")
        name = name.strip()
        if not mark or (not fields and name not in {"ObjectType", "NDims", "Comment"}):
            break
        fields[name] = value.strip()
        if name == _LAST:
            return fields, position
    code, cause = "not-metaimage", "expected a MetaImage file, got a file of another kind"
    if "NDims" in fields:
        code, cause = "truncated", f"cut off: expected {_LAST} at the end of its header"
    raise RefusedImageError([Verdict(Outcome.REFUSE, code, path, cause, "Copy it again, or check what it is")])


def _place(fields: dict[str, str], *, ndim: int, path: Path, verdicts: list[Verdict]) -> tuple[Affine, bool]:
    total = int(fields["NDims"])
    spacing_field = next((name for name in ("ElementSpacing", "ElementSize") if name in fields), None)
    sizes = _of_length(fields, spacing_field, total, path=path)[:ndim] if spacing_field else np.ones(ndim)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        shown = ", ".join(f"{size:g}" for size in sizes)
        refuse(path, "bad-voxel-size", f"expected a positive voxel size, got ({shown})")
    direction_field = next((name for name in _DIRECTIONS if name in fields), None)
    direction = np.eye(total)
    if direction_field is not None:  # each row of the field is the direction of one axis
        direction = _of_length(fields, direction_field, total * total, path=path).reshape(total, total).T
    elif ndim == 3:
        verdicts.append(flag(path, "no-orientation", NO_ORIENTATION))
    direction = direction[:ndim, :ndim]
    origin_field = next((name for name in _ORIGINS if name in fields), None)
    origin = _of_length(fields, origin_field, total, path=path)[:ndim] if origin_field else np.zeros(ndim)
    lengths = np.linalg.norm(direction, axis=0)
    are_units = np.allclose(lengths, 1.0, rtol=0, atol=_DIRECTION_TOLERANCE)
    if not (np.isfinite(origin).all() and are_units and abs(np.linalg.det(direction)) > 1e-6):
        refuse(path, "damaged-orientation", "its header places the voxels nowhere (damaged matrix or offset)")
    unit = fields.get("DistanceUnits", "mm")
    factor = 1.0 if unit in {"", "?"} else millimetres(unit, path=path, verdicts=verdicts)
    affine = Affine.from_spacing(
        sizes * factor, frame=WorldFrame.LPS, origin_mm=origin * factor, direction=direction
    ).to_frame(WorldFrame.RAS)
    if not affine.is_orthogonal:
        verdicts.append(flag(path, "sheared-grid", "its voxels are not at right angles"))
    return affine, spacing_field is not None


def _of_length(fields: dict[str, str], name: str, length: int, *, path: Path) -> np.ndarray:
    values = numbers_in(fields[name], path=path, field=name)
    if values.size != length:
        refuse(path, "damaged-header", f"expected {length} numbers in the field {name}, got {values.size}")
    return values


def _numbers(fields: dict[str, str], shape: tuple[int, ...], *, path: Path, end: int) -> StoredNumbers:
    code = _TYPES.get(fields.get("ElementType", "").removesuffix("_ARRAY"))
    if code is None:
        refuse(path, "not-one-number", "expected numbers, got an unknown type", "Export the measured values")
    if not _is_true(fields, "BinaryData", default="True"):
        refuse(path, "unsupported-encoding", "expected binary data, got text", "Save it again as binary")
    scaling = [fields.get("ElementToIntensityFunctionSlope", "1"), fields.get("ElementToIntensityFunctionOffset", "0")]
    if [float(value) for value in scaling] != [1.0, 0.0]:
        refuse(path, "scaled", "its values are scaled by a field that other programs pass over", "Save it unscaled")
    is_big = _is_true(fields, "BinaryDataByteOrderMSB") or _is_true(fields, "ElementByteOrderMSB")
    dtype = np.dtype(code).newbyteorder(">" if is_big else "<")
    packing = Packing.ZLIB if _is_true(fields, "CompressedData") else Packing.PLAIN
    name = fields[_LAST]
    data_path, start = path, end
    if name.upper() != "LOCAL":
        if name.upper().startswith("LIST") or "%" in name:
            refuse(path, "data-in-many-files", "its data lie in several files", "Save it again as one .mha")
        data_path, start = detached_file(path, name), 0
    skip = int(fields.get("HeaderSize", "0") or 0)
    if skip == -1:
        start, skip = max(data_path.stat().st_size - prod(shape) * dtype.itemsize, start), 0
    if skip < 0:
        refuse(path, "damaged-header", "expected a HeaderSize of at least -1")
    plane = prod(shape[:-1]) if len(shape) > 2 else shape[0]
    return StoredNumbers(
        data_path, dtype, prod(shape), packing=packing, start=start + skip, slice_bytes=plane * dtype.itemsize
    )


def _is_true(fields: dict[str, str], name: str, *, default: str = "False") -> bool:
    return fields.get(name, default).strip().upper()[:1] in {"T", "1"}
