"""Finding and reading time series, whatever they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from medseg.errors import InputError
from medseg.images import Image
from medseg.io.base import ReadRequest
from medseg.io.budget import check_budget
from medseg.io.ctc_frames import FORMAT as CTC
from medseg.io.ctc_frames import frame_folder_header, frame_folders
from medseg.io.dispatch import OME_ZARR_READER, reader_for
from medseg.io.ome_zarr import OmeZarrVolume, volume_of
from medseg.io.ome_zarr_files import attributes_of, is_zarr_folder
from medseg.io.refusals import refuse
from medseg.io.slices import slice_of
from medseg.io.tiff import TiffReader, header_in
from medseg.io.tiff_axes import layout_of
from medseg.io.tiff_file import opened_tiff
from medseg.io.time_series import FrameTimes, SeriesHeader, check_pictures, seconds_in, stacked_frames

_BLOCK_BYTES = 1 << 26
"""Frames of a TIFF that are read at a time: the file is opened anew for each block."""
_PLAIN = ReadRequest()


def time_series_at(path: Path, request: ReadRequest = _PLAIN) -> SeriesHeader | None:
    """The time series in a TIFF, an OME-Zarr folder or a folder with the frames of one sequence; None where none is.

    No pixel is read. What has no axis of time, in its file or in `request.axes`, is no time series.

    Raises:
        MedsegError: the file is damaged, or cannot be placed without a guess.
    """
    if path.is_dir() and not is_zarr_folder(path):
        wanted = (one for one in frame_folders(path) if one.folder == path)
        found = next((one for one in wanted if one.is_of_masks == request.as_labels), None)
        if found is None:
            return None
        reader_for(next(iter(found.files.values())), request)
        return frame_folder_header(found, request)
    if request.axes is not None and "T" not in request.axes.upper():
        return None
    find = _HEADERS.get(reader_for(path, request).format)
    return None if find is None else find(path, request)


def frames_of(header: SeriesHeader, request: ReadRequest = _PLAIN) -> Iterator[Image]:
    """The frames one by one, each a picture or volume of its own with its size and place.

    Args:
        header: of the series.
        request: as it was asked for.

    Raises:
        InputError: frames differ in size, channels or size of a voxel.
        MedsegError: a frame cannot be read, or does not fit into memory.
    """
    frames = _FRAMES[header.format](header, request)
    for number, frame in zip(header.times.numbers, frames, strict=True):
        is_alike = frame.array.shape == header.frame.shape and frame.affine.spacing_mm == header.frame.affine.spacing_mm
        if not is_alike or frame.axes != header.frame.axes:
            message = (
                f"{header.path}: expected frames of one size, got {_told(header.frame.shape)} and, as frame {number}, "
                f"{_told(frame.array.shape)}. Give the frames one by one."
            )
            raise InputError(message)
        yield frame


def time_series_in(folder: Path) -> tuple[SeriesHeader, ...]:
    """The sequences of the Cell Tracking Challenge in a folder and below, images first; see `frame_folders`."""
    return tuple(frame_folder_header(frames) for frames in frame_folders(folder))


def read_time_series(path: Path, request: ReadRequest) -> Image:
    """The frames at `path`, pictures, as a stack whose first axis is time; see `medseg.io.time_series`.

    Args:
        path: TIFF, OME-Zarr folder, or folder with the frames of one sequence.
        request: `as_labels` chooses the masks of a folder that holds images as well.

    Raises:
        RefusedImageError: there is no time series of pictures, or it does not fit into memory.
        InputError: frames differ in size.
        MedsegError: a frame cannot be read.
    """
    header = time_series_at(path, request)
    if header is None:
        refuse(path, "no-time-series", "expected several points in time, got one", "Open it as an image")
    check_pictures(header)
    size = prod(header.frame.shape) * header.frame.dtype.itemsize
    check_budget(path, expected_bytes=size * header.shape[0], copies=2.0)
    frames = [slice_of(frame, 0) if frame.affine.ndim == 3 else frame for frame in frames_of(header, request)]
    return stacked_frames(frames, header.times, path=path)


def _tiff_header(path: Path, request: ReadRequest) -> SeriesHeader | None:
    first = replace(request, time=0)
    with opened_tiff(path) as tif:
        count = layout_of(tif, path=path, request=first).num_times
        if count < 2:
            return None
        frame = header_in(tif, path=path, request=first)
        return SeriesHeader(path, TiffReader.format, frame, FrameTimes(tuple(range(count)), _tiff_interval(tif)))


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


def _zarr_header(path: Path, request: ReadRequest) -> SeriesHeader | None:
    first = replace(request, time=0)
    volume = volume_of(path, first)
    if volume.num_times < 2:
        return None
    frame = OME_ZARR_READER.header(path, first)
    times = FrameTimes(tuple(range(volume.num_times)), _zarr_interval(volume))
    return SeriesHeader(path, OME_ZARR_READER.format, frame, times)


def _zarr_interval(volume: OmeZarrVolume) -> float | None:
    root, axis = volume.multiscale.root, volume.stored_axes.index("T")
    attributes, _ = attributes_of(root, root=root) or ({}, 0)
    ome = attributes.get("ome", attributes)
    stated: Mapping[str, Any] = ome["multiscales"][0]["axes"][axis]
    return seconds_in(volume.multiscale.levels[0].scale[axis], stated.get("unit"))


def _tiff_frames(header: SeriesHeader, request: ReadRequest) -> Iterator[Image]:
    count, size = len(header.times.numbers), prod(header.frame.shape) * header.frame.dtype.itemsize
    step = max(1, _BLOCK_BYTES // size)
    for start in range(0, count, step):
        yield from TiffReader().read_times(header.path, request, times=range(start, min(start + step, count)))


def _zarr_frames(header: SeriesHeader, request: ReadRequest) -> Iterator[Image]:
    volume = volume_of(header.path, replace(request, time=0))
    for time in range(volume.num_times):
        yield volume.read(level=request.level, time=time)


def _ctc_frames(header: SeriesHeader, request: ReadRequest) -> Iterator[Image]:
    for file in header.files:
        yield TiffReader().read(file, replace(request, as_labels=header.is_mask))


def _told(shape: tuple[int, ...]) -> str:
    size = " x ".join(str(count) for count in shape[1:])
    return f"{size} in {shape[0]} channel{'s' if shape[0] != 1 else ''}"


_HEADERS: Mapping[str, Callable[[Path, ReadRequest], SeriesHeader | None]] = {
    TiffReader.format: _tiff_header,
    OME_ZARR_READER.format: _zarr_header,
}
_FRAMES: Mapping[str, Callable[[SeriesHeader, ReadRequest], Iterator[Image]]] = {
    TiffReader.format: _tiff_frames,
    OME_ZARR_READER.format: _zarr_frames,
    CTC: _ctc_frames,
}
