"""The numbers of an array as they lie in a file, plain or packed, read into one buffer and no second copy.

The peak of memory is the array itself: packed bytes are read to the far end of the buffer that they are unpacked into,
and numbers that grow by scaling are widened in place. What is cut off, altered or too long is refused.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from medseg.verdicts import Outcome, RefusedImageError, Verdict

_CHUNK = 2**18
_NUMBERS_AT_ONCE = 2**16
_MOST_EXPANSION = {"gzip": 1032, "zlib": 1032}
"""Largest number of bytes that one packed byte can stand for; deflate's is a property of the format (RFC 1951)."""
_MOST_SURPLUS = 2**26
_COPY_AGAIN = "Copy it again, or convert it anew from its source"
_ALIGNMENT = 64


class Packing(StrEnum):
    """How a stream of bytes is packed."""

    PLAIN = "plain"
    GZIP = "gzip"
    ZLIB = "zlib"
    BZIP2 = "bzip2"


@dataclass(frozen=True)
class StoredNumbers:
    """Where the numbers are and what they are.

    Attributes:
        path: the file that holds them.
        dtype: stored type with its byte order.
        count: how many.
        offset: bytes before the first, after unpacking.
        packing: of the stream.
        start: bytes of the file before the (packed) stream.
        slice_bytes: size of one plane; a surplus of that much means that the header is wrong.
        slope: factor, and `inter`: summand of the values; 1 and 0 leave the stored type as it is.
    """

    path: Path
    dtype: np.dtype
    count: int
    offset: int = 0
    packing: Packing = Packing.PLAIN
    start: int = 0
    slice_bytes: int = 1
    slope: float = 1.0
    inter: float = 0.0

    @property
    def num_bytes(self) -> int:
        """Bytes of the numbers alone."""
        return self.count * self.dtype.itemsize

    @property
    def is_scaled(self) -> bool:
        """Whether the values are not the stored numbers themselves."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the file from `start` on."""
        return max(self.path.stat().st_size - self.start, 0)


def size_verdicts(numbers: StoredNumbers) -> list[Verdict]:
    """What the size of the file says about the header, before anything is read or allocated."""
    has = numbers.stored_bytes
    if numbers.packing is Packing.PLAIN:
        surplus = has - numbers.offset - numbers.num_bytes
        return [_cut_off(numbers, has=has - numbers.offset)] if surplus < 0 else surplus_verdicts(numbers, surplus)
    most = has * _MOST_EXPANSION.get(numbers.packing, numbers.num_bytes)
    if numbers.num_bytes + numbers.offset > most:
        return [_cut_off(numbers, has=most, at_most="at most ")]
    return []


def surplus_verdicts(numbers: StoredNumbers, surplus: int) -> list[Verdict]:
    """What `surplus` bytes after the last number mean: a plane or more is a header that does not fit its file."""
    if surplus <= 0:
        return []
    is_much = surplus >= numbers.slice_bytes
    cause = f"its header accounts for {numbers.num_bytes} bytes of voxels, and {surplus} more follow"
    outcome = Outcome.REFUSE if is_much else Outcome.FLAG
    return [Verdict(outcome, "surplus-data", numbers.path, cause, _COPY_AGAIN, may_be_allowed=is_much)]


