"""Run-length coded frames (PS3.5 Annex G).

Unpacked here: a frame states no size of its own, and decoders fill up or cut off where runs and size disagree, or end
in a panic of their language that is no ordinary exception.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 64
_NO_RUN = 128


def unpacked_rle(frame: bytes, *, rows: int, columns: int, dtype: np.dtype) -> NDArray:
    """(rows, columns) stored values of one frame with one sample a pixel.

    Args:
        frame: one compressed frame.
        rows: pixels down.
        columns: pixels across.
        dtype: of the stored values, in the machine's byte order.

    Raises:
        ValueError: its segments are not one a byte of a pixel, or do not unpack to one byte a pixel.
        struct.error: it is shorter than its header.
    """
    stated, *offsets = struct.unpack_from("<16I", frame)
    starts = offsets[: dtype.itemsize]
    if stated != dtype.itemsize or starts[0] != _HEADER_BYTES or starts != sorted(set(starts)):
        message = "segments do not fit the bits of a pixel"
        raise ValueError(message)
    planes = np.empty((rows, columns, dtype.itemsize), dtype=np.uint8)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(frame)], strict=True)):
        unpacked = _unpacked_segment(frame[start:end], wanted=rows * columns)
        if not 0 <= len(unpacked) - rows * columns < columns:
            message = "runs do not fit rows and columns"
            raise ValueError(message)
        plane = np.frombuffer(unpacked, dtype=np.uint8, count=rows * columns)
        planes[:, :, number] = plane.reshape(rows, columns)
    # The most significant byte comes first.
    values: NDArray = planes.view(dtype.newbyteorder(">"))[:, :, 0]
    return values.astype(dtype)


def _unpacked_segment(segment: bytes, *, wanted: int) -> bytearray:
    """The bytes that the runs make; no more than a run beyond twice the `wanted` ones."""
    unpacked = bytearray()
    at, end = 0, len(segment)
    while at < end and len(unpacked) <= 2 * wanted:
        code = segment[at]
        if code < _NO_RUN:
            if at + code + 2 > end:
                break  # A zero may fill the segment to an even length; it looks like the start of a run.
            unpacked += segment[at + 1 : at + code + 2]
            at += code + 2
        elif code > _NO_RUN:
            unpacked += segment[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    return unpacked
