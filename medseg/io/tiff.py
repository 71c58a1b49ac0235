"""TIFF, OME-TIFF and ImageJ stacks, read and written with tifffile."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.geometry import Affine
from medseg.images import Image, ImageMetadata, LabelMap
from medseg.io.alpha import without_constant_alpha
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.budget import check_budget, check_expansion
from medseg.io.label_values import compact
from medseg.io.refusals import flag, refuse, with_verdicts
from medseg.io.slices import check_slice_index, slice_of, sliced_affine
from medseg.io.stored_order import affine_of_axes, along_world_axes, channels_first, native
from medseg.io.tiff_axes import TiffLayout, layout_of
from medseg.io.tiff_colours import check_colour_space, colour_flags, expanded, has_alpha, palette_of
from medseg.io.tiff_file import check_pages, opened_tiff
from medseg.io.tiff_spacing import WRITER_NAME, TiffGeometry, imagej_geometry, ome_geometry
from medseg.io.time_series import FrameTimes, frame_times
from medseg.verdicts import Verdict

_COPIES = 2.0
"""An image while it is read: decoded, and put in order."""
_NARROWER = {np.dtype(np.int64): np.int32, np.dtype(np.uint64): np.uint32, np.dtype(np.float16): np.float32}
"""Types that OME-TIFF has no name for, and what is written in their place where the values fit."""


class TiffReader:
    """Reads TIFF files; axes come from OME-XML, ImageJ or tifffile's own description, else from `axes`.

    Grey pages of equal size without a named axis are the slices of a stack. The resolution tags of a plain TIFF are a
    print size and no voxel size, so that spacing then is unknown.
    """

    format = "tiff"
    suffixes: tuple[str, ...] = (".tif", ".tiff", ".ome.tif", ".ome.tiff")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with opened_tiff(path) as tif:
            return header_in(tif, path=path, request=request)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image, or its one slice; then only that slice's pages are decoded."""
        return _images(path, [request])[0]

    def read_times(self, path: Path, request: ReadRequest, *, times: Iterable[int]) -> list[Image]:
        """The images of some points in time; only their pages are decoded, and the file is opened once."""
        return _images(path, [replace(request, time=time) for time in times])


class TiffWriter:
    """Writes OME-TIFF, deflated: pages along +z, rows along +y, columns along +x, whatever the order before.

    Of an image without a voxel size, whose place the file cannot state either, no axis is turned round.

    The voxel size stands in the OME-XML (absent where it is unknown), the first voxel's position on each plane.
    """

    format = "tiff"
    suffixes: tuple[str, ...] = TiffReader.suffixes

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image`; oblique grids are refused."""
        _write(image.array, affine=image.affine, metadata=image.metadata, path=path)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` in the smallest unsigned type; oblique grids are refused."""
        _write(compact(label_map.array)[None], affine=label_map.affine, metadata=label_map.metadata, path=path)

    def write_label_frames(self, array: NDArray[np.integer], path: Path, *, like: LabelMap, times: FrameTimes) -> None:
        """Write the label maps of a time series, (frames, *spatial), each placed as `like`."""
        keeps = not like.metadata.spacing_is_known
        stored, grid = along_world_axes(compact(array), affine=like.affine, name=path.name, keeps_directions=keeps)
        _save(stored, path, axes="T" + "ZYX"[-grid.ndim :], grid=grid, metadata=like.metadata, times=times)


@dataclass(frozen=True)
class _Placed:
    """What is known of the images in an open file before any of their pixels is read."""

    layout: TiffLayout
    affine: Affine
    metadata: ImageMetadata


def _images(path: Path, requests: Sequence[ReadRequest]) -> list[Image]:
    """The images that are asked for, which differ in the point in time only."""
    with opened_tiff(path) as tif:
        layout = layout_of(tif, path=path, request=requests[0])
        metadata, affine = _metadata_of(tif, layout, request=requests[0], path=path)
        found = _Placed(layout, affine, metadata)
        return [_image_in(tif, found, request=request, path=path) for request in requests]


def header_in(tif: Any, *, path: Path, request: ReadRequest) -> ImageHeader:
    """What an open file says about its image, or that of one point in time."""
    layout = layout_of(tif, path=path, request=request)
    page = tif.series[0].keyframe
    metadata, affine = _metadata_of(tif, layout, request=request, path=path)
    shape, dtype = layout.image_shape, _dtype_read(tif, path=path)
    if palette_of(tif, request=request) is not None and shape[0] == 1:
        shape, dtype = (3, *shape[1:]), np.dtype(np.uint8)
    elif has_alpha(page) and shape[0] == page.samplesperpixel:
        shape = (shape[0] - 1, *shape[1:])
    return ImageHeader(shape, layout.image_axes, dtype, affine, metadata)


def _image_in(tif: Any, found: _Placed, *, request: ReadRequest, path: Path) -> Image:
    page, metadata = tif.series[0].keyframe, found.metadata
    array, in_full = _pixels(tif, found.layout, request=request, path=path)
    array = native(array).astype(_dtype_read(tif, path=path), copy=False)
    array, image_axes = channels_first(array, found.layout.axes.replace("T", ""))
    palette = palette_of(tif, request=request)
    if palette is not None and array.shape[0] == 1:
        array, verdict = expanded(array, palette, path=path)
        metadata = with_verdicts(metadata, verdict)
    elif has_alpha(page) and array.shape[0] == page.samplesperpixel:
        array, verdict = without_constant_alpha(array, path=path)
        metadata = with_verdicts(metadata, verdict)
    image = Image(array, found.affine, axes=image_axes, metadata=metadata)
    if request.slice_index is None:
        return image
    return slice_of(image, request.slice_index) if in_full else _as_slice(image, request.slice_index)


def _metadata_of(tif: Any, layout: TiffLayout, *, request: ReadRequest, path: Path) -> tuple[ImageMetadata, Affine]:
    """Metadata and affine, after the file's size, colours and completeness were judged."""
    verdicts = [*_judged(tif, layout, request=request, path=path), *layout.verdicts, *colour_flags(tif, path=path)]
    geometry = stated_geometry(tif, path=path)
    spatial = layout.image_axes[1:]
    missing = [letter for letter in spatial if letter not in geometry.spacing_mm]
    if missing and len(missing) < len(spatial):
        cause = f"the file states no voxel size along {', '.join(missing)}, so its size in mm is unknown"
        verdicts.append(flag(path, "no-voxel-size", cause))
    known = not missing
    affine = affine_of_axes(
        spatial, spacing_mm=geometry.spacing_mm if known else {}, origin_mm=geometry.origin_mm if known else {}
    )
    metadata = ImageMetadata(
        source=str(path),
        format="tiff",
        spacing_is_known=known,
        channel_names=geometry.channel_names if "C" in layout.axes else (),
        notes=(*layout.notes, *geometry.notes),
    )
    return with_verdicts(metadata, *verdicts), affine


