"""PNG and JPEG pictures, read and written with pillow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from medseg.io.png_chunks import EXIF_ORIENTATION, PNG_START, UPRIGHT, PngHeader, read_png_header
from medseg.io.refusals import flag, refuse, with_verdicts
from medseg.io.slices import slice_of
from medseg.io.stored_order import affine_of_axes, along_world_axes, channels_first, native
from medseg.verdicts import Verdict

_REMEDY = "Open and save it again with an image editor."
_GEOMETRY_KEY = "medseg:affine_mm"
"""PNG text chunk with the affine's rows as JSON; PNG's own chunk for it rounds to whole pixels a metre."""
_JPEG_START = b"\xff\xd8\xff"
_FIRST_QUARTER_TURN = 5
"""EXIF orientations from here on swap rows and columns."""
_COPIES = 2.0
"""A picture while it is read: pillow's and the array."""
_CHANNELS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "LA": 1, "RGB": 3, "RGBA": 3, "YCbCr": 3}
"""Pillow mode -> channels of the image; the other modes are refused."""
_COLOURS = {1: 1, 2: 1, 3: 3, 4: 3}
"""Samples a pixel -> of those, the ones that are no alpha."""
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
        with _opened(path) as picture:
            return _header(picture, request, path=path)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with _opened(path) as picture:
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


@dataclass(frozen=True)
class _Picture:
    """A file that is open and not decoded.

    Attributes:
        pillow: pillow's image.
        png: header of a PNG; None for JPEG.
        orientation: that of EXIF, 1 to 8.
    """

    pillow: Any
    png: PngHeader | None
    orientation: int

    @property
    def mode(self) -> str:
        return str(self.pillow.mode)

    @property
    def is_wide(self) -> bool:
        """Whether it has 16 bits a sample and several samples a pixel; pillow keeps 8 of them without a word."""
        return self.png is not None and self.png.depth == 16 and self.png.samples > 1


@contextmanager
def _opened(path: Path) -> Iterator[_Picture]:
    """The picture by its first bytes; pillow's own limit of its size gives way to the budget."""
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    with translated_errors(path, expected="a PNG or JPEG image", remedy=_REMEDY):
        with path.open("rb") as stream:
            start = stream.read(len(PNG_START))
        if start == PNG_START:
            header = read_png_header(path)
            with PngImageFile(path) as picture:
                yield _Picture(picture, header, header.orientation)
        elif start.startswith(_JPEG_START):
            with JpegImageFile(path) as picture:
                found = picture.getexif().get(EXIF_ORIENTATION, UPRIGHT)
                yield _Picture(picture, None, found if found in range(1, 9) else UPRIGHT)
        else:
            cause = "expected a PNG or JPEG image, and its first bytes are those of neither"
            refuse(path, "not-a-picture", cause, _REMEDY.rstrip("."))


def _header(picture: _Picture, request: ReadRequest, *, path: Path) -> ImageHeader:
    _check_request(request, path=path)
    mode = _mode_read(picture, request)
    if mode not in _CHANNELS:
        cause = f"expected a grey or RGB picture, got colour mode {mode}"
        refuse(path, "colour-space", cause, "Convert it to RGB in an image editor")
    width, height = picture.pillow.size
    dtype = np.dtype(np.uint16) if picture.is_wide else _WIDE.get(mode, np.dtype(np.uint8))
    decoded_bytes = width * height * len(picture.pillow.getbands()) * dtype.itemsize
    check_budget(path, expected_bytes=decoded_bytes, copies=_COPIES)
    judged = request if picture.png else replace(request, as_labels=False)  # no mask is kept as JPEG
    stored = path.stat().st_size
    flags = check_expansion(path, expected_bytes=decoded_bytes, stored_bytes=stored, request=judged)
    affine, known = _affine_of(picture.pillow)
    if picture.orientation >= _FIRST_QUARTER_TURN:
        width, height = height, width
    metadata = ImageMetadata(source=str(path), format="png", spacing_is_known=known)
    # pillow calls 16 bits of grey with alpha a colour
    channels = _COLOURS[picture.png.samples] if picture.png and picture.is_wide else _CHANNELS[mode]
    return ImageHeader((channels, height, width), "CYX", dtype, affine, with_verdicts(metadata, *flags))


def _check_request(request: ReadRequest, *, path: Path) -> None:
    if request.axes is not None and request.axes.upper() not in {"YX", "YXC"}:
        message = f"{path}: a picture has the axes YX (or YXC in colour), got --axes {request.axes}. Leave it out."
        raise InputError(message)


def _mode_read(picture: _Picture, request: ReadRequest) -> str:
    """The mode after palettes became colours."""
    if picture.mode not in {"P", "PA"}:
        return picture.mode
    return "L" if request.as_labels else "RGB"


def _affine_of(picture: Any) -> tuple[Affine, bool]:
    text = picture.info.get(_GEOMETRY_KEY)  # not picture.text, which decodes the pixels first
    if not isinstance(text, str):
        return affine_of_axes("YX", spacing_mm={}, origin_mm={}), False
    return Affine(json.loads(text), frame=WorldFrame.RAS), True


def _decoded(picture: _Picture, request: ReadRequest, *, path: Path) -> tuple[NDArray, list[Verdict]]:
    """Rows, columns and, in colour, channels, turned upright; colours for palette numbers unless labels are read."""
    flags = []
    array = _wide_samples(path) if picture.is_wide else None
    if array is None:
        array, expanded = _samples(picture, request)
        if expanded:
            flags.append(flag(path, "palette-expanded", "palette numbers were turned into colours"))
    if picture.orientation != UPRIGHT:
        flags.append(flag(path, "turned", "the picture was turned as its EXIF tag asks, as are masks with such a tag"))
        array = _turned(array, picture.orientation)
    return array, flags


def _wide_samples(path: Path) -> NDArray:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _samples(picture: _Picture, request: ReadRequest) -> tuple[NDArray, bool]:
    """The pixels as pillow decodes them, and whether they were palette numbers before."""
    pixels, expanded = picture.pillow, False
    if picture.mode in {"P", "PA"} and not request.as_labels:
        transparent = picture.mode == "PA" or "transparency" in pixels.info
        pixels, expanded = pixels.convert("RGBA" if transparent else "RGB"), True
    if pixels.mode == "YCbCr":
        pixels = pixels.convert("RGB")
    if pixels.mode == "PA":
        pixels = pixels.getchannel(0)
    array = np.asarray(pixels)
    is_stretched = picture.mode == "L" and picture.png is not None and picture.png.depth in {2, 4}
    if is_stretched and picture.png is not None:  # pillow spreads them over 0 to 255
        array = array // (255 // (2**picture.png.depth - 1))
    return array, expanded


def _turned(array: NDArray, orientation: int) -> NDArray:
    """`array`, (rows, columns, ...), upright: EXIF orientations 2 to 8 are the eight turns and mirrorings."""
    if orientation >= _FIRST_QUARTER_TURN:
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
    stored, grid = along_world_axes(array, affine=affine, name=path.name, keeps_directions=True)
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
