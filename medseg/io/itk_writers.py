"""NRRD and MetaImage files, written compressed, one plane of the slowest axis after the other."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap
from medseg.io.label_values import compact
from medseg.io.stored_order import in_order_of

_LEVEL = 1
"""Compression level: higher ones take several times as long for some percent."""
_SIZE_FIELD = "CompressedDataSize = "
_SIZE_DIGITS = 15
"""ITK returns memory it has not set, and no error, where this field is missing; it is filled in at the end."""
_NRRD_TYPES = {
    "i1": "int8",
    "u1": "uint8",
    "i2": "int16",
    "u2": "uint16",
    "i4": "int32",
    "u4": "uint32",
    "i8": "int64",
    "u8": "uint64",
    "f4": "float",
    "f8": "double",
}
_STORED_AS = {np.dtype(np.bool_): np.uint8, np.dtype(np.float16): np.float32}
"""Types that the formats do not have, and what is written in their place."""
_META_TYPES = {
    "i1": "MET_CHAR",
    "u1": "MET_UCHAR",
    "i2": "MET_SHORT",
    "u2": "MET_USHORT",
    "i4": "MET_INT",
    "u4": "MET_UINT",
    "i8": "MET_LONG_LONG",
    "u8": "MET_ULONG_LONG",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}


@dataclass(frozen=True)
class _Volume:
    """(channels, x, y(, z)) little-endian numbers and their LPS affine."""

    array: NDArray
    affine: Affine
    spacing_is_known: bool
    has_orientation: bool

    @property
    def ndim(self) -> int:
        return self.affine.ndim

    @property
    def sizes(self) -> tuple[int, ...]:
        channels = self.array.shape[:1] if self.array.shape[0] > 1 else ()
        return (*channels, *self.array.shape[1:])

    def planes(self) -> Iterator[bytes]:
        """The numbers in the order of the file: channels fastest, then x, y, z."""
        for k in range(self.array.shape[-1]):
            yield np.asarray(self.array[..., k]).tobytes(order="F")


class NrrdWriter:
    """Writes .nrrd (gzip) in the space left-posterior-superior, as ITK and 3D Slicer do."""

    format = "nrrd"
    suffixes: tuple[str, ...] = (".nrrd",)

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image`; several channels become a vector axis."""
        _write_nrrd(_of_image(image), path)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` in the smallest unsigned type."""
        _write_nrrd(_of_labels(label_map), path)


class MetaImageWriter:
    """Writes .mha (zlib) in LPS, as ITK does."""

    format = "metaimage"
    suffixes: tuple[str, ...] = (".mha",)

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image`; several channels become the elements of a voxel."""
        _write_meta(_of_image(image), path)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` in the smallest unsigned type."""
        _write_meta(_of_labels(label_map), path)


def _of_image(image: Image) -> _Volume:
    return _ordered(image.array, image, axes=image.axes[1:])


def _of_labels(label_map: LabelMap) -> _Volume:
    return _ordered(compact(label_map.array)[np.newaxis], label_map, axes=label_map.axes)


def _ordered(array: NDArray, source: Image | LabelMap, *, axes: str) -> _Volume:
    moved, affine = in_order_of(axes, array, affine=source.affine, stored_axes="XYZ"[: len(axes)])
    stored = np.dtype(_STORED_AS.get(moved.dtype, moved.dtype)).newbyteorder("<")
    metadata = source.metadata
    return _Volume(
        moved.astype(stored, copy=False),
        affine.to_frame(WorldFrame.LPS),
        spacing_is_known=metadata.spacing_is_known,
        has_orientation=metadata.extra.get("has_orientation") is not False,
    )


def _write_nrrd(volume: _Volume, path: Path) -> None:
    dims, matrix = volume.ndim, volume.affine.matrix
    has_channels = len(volume.sizes) > dims
    space = "space: left-posterior-superior" if dims == 3 and volume.has_orientation else f"space dimension: {dims}"
    directions = ["none"] * has_channels + [_vector(matrix[:dims, axis]) for axis in range(dims)]
    lines = [
        "NRRD0005",
        f"type: {_NRRD_TYPES[_code(volume)]}",
        f"dimension: {len(volume.sizes)}",
        f"sizes: {_joined(volume.sizes)}",
        f"kinds: {' '.join(['vector'] * has_channels + ['domain'] * dims)}",
        "endian: little",
        "encoding: gzip",
    ]
    if volume.spacing_is_known:
        lines += [space, f"space directions: {' '.join(directions)}", f"space origin: {_vector(matrix[:dims, dims])}"]
    with path.open("wb") as stream:
        stream.write(("\n".join(lines) + "\n\n").encode("ascii"))
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=_LEVEL, mtime=0) as packed:
            for plane in volume.planes():
                packed.write(plane)


def _write_meta(volume: _Volume, path: Path) -> None:
    dims, affine = volume.ndim, volume.affine
    lines = [
        "ObjectType = Image",
        f"NDims = {dims}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"{_SIZE_FIELD}{0:0{_SIZE_DIGITS}d}",
        f"TransformMatrix = {_joined(affine.direction.T.ravel())}",
        f"Offset = {_joined(affine.origin_mm)}",
        *([f"ElementSpacing = {_joined(affine.spacing_mm)}"] if volume.spacing_is_known else []),
        f"DimSize = {_joined(volume.array.shape[1:])}",
        *([f"ElementNumberOfChannels = {volume.array.shape[0]}"] if volume.array.shape[0] > 1 else []),
        f"ElementType = {_META_TYPES[_code(volume)]}",
        "ElementDataFile = LOCAL",
    ]
    header = ("\n".join(lines) + "\n").encode("ascii")
    packer = zlib.compressobj(level=_LEVEL)
    with path.open("wb") as stream:
        stream.write(header)
        for plane in volume.planes():
            stream.write(packer.compress(plane))
        stream.write(packer.flush())
        num_bytes = stream.tell() - len(header)
        stream.seek(header.index(_SIZE_FIELD.encode("ascii")) + len(_SIZE_FIELD))
        stream.write(f"{num_bytes:0{_SIZE_DIGITS}d}".encode("ascii"))


def _code(volume: _Volume) -> str:
    return f"{volume.array.dtype.kind}{volume.array.dtype.itemsize}"


def _vector(values: Any) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"


def _joined(values: Any) -> str:
    return " ".join(repr(value) if isinstance(value, int) else repr(float(value)) for value in values)
