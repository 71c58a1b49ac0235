"""Stored values of single frames: straight from the file, or through a decoder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID, RLELossless

from medseg.errors import ImageFormatError
from medseg.io.budget import check_expansion
from medseg.io.dicom.codecs import NATIVE, codestream_size, decoder_of, plugin_of
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.pixel_bytes import check_length, check_pixel_bytes, frame_bytes
from medseg.io.dicom.rle import unpacked_rle
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.foreign_errors import translated_errors
from medseg.io.refusals import refuse
from medseg.verdicts import RefusedImageError

_COPY_AGAIN = "Copy the file again from its source"


def native_frame(stream: BinaryIO, one: SliceHeader, *, into: NDArray | None) -> NDArray:
    """(rows, columns) stored values of a slice whose place in the file is known.

    Args:
        stream: the file.
        one: the slice.
        into: memory to read into; new where None.

    Raises:
        RefusedImageError: the file does not hold them.
    """
    place = check_pixel_bytes(one)
    stored = np.empty((one.rows, one.columns), dtype=one.stored_type) if into is None else into
    stream.seek(place.offset + ((one.frame or 1) - 1) * frame_bytes(one))
    wanted = memoryview(stored.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # numpy 2.2 states no buffer
    while wanted:
        count = stream.readinto(wanted)  # type: ignore[attr-defined]  # unbuffered, so that it may stop early
        if not count:
            refuse(one.path, "truncated", "the file ends before its pixels do", _COPY_AGAIN)
        wanted = wanted[count:]
    if not np.little_endian:
        stored.byteswap(inplace=True)
    return stored


def decoded_frames(path: Path, slices: Sequence[SliceHeader]) -> Iterator[NDArray]:
    """(rows, columns) stored values of each slice in turn, all of one file, through pydicom's decoders.

    Raises:
        RefusedImageError: no decoder, damaged pixels, or pixels of another size.
    """
    decoder = decoder_of(slices[0].transfer_syntax, path=path)
    expected = frame_bytes(slices[0]) * len(slices)
    check_expansion(path, expected_bytes=expected, stored_bytes=path.stat().st_size)
    with _quiet():
        dataset = guarded_dcmread(path, force=True)
        if "PixelData" not in dataset:
            refuse(path, "no-pixels", "expected pixels, and the file has none", _COPY_AGAIN)
        dataset.file_meta.TransferSyntaxUID = UID(slices[0].transfer_syntax)
        for one in slices:
            yield _decoded(decoder, dataset, one)


def _decoded(decoder: Decoder, dataset: Any, one: SliceHeader) -> NDArray:
    index = (one.frame or 1) - 1
    try:
        with translated_errors(one.path, expected="pixels that can be decoded", remedy=f"{_COPY_AGAIN}."):
            pixels = _pixels(decoder, dataset, one, index=index)
    except RefusedImageError:
        raise
    except ImageFormatError:
        # What decoders say of damaged pixels is of no use to the user and may repeat the text of the header.
        refuse(
            one.path,
            "undecodable",
            "its pixels are damaged or do not fit the header: they cannot be decoded",
            f"{_COPY_AGAIN}; `medseg doctor` lists the compressions that can be decoded here",
        )
    if pixels.shape != (one.rows, one.columns):
        _refuse_size(one, pixels.shape)
    return np.array(pixels, dtype=one.stored_type)


def _pixels(decoder: Decoder, dataset: Any, one: SliceHeader, *, index: int) -> NDArray:
    if one.transfer_syntax in NATIVE:
        check_length(one, len(dataset.PixelData))
    else:
        count = int(dataset.get("NumberOfFrames", None) or 1)
        frame = get_frame(dataset.PixelData, index, number_of_frames=count, extended_offsets=_offsets(dataset))
        if one.transfer_syntax == RLELossless:
            return unpacked_rle(frame, rows=one.rows, columns=one.columns, dtype=one.stored_type)
        size = codestream_size(frame)
        if size is not None and size != (one.rows, one.columns):  # swapped sides would decode to a picture
            _refuse_size(one, size)
    return decoder.as_array(dataset, index=index, raw=True, decoding_plugin=plugin_of(decoder))[0]


def _offsets(dataset: Any) -> tuple[bytes, bytes] | None:
    if "ExtendedOffsetTable" not in dataset:
        return None
    return dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths


def _refuse_size(one: SliceHeader, shape: tuple[int, ...]) -> None:
    refuse(
        one.path,
        "pixel-size",
        f"the header states {one.rows} rows and {one.columns} columns, the pixels have {' x '.join(map(str, shape))}",
        _COPY_AGAIN,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Pydicom logs the traceback of each decoder that fails before another one is tried."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
