"""Spoiling a good file: at random, and where its format is most easily hurt."""

import gzip
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
from fuzz.seeds import png_chunk

Mutator = Callable[[bytearray, np.random.Generator], bytearray]

_NUMBERS = (0, 1, 2, 3, 7, 8, 9, 16, 127, 128, 255, 256, 1024, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31)
_LARGE = (*_NUMBERS, 2**32 - 1, 2**32 - 16, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, 3.4e38, float("nan"), float("inf"), float("-inf"), 352.5, 1e9, 50.0)
_WORDS = (
    b"0",
    b"-1",
    b"1",
    b"4",
    b"9",
    b"64000",
    b"99999999999",
    b"1e30",
    b"nan",
    b"inf",
    b"-inf",
    b"",
    b"0,8",
    b"\xff",
)

_HEADER_WORDS = (*_WORDS, b"7 6 5 4", b"LOCAL", b"LIST", b"/etc/passwd", b"../x.raw", b"True", b"MET_DOUBLE", b"bzip2")


def mutated(content: bytes, format_name: str, rng: np.random.Generator) -> bytes:
    """One to five changes of `content`, half of them in the header of its format."""
    packed = content[:2] == b"\x1f\x8b" and format_name == "nifti" and rng.random() < 0.7
    spoilt = bytearray(gzip.decompress(content) if packed else content)
    for _ in range(min(int(rng.geometric(0.55)), 5)):
        choices = _OF_FORMAT[format_name] if rng.random() < 0.5 else _ANYWHERE
        spoilt = choices[int(rng.integers(len(choices)))](spoilt, rng)
    return gzip.compress(bytes(spoilt), compresslevel=1, mtime=0) if packed else bytes(spoilt)


def _place(content: bytearray, rng: np.random.Generator) -> int:
    """An index; half of them among the first bytes, where headers are."""
    end = min(len(content), 512) if rng.random() < 0.5 else len(content)
    return int(rng.integers(max(end, 1)))


def _pick(rng: np.random.Generator, values: tuple) -> object:
    return values[int(rng.integers(len(values)))]


