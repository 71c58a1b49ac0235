"""PNG and JPEG pictures, read and written with pillow."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.io.alpha import without_constant_alpha
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.budget import check_budget, check_expansion
from medseg.io.foreign_errors import translated_errors
from medseg.io.label_values import compact
from medseg.io.refusals import flag, refuse, with_verdicts
from medseg.io.slices import slice_of
from medseg.io.stored_order import affine_of_axes, along_world_axes, channels_first, native
from medseg.verdicts import Verdict

_REMEDY = "Open and save it again with an image editor."
_GEOMETRY_KEY = "medseg:affine_mm"
"""PNG text chunk with the affine's rows as JSON; PNG's own chunk for it rounds to whole pixels a metre."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_HEADER_BYTES = 33
_HEADER = slice(16, 26)
"""Width, height, bit depth and colour type in a PNG (ISO/IEC 15948, section 11.2.2)."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> samples a pixel."""
_MOST_DEFLATED = 1100
"""Bytes that one of a deflated stream can become; the format ends at 1032."""
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = 1
_COPIES = 2.0
"""A picture while it is read: pillow's and the array."""
_CHANNELS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "LA": 1, "RGB": 3, "RGBA": 3, "YCbCr": 3}
"""Pillow mode -> channels of the image; the other modes are refused."""
_WIDE: dict[str, np.dtype] = {
    "I": np.dtype(np.int32),
    "I;16": np.dtype(np.uint16),
    "I;16B": np.dtype(np.uint16),
    "F": np.dtype(np.float32),
}