def _judged(tif: Any, layout: TiffLayout, *, request: ReadRequest, path: Path) -> tuple[Verdict, ...]:
    """Flags about the pixels, before any is decoded.

    Raises:
        RefusedImageError: they do not fit into memory, are no measurements, or are not all there.
    """
    page = tif.series[0].keyframe
    check_colour_space(page, path=path)
    stored, flags = check_pages(tif, path=path)
    size = prod(layout.shape) * _dtype_read(tif, path=path).itemsize
    parts = layout.num_times if "T" in _axes_of_pages(tif, layout) else 1
    if request.slice_index is not None and len(layout.image_shape) == 4:
        parts *= layout.image_shape[1]
    tile = prod(page.chunks) * (page.bitspersample + 7) // 8
    check_budget(path, expected_bytes=max(size // parts, tile), copies=_COPIES)
    return (*flags, *check_expansion(path, expected_bytes=size, stored_bytes=stored, request=request))


def stated_geometry(tif: Any, *, path: Path) -> TiffGeometry:
    """Voxel sizes, places and channel names as OME-XML or ImageJ state them; nothing for other files."""
    import tifffile

    if tif.is_ome:
        return ome_geometry(tifffile.xml2dict(tif.ome_metadata), name=path)
    if tif.is_imagej:
        tags = tif.pages[0].tags
        densities = tuple(_density(tags.get(name)) for name in ("XResolution", "YResolution"))
        return imagej_geometry(tif.imagej_metadata or {}, pixels_per_unit=densities, name=path)  # type: ignore[arg-type]
    return TiffGeometry()


def _density(tag: Any) -> float | None:
    if tag is None:
        return None
    numerator, denominator = tag.value
    return numerator / denominator if denominator and numerator else None


def _pixels(tif: Any, layout: TiffLayout, *, request: ReadRequest, path: Path) -> tuple[NDArray, bool]:
    """The stored array of one point in time, without T, and whether it holds all slices.

    Where points in time or slices are pages, the others are not decoded; the one slice then is a Z of length 1.
    """
    axes, spatial = layout.axes, layout.image_axes[1:]
    of_pages = _axes_of_pages(tif, layout)
    wanted = {} if request.time is None or "T" not in axes else {"T": request.time}
    if request.slice_index is not None and len(spatial) == 3:
        check_slice_index(request.slice_index, count=layout.image_shape[1], name=path)
        wanted |= {spatial[0]: request.slice_index} if spatial[0] in of_pages else {}
    array = _stored(tif, layout, {letter: at for letter, at in wanted.items() if letter in of_pages})
    if "T" in axes:
        axis = axes.index("T")
        array = array.squeeze(axis) if array.shape[axis] == 1 else np.take(array, wanted["T"], axis=axis)
    return array, len(spatial) != 3 or spatial[0] not in wanted


def _stored(tif: Any, layout: TiffLayout, wanted: Mapping[str, int]) -> NDArray:
    """The stored array; of the pages, those at `wanted` places along some axes, which then have a length of 1."""
    series = tif.series[0]
    if not wanted:
        whole: NDArray = series.asarray().reshape(layout.shape)
        return whole
    numbers = np.arange(len(series.pages)).reshape(layout.shape[: len(_axes_of_pages(tif, layout))])
    for letter, index in wanted.items():
        numbers = np.take(numbers, [index], axis=layout.axes.index(letter))
    pages = [series.pages[int(number)].asarray() for number in numbers.ravel()]
    return np.stack(pages).reshape(*numbers.shape, *layout.shape[numbers.ndim :])


def _axes_of_pages(tif: Any, layout: TiffLayout) -> str:
    """The first axes of the layout, those that count the pages; none where the pages are not so regular."""
    series, count = tif.series[0], len(layout.shape) - len(tif.series[0].keyframe.shape)
    is_regular = count > 0 and layout.shape[count:] == tuple(series.keyframe.shape)
    return layout.axes[:count] if is_regular and prod(layout.shape[:count]) == len(series.pages) else ""


def _dtype_read(tif: Any, *, path: Path) -> np.dtype:
    dtype = np.dtype(tif.series[0].dtype)
    if dtype.kind not in "biuf":
        cause = f"expected real numbers, got values of type {dtype.name}"
        refuse(path, "not-numbers", cause, "Export their real part or size")
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")


def _as_slice(image: Image, index: int) -> Image:
    """The 2-D image of a volume that holds one slice, number `index` of the file."""
    flat = slice_of(image, 0)
    extra = {**flat.metadata.extra, "slice_index": index}
    return flat.replace(metadata=_replaced(flat.metadata, extra=extra))


def _replaced(metadata: ImageMetadata, **changes: Any) -> ImageMetadata:
    return replace(metadata, **changes)


def _write(array: NDArray, *, affine: Affine, metadata: ImageMetadata, path: Path) -> None:
    keeps = not metadata.spacing_is_known
    stored, grid = along_world_axes(array, affine=affine, name=path.name, keeps_directions=keeps)
    axes = "CZYX"[-stored.ndim :] if stored.ndim == 4 else "CYX"
    times = frame_times(metadata)
    if times is not None:
        stored, axes = np.moveaxis(stored, 0, 1), "TCYX"  # time outside the channels, as OME's order XYCZT has it
        grid = sliced_affine(grid)
    if stored.shape[axes.index("C")] == 1:
        stored, axes = stored.squeeze(axis=axes.index("C")), axes.replace("C", "")
    _save(stored, path, axes=axes, grid=grid, metadata=metadata, times=times)


def _save(
    array: NDArray, path: Path, *, axes: str, grid: Affine, metadata: ImageMetadata, times: FrameTimes | None
) -> None:
    """Write an array whose pages lie along +y, +x of `grid`, with a letter an axis."""
    import tifffile

    stored = np.ascontiguousarray(_storable(array, name=path.name))
    planes, depth = prod(stored.shape[:-2]), stored.shape[-3] if grid.ndim == 3 else 1
    interval_s = None if times is None else times.interval_s
    tifffile.imwrite(
        path,
        stored,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        software=WRITER_NAME,
        metadata={
            "axes": axes,
            "Creator": WRITER_NAME,
            # Not tifffile's default, which holds the machine's network address and the time: same image, same bytes.
            "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(np.ascontiguousarray(stored).data).hexdigest())),
            **({"Channel": {"Name": list(metadata.channel_names)}} if "C" in axes and metadata.channel_names else {}),
            **(_ome_geometry(grid, planes=planes, depth=depth) if metadata.spacing_is_known else {}),
            **({} if interval_s is None else {"TimeIncrement": interval_s, "TimeIncrementUnit": "s"}),
        },
    )


def _ome_geometry(affine: Affine, *, planes: int, depth: int) -> dict[str, Any]:
    letters = "ZYX"[-affine.ndim :]
    spacing = dict(zip(letters, affine.spacing_mm, strict=True))
    origin = dict(zip("XYZ", affine.origin_mm, strict=False))
    plane: dict[str, Any] = {}
    for letter in letters:
        steps = np.arange(planes) % depth if letter == "Z" else np.zeros(planes)
        plane[f"Position{letter}"] = [float(origin[letter] + step * spacing[letter]) for step in steps]
        plane[f"Position{letter}Unit"] = ["mm"] * planes
    sizes: dict[str, Any] = {f"PhysicalSize{letter}": spacing[letter] for letter in letters}
    units = {f"PhysicalSize{letter}Unit": "mm" for letter in letters}
    return {**sizes, **units, "Plane": plane}


def _storable(array: NDArray, *, name: str) -> NDArray:
    target = _NARROWER.get(array.dtype)
    if target is None:
        return array
    narrow = array.astype(target)
    if not np.array_equal(narrow, array, equal_nan=array.dtype.kind == "f"):
        message = f"{name}: a TIFF holds whole numbers of at most 32 bits, and some values are larger. Write .nii.gz."
        raise InputError(message)
    return narrow