def _flip_bits(content: bytearray, rng: np.random.Generator) -> bytearray:
    for _ in range(int(rng.integers(1, 9))):
        if content:
            content[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return content


def _set_bytes(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(content, rng)
    length = int(rng.integers(1, 9))
    content[start : start + length] = rng.bytes(len(content[start : start + length]))
    return content


def _insert(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(content, rng)
    content[start:start] = rng.bytes(int(rng.integers(1, 65)))
    return content


def _delete(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(content, rng)
    del content[start : start + int(rng.integers(1, 65))]
    return content


def _repeat(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(content, rng)
    block = content[start : start + int(rng.integers(1, 257))]
    content[start:start] = block * int(rng.integers(1, 5))
    return content


def _cut_off(content: bytearray, rng: np.random.Generator) -> bytearray:
    del content[_place(content, rng) + 1 :]
    return content


def _blank(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(content, rng)
    length = len(content[start : start + int(rng.integers(1, 257))])
    content[start : start + length] = bytes([_pick(rng, (0, 255, 32))]) * length
    return content


def _odd_number(content: bytearray, rng: np.random.Generator) -> bytearray:
    return _written(content, _place(content, rng), rng)


def _written(content: bytearray, start: int, rng: np.random.Generator) -> bytearray:
    """An odd whole number of 1 to 8 bytes at `start`, in either byte order."""
    size = _pick(rng, (1, 2, 2, 4, 4, 8))
    number = _pick(rng, _LARGE) & (2 ** (8 * size) - 1)
    if start + size <= len(content):
        content[start : start + size] = number.to_bytes(size, _pick(rng, ("little", "big")))
    return content


_ANYWHERE = (_flip_bits, _set_bytes, _insert, _delete, _repeat, _cut_off, _blank, _odd_number)

_DICOM_TAGS = re.findall(
    "[0-9a-f]{8}",
    """
    02001000 08000800 08001600 08001800 08006000 18005000 20001300 20003200
    20003700 20005200 28000200 28000400 28000800 28001000 28001100 28003000
    28000001 28000101 28000201 28000301 28002001 28005210 28005310 e07f1000
    feff00e0 feffdde0 00523092 00522992 20000e0d 20000d00
    """,
)
"""Group and element in hexadecimal, as they lie in a little-endian file."""


def _dicom_element(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Another type, length or value for an element that matters."""
    found = content.find(bytes.fromhex(_pick(rng, _DICOM_TAGS)))
    if found < 0:
        return _odd_number(content, rng)
    what = int(rng.integers(4))
    if what == 0:
        content[found + 4 : found + 6] = _pick(rng, (b"SQ", b"UN", b"OB", b"DS", b"US", b"ZZ", b"\0\0"))
        return content
    if what == 1:
        word = _pick(rng, _WORDS)
        content[found + 8 : found + 8 + len(word)] = word
        return content
    return _written(content, found + int(rng.integers(4, 13)), rng)


def _dicom_nesting(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Sequences in sequences, before the pixels."""
    depth = int(_pick(rng, (2, 50, 300, 1200)))
    found = content.find(bytes.fromhex("28000200"))
    level = struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    if found > 0:
        content[found:found] = level * depth
    return content


def _nifti_field(content: bytearray, rng: np.random.Generator) -> bytearray:
    if len(content) < 348:
        return _odd_number(content, rng)
    kind = int(rng.integers(3))
    if kind == 0:
        return _written(
            content, int(_pick(rng, (0, 40, 42, 44, 46, 48, 50, 70, 72, 123, 252, 254, 344, 348, 12, 16))), rng
        )
    if kind == 1:
        start = int(_pick(rng, (76, 80, 84, 88, 108, 112, 116, 256, 260, 264, 268, 280, 284, 300, 320)))
        struct.pack_into("<f", content, start, _pick(rng, _FLOATS))
        return content
    struct.pack_into("<h", content, 40 + 2 * int(rng.integers(8)), _pick(rng, (-1, 0, 1, 2, 5, 9, 30000, 32767)))
    return content


def _tiff_entry(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Another tag, type, count or value in an entry of the first directory (TIFF 6.0, section 2)."""
    if len(content) < 16 or content[:2] not in (b"II", b"MM"):
        return _odd_number(content, rng)
    order = "<" if content[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", content, 2)[0] == 43
    start = struct.unpack_from(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)[0]
    head, entry = (8, 20) if is_big else (2, 12)
    if start + head > len(content):
        return _odd_number(content, rng)
    count = struct.unpack_from(order + ("Q" if is_big else "H"), content, start)[0]
    place = start + head + entry * int(rng.integers(max(min(count, 30), 1)))
    if place + entry > len(content):
        return _odd_number(content, rng)
    if rng.random() < 0.3:
        struct.pack_into(order + "H", content, place + 2, int(rng.integers(0, 19)))
        return content
    return _written(content, place + int(_pick(rng, (0, 4, 8, entry - 4))), rng)


def _png_chunks(content: bytearray, rng: np.random.Generator) -> bytearray:
    """A changed chunk with a checksum that is right again."""
    if content[:4] != b"\x89PNG":
        return _odd_number(content, rng)
    chunks, at = [], 8
    while at + 12 <= len(content):
        length = struct.unpack_from(">I", content, at)[0]
        chunks.append([bytes(content[at + 4 : at + 8]), bytearray(content[at + 8 : at + 8 + length])])
        at += 12 + length
    if not chunks:
        return content
    one = chunks[0] if rng.random() < 0.5 else chunks[int(rng.integers(len(chunks)))]
    what = int(rng.integers(4))
    if what == 0 and one[0] == b"IDAT":
        one[1] = bytearray(zlib.compress(rng.bytes(int(rng.integers(1, 4000)))))
    elif what == 1:
        kind = _pick(rng, (b"tRNS", b"PLTE", b"eXIf", b"iTXt", b"zTXt", b"iCCP", b"acTL", b"fcTL", b"IHDR", b"pHYs"))
        chunks.insert(int(rng.integers(len(chunks) + 1)), [kind, bytearray(rng.bytes(int(rng.integers(0, 40))))])
    elif one[1]:
        one[1] = _written(one[1], int(rng.integers(len(one[1]))), rng)
    return bytearray(bytes(content[:8]) + b"".join(png_chunk(kind, bytes(value)) for kind, value in chunks))


def _text_field(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Another number or word in a header of text."""
    found = list(re.finditer(rb"[-\w.]+", bytes(content[:500])))
    if not found:
        return content
    one = found[int(rng.integers(len(found)))]
    words = (
        *_WORDS,
        b"7 6 5 4",
        b"LOCAL",
        b"LIST",
        b"/etc/passwd",
        b"../x.raw",
        b"True",
        b"MET_DOUBLE",
        b"double",
        b"bzip2",
    )
    content[one.start() : one.end()] = _pick(rng, words)
    return content


_OF_FORMAT: dict[str, tuple[Mutator, ...]] = {
    "dicom": (_dicom_element,) * 8 + (_dicom_nesting,),
    "nifti": (_nifti_field,),
    "tiff": (_tiff_entry,),
    "png": (_png_chunks,),
    "itk": (_text_field,),
}