class PngReader:
    """Reads PNG and JPEG: grey or colour, 8 or 16 bits; axes CYX with rows downwards as in the file.

    Palettes become colours, or stay numbers where labels are read. An alpha channel that is opaque all over is left
    out, another one refused. A photograph turned by its EXIF tag is turned, with a note.
    """

    format = "png"
    suffixes: tuple[str, ...] = (".png", ".jpg", ".jpeg")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without decoding it."""
        with translated_errors(path, expected="a PNG or JPEG image", remedy=_REMEDY), _open(path) as picture:
            return _header(picture, request, path=path)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="a PNG or JPEG image", remedy=_REMEDY), _open(path) as picture:
            header = _header(picture, request, path=path)
            array, flags = _decoded(picture, request, path=path)
        array, _ = channels_first(native(array), "YX" if array.ndim == 2 else "YXC")
        if len(array) in {2, 4}:
            array, verdict = without_constant_alpha(array, path=path)
            flags.append(verdict)
        image = Image(array, header.affine, axes="CYX", metadata=with_verdicts(header.metadata, *flags))
        return image if request.slice_index is None else slice_of(image, request.slice_index)


class PngWriter:
    """Writes 2-D images (8 or 16 bits grey, 8 bits RGB) and label maps.

    A voxel size that is known goes into a text chunk of the file, which other programs pass over.
    """

    format = "png"
    suffixes: tuple[str, ...] = (".png",)

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image`."""
        _write(image.array, affine=image.affine, metadata=image.metadata, path=path)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` in 8 or 16 bits; more than 65535 labels are refused."""
        _write(compact(label_map.array)[None], affine=label_map.affine, metadata=label_map.metadata, path=path)


def _open(path: Path) -> Any:
    """The picture by its first bytes, not yet decoded; pillow's own limit of its size gives way to the budget."""
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    with path.open("rb") as stream:
        start = stream.read(len(_PNG_START))
    readers = {_PNG_START: PngImageFile, _JPEG_START: JpegImageFile}
    fitting = [reader for magic, reader in readers.items() if start.startswith(magic)]
    if not fitting:
        cause = "expected a PNG or JPEG image, and its first bytes are those of neither"
        refuse(path, "not-a-picture", cause, _REMEDY.rstrip("."))
    return fitting[0](path)


def _header(picture: Any, request: ReadRequest, *, path: Path) -> ImageHeader:
    _check_request(request, path=path)
    mode = _mode_read(picture, request)
    if mode not in _CHANNELS:
        cause = f"expected a grey or RGB picture, got colour mode {mode}"
        refuse(path, "colour-space", cause, "Convert it to RGB in an image editor")
    affine, known = _affine_of(picture)
    width, height = picture.size
    dtype = np.dtype(np.uint16) if _is_wide(picture) else _WIDE.get(mode, np.dtype(np.uint8))
    decoded_bytes = width * height * len(picture.getbands()) * dtype.itemsize
    check_budget(path, expected_bytes=decoded_bytes, copies=_COPIES)
    stored = path.stat().st_size
    if picture.format == "PNG":
        _check_deflated(path, stored_bytes=stored)
    judged = request if picture.format == "PNG" else replace(request, as_labels=False)  # no mask is kept as JPEG
    flags = check_expansion(path, expected_bytes=decoded_bytes, stored_bytes=stored, request=judged)
    if picture.getexif().get(_EXIF_ORIENTATION, _UPRIGHT) >= 5:
        width, height = height, width
    metadata = ImageMetadata(source=str(path), format="png", spacing_is_known=known)
    return ImageHeader((_CHANNELS[mode], height, width), "CYX", dtype, affine, with_verdicts(metadata, *flags))


def _check_deflated(path: Path, *, stored_bytes: int) -> None:
    """Pass when the pixels that the header states can come out of a file of this size, empty masks included.

    Raises:
        RefusedImageError: they cannot; pillow would allocate them before it notices.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    width, height, depth, colour_type = struct.unpack(">IIBB", head[_HEADER])
    row_bytes = (width * depth * _SAMPLES.get(colour_type, 1) + 7) // 8
    if row_bytes * height > _MOST_DEFLATED * stored_bytes:
        cause = f"its header states {width} x {height} pixels, and the file is too small to hold them"
        refuse(path, "truncated", cause, "Copy or export it again")


def _check_request(request: ReadRequest, *, path: Path) -> None:
    if request.axes is not None and request.axes.upper() not in {"YX", "YXC"}:
        message = f"{path}: a picture has the axes YX (or YXC in colour), got --axes {request.axes}. Leave it out."
        raise InputError(message)


def _mode_read(picture: Any, request: ReadRequest) -> str:
    """The mode after palettes became colours."""
    if picture.mode not in {"P", "PA"}:
        return str(picture.mode)
    return "L" if request.as_labels else "RGB"


def _affine_of(picture: Any) -> tuple[Affine, bool]:
    text = getattr(picture, "text", {}).get(_GEOMETRY_KEY)
    if text is None:
        return affine_of_axes("YX", spacing_mm={}, origin_mm={}), False
    return Affine(json.loads(text), frame=WorldFrame.RAS), True


def _decoded(picture: Any, request: ReadRequest, *, path: Path) -> tuple[NDArray, list[Verdict]]:
    """Rows, columns and, in colour, channels, turned upright; colours for palette numbers unless labels are read."""
    from PIL import ImageOps

    flags = []
    orientation = picture.getexif().get(_EXIF_ORIENTATION, _UPRIGHT)
    if orientation != _UPRIGHT:
        flags.append(flag(path, "turned", "the picture was turned as its EXIF tag asks, as are masks with such a tag"))
    if _is_wide(picture):
        return _turned(_decoded_wide(path), orientation), flags
    depth = _grey_bits(picture)
    if orientation != _UPRIGHT:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode in {"P", "PA"} and not request.as_labels:
        transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if transparent else "RGB")
        flags.append(flag(path, "palette-expanded", "palette numbers were turned into colours"))
    if picture.mode == "YCbCr":
        picture = picture.convert("RGB")
    if picture.mode == "PA":
        picture = picture.getchannel(0)
    array = np.asarray(picture)
    return array // (255 // (2**depth - 1)) if depth in {2, 4} else array, flags


def _is_wide(picture: Any) -> bool:
    """Whether it has 16 bits a sample and several samples a pixel, of which pillow keeps 8 bits without a word."""
    return picture.format == "PNG" and picture.mode in {"RGB", "RGBA", "LA"} and "16" in _raw_mode(picture)


def _grey_bits(picture: Any) -> int:
    """Bits a pixel where pillow stretches 2 or 4 of them to 8, else 0."""
    return {"L;2": 2, "L;4": 4}.get(_raw_mode(picture), 0)


def _raw_mode(picture: Any) -> str:
    """How pillow calls the samples in the file, "RGB;16B" for example."""
    tiles = picture.tile
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _decoded_wide(path: Path) -> NDArray:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _turned(array: NDArray, orientation: int) -> NDArray:
    """`array`, (rows, columns, ...), upright: EXIF orientations 2 to 8 are the eight turns and mirrorings."""
    if orientation in {5, 6, 7, 8}:
        array = array.swapaxes(0, 1)
    rows = -1 if orientation in {3, 4, 7, 8} else 1
    columns = -1 if orientation in {2, 3, 6, 7} else 1
    return np.ascontiguousarray(array[::rows, ::columns])


def _write(array: NDArray, *, affine: Affine, metadata: ImageMetadata, path: Path) -> None:
    from PIL import Image as Pillow
    from PIL.PngImagePlugin import PngInfo

    if affine.ndim != 2:
        message = f"{path.name}: expected a 2-D image, got a volume. Write .tif or .nii.gz instead."
        raise GeometryError(message)
    stored, grid = along_world_axes(array, affine=affine, name=path.name)
    grey = stored.shape[0] == 1 and stored.dtype in (np.uint8, np.uint16)
    colour = stored.shape[0] == 3 and stored.dtype == np.uint8
    if not (grey or colour):
        message = (
            f"{path.name}: a PNG holds one channel of 8 or 16 unsigned bits or three of 8, got {stored.shape[0]} of "
            f"{stored.dtype}. Write .tif instead."
        )
        raise InputError(message)
    chunk = PngInfo()
    if metadata.spacing_is_known:
        chunk.add_text(_GEOMETRY_KEY, json.dumps(grid.matrix.tolist()))
    pixels = np.ascontiguousarray(stored[0] if grey else np.moveaxis(stored, 0, -1))
    Pillow.fromarray(pixels).save(path, format="PNG", pnginfo=chunk, optimize=False)
