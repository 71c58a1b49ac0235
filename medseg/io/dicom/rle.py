"""Run-length coded frames (PS3.5 Annex G), walked before a decoder sees them.

A frame states no size of its own, so that wrong rows or columns go unnoticed; and the decoder in Rust ends the process'
patience with a panic, no ordinary exception, where runs and size disagree.
"""

from __future__ import annotations

import struct

_HEADER_BYTES = 64
_NO_RUN = 128


def check_rle(frame: bytes, *, rows: int, columns: int, num_segments: int) -> None:
    """Pass when a frame unpacks to one byte a pixel in each of its segments.

    Args:
        frame: one compressed frame.
        rows: pixels down.
        columns: pixels across.
        num_segments: bytes a pixel.

    Raises:
        ValueError: it does not.
    """
    stated, *offsets = struct.unpack_from("<16I", frame)
    starts = offsets[:num_segments]
    if stated != num_segments or starts[0] != _HEADER_BYTES or starts != sorted(set(starts)):
        message = "segments do not fit the bits of a pixel"
        raise ValueError(message)
    for start, end in zip(starts, [*starts[1:], len(frame)], strict=True):
        surplus = _unpacked_length(frame[start:end], wanted=rows * columns) - rows * columns
        if not 0 <= surplus < columns:
            message = "runs do not fit rows and columns"
            raise ValueError(message)


def _unpacked_length(segment: bytes, *, wanted: int) -> int:
    """Bytes that the runs of a segment make; -1 where a run within the first `wanted` of them lacks its bytes."""
    length, at, end = 0, 0, len(segment)
    while at < end:
        code = segment[at]
        if code == _NO_RUN:
            at += 1
            continue
        run, taken = (257 - code, 2) if code > _NO_RUN else (code + 1, code + 2)
        if at + taken > end:
            # One zero may fill the last segment to an even length; it looks like the start of a run.
            return length if length >= wanted else -1
        length += run
        at += taken
    return length
