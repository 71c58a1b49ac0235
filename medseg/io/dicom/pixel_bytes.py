"""Whether the bytes that a header promises are in the file; asked before anything is allocated."""

from __future__ import annotations

from medseg.io.dicom.header import PixelPlace
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.refusals import refuse

_COPY_AGAIN = "Copy the file again from its source"


def frame_bytes(one: SliceHeader) -> int:
    """Bytes that the stored values of a slice take."""
    return one.rows * one.columns * one.bits_allocated // 8


def check_pixel_bytes(one: SliceHeader) -> PixelPlace:
    """Where the pixels of a slice's file lie, uncompressed, all its frames.

    Raises:
        RefusedImageError: the place is not known, the pixels reach beyond the end of the file, or are fewer or more
            than rows, columns and frames make.
    """
    place = one.pixels
    if place is None:
        refuse(one.path, "no-pixels", "expected uncompressed pixels, and the file has none", _COPY_AGAIN)
    if place.offset + place.length > place.file_bytes:
        refuse(
            one.path,
            "truncated",
            f"its pixels should end at byte {place.offset + place.length}, and the file ends at {place.file_bytes}",
            _COPY_AGAIN,
        )
    check_length(one, place.length)
    return place


def check_length(one: SliceHeader, length: int) -> None:
    """Pass when `length` bytes of uncompressed pixels are what rows, columns and frames make.

    Raises:
        RefusedImageError: they are fewer, or more by a row or more; less than that is filling.
    """
    expected = frame_bytes(one) * one.number_of_frames
    found = f"{_layout(one)} take {expected} bytes, and the file has {length} bytes of pixels"
    if length < expected:
        refuse(one.path, "truncated", found, _COPY_AGAIN)
    if length - expected >= max(one.columns * one.bits_allocated // 8, 2):
        refuse(one.path, "pixel-size", f"{found}: its size or number of frames is wrong", "Export the series anew")


def _layout(one: SliceHeader) -> str:
    frames = f"{one.number_of_frames} frames of " if one.number_of_frames > 1 else ""
    return f"{frames}{one.rows} x {one.columns} pixels of {one.bits_allocated} bits"