def read_numbers(numbers: StoredNumbers, dtype: np.dtype) -> tuple[NDArray, int]:
    """(count,) values in `dtype`, and how many bytes follow the last number.

    Args:
        numbers: what to read; `size_verdicts` and the memory budget have been asked.
        dtype: native type of the values, at least as wide as the stored one unless that is a long double.

    Raises:
        RefusedImageError: cut off or altered ("truncated", "checksum", "damaged-packing").
    """
    stream_bytes = numbers.offset + numbers.num_bytes
    slack = 0 if numbers.packing is Packing.PLAIN else 2 * _CHUNK + (stream_bytes >> 8)
    grown = max(numbers.count * dtype.itemsize - numbers.num_bytes, 0)
    first = -(-(numbers.offset + grown) // _ALIGNMENT) * _ALIGNMENT  # of the first stored number in the buffer
    buffer = np.empty(first + numbers.num_bytes + slack, np.uint8)
    region = buffer[first - numbers.offset : first + numbers.num_bytes]
    if numbers.packing is Packing.PLAIN:
        surplus = _read_plain(numbers, region)
    elif _unpacked_at_once(numbers, region, tail=buffer[first - numbers.offset :]):
        surplus = 0
    else:
        surplus = _unpack(numbers, region)
    stored = region[numbers.offset :].view(numbers.dtype)
    if dtype == stored.dtype and not numbers.is_scaled:
        return stored, surplus
    if dtype == stored.dtype.newbyteorder("=") and not numbers.is_scaled:
        return stored.byteswap(inplace=True).view(dtype), surplus
    values = buffer[: numbers.count * dtype.itemsize].view(dtype)
    _widen(stored, into=values, slope=numbers.slope, inter=numbers.inter)
    return values, surplus


def unpacked_start(path: Path, *, num_bytes: int) -> tuple[bytes, Packing]:
    """The first `num_bytes` bytes of a file after unpacking, fewer where it is shorter or damaged, and its packing."""
    with path.open("rb") as stream:
        start = stream.read(num_bytes)
        if not start.startswith(b"\x1f\x8b"):
            return start, Packing.PLAIN
        stream.seek(0)
        pieces = bytearray()
        try:
            for piece in _inflated(stream):
                pieces += piece
                if len(pieces) >= num_bytes:
                    break
        except (zlib.error, EOFError):
            pass
    return bytes(pieces[:num_bytes]), Packing.GZIP


def _read_plain(numbers: StoredNumbers, region: NDArray[np.uint8]) -> int:
    with numbers.path.open("rb", buffering=0) as stream:
        stream.seek(numbers.start)
        left = memoryview(region)  # type: ignore[arg-type]
        while left and (count := stream.readinto(left)):
            left = left[count:]
        if left:
            raise RefusedImageError([_cut_off(numbers, has=numbers.num_bytes - len(left))])
    return 0  # `size_verdicts` has said what follows


def _unpacked_at_once(numbers: StoredNumbers, region: NDArray[np.uint8], *, tail: NDArray[np.uint8]) -> bool:
    """Whether libdeflate, several times as fast as zlib, filled `region` with the one checked stream of the file.

    The packed bytes lie at the end of `tail`, which begins with `region`: what is written stays behind what is still
    to be read as long as the rest of the stream packs to less than it unpacks to, plus the slack. Where it does not,
    the checksum fails. Then, and where the stream is damaged, of several parts or of another length, the answer is no.
    """
    decode = {Packing.GZIP: "gzip_decode", Packing.ZLIB: "deflate_decode"}.get(numbers.packing)
    packed_bytes = numbers.stored_bytes
    if decode is None or packed_bytes > tail.size:
        return False
    import imagecodecs

    packed = tail[tail.size - packed_bytes :]
    with numbers.path.open("rb", buffering=0) as stream:
        stream.seek(numbers.start)
        left = memoryview(packed)  # type: ignore[arg-type]
        while left and (count := stream.readinto(left)):
            left = left[count:]
    if left or not _ends_as_one_stream(numbers, packed, size=region.size):
        return False
    try:
        done = getattr(imagecodecs, decode)(packed, out=region)
    except Exception:  # noqa: BLE001 - the slow way, tried next, says what is wrong
        return False
    return len(done) == region.size


def _ends_as_one_stream(numbers: StoredNumbers, packed: NDArray[np.uint8], *, size: int) -> bool:
    """Whether the last bytes may be those of a stream of `size` bytes: gzip ends with its length (RFC 1952)."""
    return numbers.packing is not Packing.GZIP or int.from_bytes(packed[-4:].tobytes(), "little") == size % 2**32


def _unpack(numbers: StoredNumbers, region: NDArray[np.uint8]) -> int:
    """Fill `region` piece by piece and read on to the end, where the checksum is; the bytes that were too many."""
    filled, surplus = 0, 0
    try:
        with numbers.path.open("rb") as stream:
            stream.seek(numbers.start)
            for piece in _PIECES[numbers.packing](stream):
                fits = min(len(piece), region.size - filled)
                region[filled : filled + fits] = np.frombuffer(piece, np.uint8, count=fits)
                filled += fits
                surplus += len(piece) - fits
                if surplus > _MOST_SURPLUS:
                    break
    except EOFError as error:
        raise RefusedImageError([_cut_off(numbers, has=filled - numbers.offset)]) from error
    except (zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        is_sum = "check" in str(error)
        cause = "its checksum does not agree with its content" if is_sum else "its packed data are damaged"
        code = "checksum" if is_sum else "damaged-packing"
        raise RefusedImageError([Verdict(Outcome.REFUSE, code, numbers.path, cause, _COPY_AGAIN)]) from error
    if filled < region.size:
        raise RefusedImageError([_cut_off(numbers, has=filled - numbers.offset)])
    return surplus


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    """The content of one gzip or zlib stream after the other, a piece at a time."""
    packed = stream.read(_CHUNK)
    while packed:
        inflater = zlib.decompressobj(wbits=47)  # 32 + 15: either header, any window
        while not inflater.eof:
            packed = packed or stream.read(_CHUNK)
            piece = inflater.decompress(packed, _CHUNK)
            if not (packed or piece or inflater.eof):
                raise EOFError
            packed = inflater.unconsumed_tail
            yield piece
        packed = inflater.unused_data.lstrip(b"\0")  # tapes pad with zeros
        while not packed and (more := stream.read(_CHUNK)):
            packed = more.lstrip(b"\0")


def _unzipped2(stream: BinaryIO) -> Iterator[bytes]:
    with bz2.BZ2File(stream) as unpacked:
        while piece := unpacked.read(_CHUNK):
            yield piece


_PIECES = {Packing.GZIP: _inflated, Packing.ZLIB: _inflated, Packing.BZIP2: _unzipped2}


def _widen(stored: NDArray, *, into: NDArray, slope: float, inter: float) -> None:
    """Scale `stored` into `into`, whose memory it shares the far end of; a chunk leaves before it is written over."""
    kind = into.dtype.type
    for begin in range(0, stored.size, _NUMBERS_AT_ONCE):
        chunk = stored[begin : begin + _NUMBERS_AT_ONCE].astype(into.dtype)
        if slope != 1.0:
            chunk *= kind(slope)
        if inter != 0.0:
            chunk += kind(inter)
        into[begin : begin + chunk.size] = chunk


def _cut_off(numbers: StoredNumbers, *, has: int, at_most: str = "") -> Verdict:
    cause = f"cut off: expected {numbers.num_bytes} bytes of voxels, got {at_most}{max(has, 0)}"
    return Verdict(Outcome.REFUSE, "truncated", numbers.path, cause, _COPY_AGAIN)
