"""Small files that would fill the memory are refused by arithmetic: little memory, and before they are unpacked."""

import gzip
import io
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cases.dicom import SeriesCase
from fuzz.seeds import nifti_bytes, png_chunk
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medseg.io.base import ReadRequest
from medseg.io.isolated import ReadingLimits, ReadingProcess
from medseg.verdicts import RefusedImageError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is known on Linux only")

LIMITS = ReadingLimits(max_seconds=60, max_bytes=2**32)
MEBIBYTE = 2**20


def _deflated_zeros(mebibytes: int) -> bytes:
    """A raw deflate stream of so many MiB: one block that does not look back, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + packer.flush()


def _dicom() -> bytes:
    dataset = SeriesCase().dataset(0)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    content = stream.getvalue()
    start = 144 + struct.unpack_from("<I", content, 140)[0]  # after the group length of the file meta information
    private = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 512 * MEBIBYTE)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = packer.compress(private) + packer.flush(zlib.Z_FULL_FLUSH)
    return content[:start] + head + _deflated_zeros(512)


def _nifti_gz() -> bytes:
    header = bytearray(nifti_bytes(shape=(1, 1, 1))[:352])
    struct.pack_into("<8h", header, 40, 3, 1024, 1024, 512, 1, 1, 1, 1)
    start = gzip.compress(b"", mtime=0)[:10]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = packer.compress(bytes(header)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + head + _deflated_zeros(1024) + bytes(8)


def _nifti_sizes() -> bytes:
    header = bytearray(nifti_bytes(shape=(1, 1, 1))[:352])
    struct.pack_into("<8h", header, 40, 3, 32000, 32000, 32000, 1, 1, 1, 1)
    return bytes(header)


def _png() -> bytes:
    size = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    pixels = b"\x78\xda" + _deflated_zeros(859) + bytes(4)
    chunks = [(b"IHDR", size), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks)


def _tiff() -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((16384, 16384), np.uint8), tile=(1024, 1024), compression="zlib")
    return stream.getvalue()


@pytest.fixture(scope="module")
def process() -> Iterator[ReadingProcess]:
    with ReadingProcess() as one:
        yield one


@pytest.mark.parametrize(
    ("name", "make", "code"),
    [
        ("bomb.dcm", _dicom, "compression-bomb"),
        ("bomb.nii.gz", _nifti_gz, "compression-bomb"),
        ("sizes.nii", _nifti_sizes, "truncated|over-budget"),
        ("bomb.png", _png, "compression-bomb"),
        ("bomb.tif", _tiff, "compression-bomb"),
    ],
)
def test_a_bomb_is_refused_with_little_memory(name, make, code, process, tmp_path):
    path: Path = tmp_path / name
    path.write_bytes(make())
    assert path.stat().st_size < 2 * MEBIBYTE
    with pytest.raises(RefusedImageError, match=rf"{name}.*\[({code})\]"):
        process.read(path, ReadRequest(), limits=LIMITS)
    assert 0 <= process.peak_bytes < 200 * MEBIBYTE


def test_a_thousand_nested_sequences_are_one_refusal(process, tmp_path):
    dataset = SeriesCase().dataset(0)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    content = stream.getvalue()
    level = struct.pack("<HH2sHIHHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    at = content.index(bytes.fromhex("28000200"))
    path = tmp_path / "nested.dcm"
    path.write_bytes(content[:at] + level * 3000 + content[at:])
    with pytest.raises(RefusedImageError, match=r"nested\.dcm"):
        process.read(path, ReadRequest(), limits=LIMITS)


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0x7FFFFFFF, 100_000])
def test_pixels_longer_than_the_file_are_refused_without_memory_for_them(length, process, tmp_path):
    stream = io.BytesIO()
    SeriesCase().dataset(0).save_as(stream, enforce_file_format=True)
    content = bytearray(stream.getvalue())
    struct.pack_into("<I", content, content.rindex(bytes.fromhex("e07f1000")) + 8, length)
    path = tmp_path / "long.dcm"
    path.write_bytes(content)
    with pytest.raises(RefusedImageError, match=r"long\.dcm"):
        process.read(path, ReadRequest(), limits=LIMITS)
    assert process.peak_bytes < 200 * MEBIBYTE
