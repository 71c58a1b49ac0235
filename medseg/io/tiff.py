"""TIFF, OME-TIFF and ImageJ stacks, read and written with tifffile."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
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
from medseg.io.slices import check_slice_index, slice_of
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
            layout = layout_of(tif, path=path, request=request)
            page = tif.series[0].keyframe
            metadata, affine = _metadata_of(tif, layout, request=request, path=path)
            shape, dtype = layout.image_shape, _dtype_read(tif, path=path)
            if palette_of(tif, request=request) is not None and shape[0] == 1:
                shape, dtype = (3, *shape[1:]), np.dtype(np.uint8)
            elif has_alpha(page) and shape[0] == page.samplesperpixel:
                shape = (shape[0] - 1, *shape[1:])
            return ImageHeader(shape, layout.image_axes, dtype, affine, metadata)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image, or its one slice; then only that slice's pages are decoded."""
        with opened_tiff(path) as tif:
            layout = layout_of(tif, path=path, request=request)
            page = tif.series[0].keyframe
            metadata, affine = _metadata_of(tif, layout, request=request, path=path)
            dtype = _dtype_read(tif, path=path)
            array, in_full = _pixels(tif, layout, request=request, path=path)
            array = _without_frames(array, layout.axes)
            array, image_axes = channels_first(native(array).astype(dtype, copy=False), layout.axes.replace("T", ""))
            palette = palette_of(tif, request=request)
        if palette is not None and array.shape[0] == 1:
            array, verdict = expanded(array, palette, path=path)
            metadata = with_verdicts(metadata, verdict)
        elif has_alpha(page) and array.shape[0] == page.samplesperpixel:
            array, verdict = without_constant_alpha(array, path=path)
            metadata = with_verdicts(metadata, verdict)
        image = Image(array, affine, axes=image_axes, metadata=metadata)
        if request.slice_index is None:
            return image
        return slice_of(image, request.slice_index) if in_full else _as_slice(image, request.slice_index)


class TiffWriter:
    """Writes OME-TIFF, deflated: pages along +z, rows along +y, columns along +x, whatever the order before.

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
    num_slices = layout.image_shape[1] if request.slice_index is not None and len(layout.image_shape) == 4 else 1
    tile = prod(page.chunks) * (page.bitspersample + 7) // 8
    check_budget(path, expected_bytes=max(size // num_slices, tile), copies=_COPIES)
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
    """The stored array and True; or, where slices are pages, the wanted one alone (Z of length 1) and False."""
    series = tif.series[0]
    pages_shape = series.shape[: len(series.shape) - len(series.keyframe.shape)]
    axes, spatial = layout.axes, layout.image_axes[1:]
    index = request.slice_index
    pages_are_slices = (
        layout.shape == tuple(series.shape)
        and spatial[0] in axes[: len(pages_shape)]
        and len(series.pages) == int(np.prod(pages_shape))
    )
    if index is None or len(spatial) != 3 or not pages_are_slices:
        return series.asarray().reshape(layout.shape), True
    axis = axes.index(spatial[0])
    check_slice_index(index, count=series.shape[axis], name=path)
    numbers = np.arange(len(series.pages)).reshape(pages_shape)
    wanted = np.take(numbers, [index], axis=axis)
    pages = [series.pages[int(number)].asarray() for number in wanted.ravel()]
    return np.stack(pages).reshape(*wanted.shape, *pages[0].shape), False


def _dtype_read(tif: Any, *, path: Path) -> np.dtype:
    dtype = np.dtype(tif.series[0].dtype)
    if dtype.kind not in "biuf":
        cause = f"expected real numbers, got values of type {dtype.name}"
        refuse(path, "not-numbers", cause, "Export their real part or size")
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")


def _without_frames(array: NDArray, axes: str) -> NDArray:
    return array.squeeze(axis=axes.index("T")) if "T" in axes else array


def _as_slice(image: Image, index: int) -> Image:
    """The 2-D image of a volume that holds one slice, number `index` of the file."""
    flat = slice_of(image, 0)
    extra = {**flat.metadata.extra, "slice_index": index}
    return flat.replace(metadata=_replaced(flat.metadata, extra=extra))


def _replaced(metadata: ImageMetadata, **changes: Any) -> ImageMetadata:
    return replace(metadata, **changes)


def _write(array: NDArray, *, affine: Affine, metadata: ImageMetadata, path: Path) -> None:
    import tifffile

    stored, grid = along_world_axes(array, affine=affine, name=path.name)
    stored = np.ascontiguousarray(_storable(stored, name=path.name))
    axes = "CZYX"[-stored.ndim :] if stored.ndim == 4 else "CYX"
    times = frame_times(metadata)
    if times is not None:
        stored, axes = np.moveaxis(stored, 0, 1), "TCYX"  # time outside the channels, as OME's order XYCZT has it
    if stored.shape[axes.index("C")] == 1:
        stored, axes = stored.squeeze(axis=axes.index("C")), axes.replace("C", "")
    planes = int(np.prod(stored.shape[:-2], dtype=int))
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
            **_ome_sizes(grid, metadata, times, planes=planes, depth=stored.shape[-3] if grid.ndim == 3 else 1),
        },
    )


def _ome_sizes(
    grid: Affine, metadata: ImageMetadata, times: FrameTimes | None, *, planes: int, depth: int
) -> dict[str, Any]:
    """What is known of the size of a voxel, and of the time from a frame to the next."""
    sizes = _ome_geometry(grid, planes=planes, depth=depth) if metadata.spacing_is_known else {}
    if times is None:
        return sizes
    sizes = {key: size for key, size in sizes.items() if key.startswith(("PhysicalSizeX", "PhysicalSizeY"))}
    return sizes if times.interval_s is None else {**sizes, "TimeIncrement": times.interval_s, "TimeIncrementUnit": "s"}


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
