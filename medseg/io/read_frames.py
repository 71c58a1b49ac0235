"""Finding and reading time series of pictures, whatever they are kept in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medseg.images import Image
from medseg.io.base import ReadRequest, suffix_in
from medseg.io.budget import check_budget
from medseg.io.ctc_frames import FrameFolder, frame_folder_header, frame_folders, read_frame_folder
from medseg.io.ome_zarr_files import attributes_of, is_zarr_folder
from medseg.io.ome_zarr_volume import FORMAT as OME_ZARR
from medseg.io.ome_zarr_volume import OmeZarrVolume, open_ome_zarr
from medseg.io.refusals import refuse
from medseg.io.tiff import TiffReader, stated_geometry
from medseg.io.tiff_file import opened_tiff
from medseg.io.time_series import FrameTimes, SeriesHeader, as_frames, seconds_in, stacked_frames

_OF_VOLUMES = "expected pictures over time, got volumes over time"
_SAVE_ONE = "Save the time that you need to a file of its own"
_GUESSED = {"no-voxel-size", "unnamed-axis"}
"""Flags about the axis along the frames, which has no size."""


@dataclass(frozen=True)
class _TiffFrames:
    """The axes of a TIFF with Z for its times, and what it says of them."""

    axes: str
    header: SeriesHeader


def time_series_at(path: Path) -> SeriesHeader | None:
    """The time series of pictures in a file or an OME-Zarr folder; None where there is none. No pixel is read.

    Raises:
        RefusedImageError: it is one of volumes.
        MedsegError: the file is damaged.
    """
    if path.is_dir():
        return _zarr_header(open_ome_zarr(path)) if is_zarr_folder(path) else None
    if suffix_in(path.name, TiffReader.suffixes) is None:
        return None
    found = _tiff_frames(path)
    return None if found is None else found.header


def time_series_in(folder: Path) -> tuple[SeriesHeader, ...]:
    """The sequences of the Cell Tracking Challenge in a folder and below, images first; see `frame_folders`."""
    return tuple(frame_folder_header(frames) for frames in frame_folders(folder))


def read_time_series(path: Path, request: ReadRequest) -> Image:
    """The frames at `path` as a stack whose first axis is time; see `medseg.io.time_series`.

    Args:
        path: TIFF, OME-Zarr folder, or folder with the frames of one sequence.
        request: `as_labels` chooses the masks of a folder that holds images as well.

    Raises:
        RefusedImageError: there is no time series of pictures, or it does not fit into memory.
        MedsegError: a frame cannot be read.
    """
    if path.is_dir() and not is_zarr_folder(path):
        return read_frame_folder(_only_folder(path, request))
    if path.is_dir():
        return _read_zarr(open_ome_zarr(path))
    found = _tiff_frames(path)
    if found is None:
        refuse(path, "no-time-series", "expected several points in time, got one", "Open it as an image")
    image = TiffReader().read(path, replace(request, axes=found.axes))
    kept = tuple(one for one in image.metadata.verdicts if one.code not in _GUESSED)
    plain = image.replace(metadata=replace(image.metadata, verdicts=kept, notes=tuple(one.note for one in kept)))
    return as_frames(plain, found.header.times, pixel_mm=found.header.pixel_mm)


def _only_folder(path: Path, request: ReadRequest) -> FrameFolder:
    for frames in frame_folders(path):
        if frames.folder == path and (frames.kind != "t") == request.as_labels:
            return frames
    return refuse(path, "no-time-series", "expected frames t000.tif, .. or masks", "Give the folder that holds them")


def _tiff_frames(path: Path) -> _TiffFrames | None:
    with opened_tiff(path) as tif:
        series = tif.series[0]
        axes = series.axes.replace("S", "C") if "C" not in series.axes else series.axes
        sizes = dict(zip(axes, map(int, series.shape), strict=True))
        if len(tif.series) > 1 or sizes.get("T", 1) < 2 or (tif.is_ome and series.kind != "ome"):
            return None
        if not set(axes) <= set("TCYX") or len(sizes) != len(axes):
            refuse(path, "several-times", f"{_OF_VOLUMES} (axes {axes})", _SAVE_ONE)
        spacing = stated_geometry(tif, path=path).spacing_mm
        header = SeriesHeader(
            path=path,
            format="tiff",
            shape=(sizes["T"], sizes["Y"], sizes["X"]),
            times=FrameTimes(tuple(range(sizes["T"])), _tiff_interval(tif)),
            pixel_mm=(spacing["Y"], spacing["X"]) if {"Y", "X"} <= set(spacing) else None,
        )
    return _TiffFrames(axes.replace("T", "Z"), header)


def _tiff_interval(tif: Any) -> float | None:
    import tifffile

    if tif.is_ome:
        root = tifffile.xml2dict(tif.ome_metadata)
        image = root.get("OME", root).get("Image", {})
        pixels = (image[0] if isinstance(image, list) else image).get("Pixels", {})
        return seconds_in(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    if tif.is_imagej:
        return seconds_in((tif.imagej_metadata or {}).get("finterval"), "s")
    return None


def _zarr_header(volume: OmeZarrVolume) -> SeriesHeader | None:
    if volume.num_times < 2:
        return None
    sizes = dict(zip(volume.axes, volume.shape, strict=True))
    if sizes.get("Z", 1) > 1:
        refuse(volume.path, "several-times", f"{_OF_VOLUMES} (axes {volume.stored_axes.lower()})", _SAVE_ONE)
    known = volume.metadata.spacing_is_known
    spacing = dict(zip(volume.axes[1:], volume.affine().spacing_mm, strict=True))
    return SeriesHeader(
        path=volume.path,
        format=OME_ZARR,
        shape=(volume.num_times, sizes["Y"], sizes["X"]),
        times=FrameTimes(tuple(range(volume.num_times)), _zarr_interval(volume)),
        pixel_mm=(spacing["Y"], spacing["X"]) if known else None,
    )


def _zarr_interval(volume: OmeZarrVolume) -> float | None:
    root, axis = volume.multiscale.root, volume.stored_axes.index("T")
    attributes, _ = attributes_of(root, root=root) or ({}, 0)
    ome = attributes.get("ome", attributes)
    stated: Mapping[str, Any] = ome["multiscales"][0]["axes"][axis]
    return seconds_in(volume.multiscale.levels[0].scale[axis], stated.get("unit"))


def _read_zarr(volume: OmeZarrVolume) -> Image:
    header = _zarr_header(volume)
    if header is None:
        refuse(volume.path, "no-time-series", "expected several points in time, got one", "Open it as an image")
    size = volume.dtype.itemsize * volume.shape[0] * header.shape[0] * header.shape[1] * header.shape[2]
    check_budget(volume.path, expected_bytes=size, copies=2.0)
    frames = [_picture(volume.read(time=time)) for time in range(volume.num_times)]
    return stacked_frames(frames, header.times, path=volume.path)


def _picture(image: Image) -> Image:
    from medseg.io.slices import slice_of

    return slice_of(image, 0) if len(image.axes) == 4 else image
