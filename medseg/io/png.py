"""PNG and JPEG pictures, read and written with pillow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.io.alpha import without_opaque_alpha
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.foreign_errors import translated_errors
from medseg.io.label_values import compact
from medseg.io.slices import slice_of
from medseg.io.stored_order import affine_of_axes, along_world_axes, channels_first, native

_REMEDY = "Open and save it again with an image editor."
_GEOMETRY_KEY = "medseg:affine_mm"
"""PNG text chunk with the affine's rows as JSON; PNG's own chunk for it rounds to whole pixels a metre."""
_EXIF_ORIENTATION = 0x0112
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
            _check_request(request, path=path)
            mode = _mode_read(picture, request)
            if mode not in _CHANNELS:
                _refuse_mode(mode, path=path)
            affine, known = _affine_of(picture)
            width, height = picture.size
            if picture.getexif().get(_EXIF_ORIENTATION, 1) >= 5:
                width, height = height, width
            shape = (_CHANNELS[mode], height, width)
            metadata = ImageMetadata(source=str(path), format="png", spacing_is_known=known)
            dtype: np.dtype = _WIDE[mode] if mode in _WIDE else np.dtype(np.uint8)
            return ImageHeader(shape, "CYX", dtype, affine, metadata)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        header = self.header(path, request)
        with translated_errors(path, expected="a PNG or JPEG image", remedy=_REMEDY), _open(path) as picture:
            array, notes = _decoded(picture, request)
            has_alpha = picture.mode in {"LA", "RGBA", "PA"} or (picture.mode == "P" and "transparency" in picture.info)
        array, _ = channels_first(native(array), "YX" if array.ndim == 2 else "YXC")
        if has_alpha and not request.as_labels:
            array, note = without_opaque_alpha(array, name=path)
            notes.append(note)
        image = Image(array, header.affine, axes="CYX", metadata=replace(header.metadata, notes=tuple(notes)))
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
    from PIL import Image as Pillow

    return Pillow.open(path, formats=("PNG", "JPEG"))


def _check_request(request: ReadRequest, *, path: Path) -> None:
    if request.axes is not None and request.axes.upper() not in {"YX", "YXC"}:
        message = f"{path}: a picture has the axes YX (or YXC in colour), got --axes {request.axes}. Leave it out."
        raise InputError(message)


def _mode_read(picture: Any, request: ReadRequest) -> str:
    """The mode after palettes became colours."""
    if picture.mode not in {"P", "PA"}:
        return str(picture.mode)
    return "L" if request.as_labels else "RGB"


def _refuse_mode(mode: str, *, path: Path) -> None:
    message = f"{path}: expected a grey or RGB picture, got colour mode {mode}. Convert it to RGB in an image editor."
    raise ImageFormatError(message)


def _affine_of(picture: Any) -> tuple[Affine, bool]:
    text = getattr(picture, "text", {}).get(_GEOMETRY_KEY)
    if text is None:
        return affine_of_axes("YX", spacing_mm={}, origin_mm={}), False
    return Affine(json.loads(text), frame=WorldFrame.RAS), True


def _decoded(picture: Any, request: ReadRequest) -> tuple[NDArray, list[str]]:
    from PIL import ImageOps

    notes = []
    if picture.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
        notes.append("the picture was turned as its EXIF tag asks")
    if picture.mode in {"P", "PA"} and not request.as_labels:
        transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if transparent else "RGB")
        notes.append("palette numbers were turned into colours")
    if picture.mode == "YCbCr":
        picture = picture.convert("RGB")
    if picture.mode == "PA":
        picture = picture.getchannel(0)
    return np.asarray(picture), notes


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
