"""Files that once got the better of a reader, made again in their smallest form."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cases.dicom import SeriesCase
from fuzz.seeds import png_chunk
from pydicom.uid import JPEG2000Lossless, RLELossless
from support.ramp import encoded

from medseg.errors import ImageFormatError, MedsegError
from medseg.io import describe, read_image
from medseg.io.foreign_errors import translated_errors
from medseg.verdicts import RefusedImageError


def _read_or_refuse(path: Path) -> None:
    """Read the file; only medseg's own errors pass."""
    with suppress(MedsegError):
        read_image(path)


def _tiff(pages: int = 1) -> bytearray:
    stream = io.BytesIO()
    array = np.zeros((pages, 4, 5), np.uint8)
    tifffile.imwrite(stream, array, photometric="minisblack", metadata=None)
    return bytearray(stream.getvalue())


def _first_directory(content: bytearray) -> tuple[int, int]:
    """Offset of the first directory, and its number of entries."""
    (offset,) = struct.unpack_from("<I", content, 4)
    return offset, struct.unpack_from("<H", content, offset)[0]


def _tag(content: bytearray, number: int) -> int:
    """Offset of a tag's entry in the first directory."""
    offset, count = _first_directory(content)
    places = [offset + 2 + 12 * k for k in range(count)]
    return next(place for place in places if struct.unpack_from("<H", content, place)[0] == number)


def test_a_tiff_whose_pages_run_in_a_circle_is_refused(tmp_path):
    content = _tiff(pages=2)
    offset, count = _first_directory(content)
    struct.pack_into("<I", content, offset + 2 + 12 * count, offset)
    path = tmp_path / "circle.tif"
    path.write_bytes(content)
    with pytest.raises(RefusedImageError, match=r"circle\.tif: .*circle or overlap \[circular-pages\]"):
        read_image(path)


def test_tiff_directories_that_lie_inside_each_other_are_refused(tmp_path):
    body = bytearray(64)
    body[:8] = b"II*\0" + struct.pack("<I", 8)
    for at, following in ((8, 10), (10, 8)):  # of one entry each
        struct.pack_into("<H", body, at, 1)
        struct.pack_into("<I", body, at + 2 + 12, following)
    path = tmp_path / "overlap.tif"
    path.write_bytes(body)
    with pytest.raises(MedsegError, match=r"overlap\.tif"):
        read_image(path)


def test_a_long_chain_of_pages_is_no_circle(tmp_path):
    path = tmp_path / "long.tif"
    path.write_bytes(_tiff(pages=300))
    assert read_image(path, axes="ZYX").array.shape == (1, 300, 4, 5)


def test_an_unknown_photometric_interpretation_is_no_crash(tmp_path):
    content = _tiff()
    struct.pack_into("<H", content, _tag(content, 262) + 8, 999)
    path = tmp_path / "odd.tif"
    path.write_bytes(content)
    _read_or_refuse(path)


def _slice(change=None) -> bytearray:
    dataset = SeriesCase(shape=(40, 36, 1)).dataset(0)
    if change is not None:
        change(dataset, 0)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return bytearray(stream.getvalue())


@pytest.mark.parametrize("cut", [1, 2, 7, 20])
def test_a_decoder_in_rust_that_panics_is_a_refusal(cut, tmp_path):
    content = _slice(encoded(RLELossless))
    # A run that writes beyond the end of its segment: literal counts made larger, one after the other.
    start = content.rindex(b"\xfe\xff\x00\xe0") + 8 + 64
    content[start : start + cut] = b"\x7f" * cut
    path = tmp_path / "run.dcm"
    path.write_bytes(content)
    _read_or_refuse(path)


def test_a_panic_is_translated_though_it_is_no_exception(tmp_path):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    path = tmp_path / "run.dcm"
    with (
        pytest.raises(ImageFormatError, match=r"run\.dcm: expected pixels, but its decoder failed"),
        translated_errors(path, expected="pixels", remedy="Copy it again."),
    ):
        raise panic("index out of bounds")


def test_ctrl_c_in_a_decoder_stays_ctrl_c(tmp_path):
    with pytest.raises(KeyboardInterrupt), translated_errors(tmp_path, expected="pixels", remedy="Copy it again."):
        raise KeyboardInterrupt


def test_an_unknown_value_representation_is_a_refusal_for_info_too(tmp_path):
    content = _slice()
    at = content.index(bytes.fromhex("08001600"))
    content[at + 4 : at + 6] = b"U\0"
    path = tmp_path / "vr.dcm"
    path.write_bytes(content)
    assert {entry.verdict for entry in describe(path)} == {"refused"}
    with pytest.raises(MedsegError, match=r"vr\.dcm"):
        read_image(path)


def test_a_png_is_measured_before_pillow_decodes_it_for_its_text(tmp_path, monkeypatch):
    from PIL.PngImagePlugin import PngImageFile

    def load(self):
        pytest.fail("decoded before its size was checked")

    # 8000 x 10000 grey pixels, 80 MB, in an image data chunk of almost nothing after a text chunk.
    size = struct.pack(">IIBBBBB", 8000, 10000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", size), (b"IDAT", zlib.compress(bytes(100))), (b"tEXt", b"Title\0x"), (b"IEND", b"")]
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks))
    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(RefusedImageError, match=r"bomb\.png"):
        read_image(path)
    assert [entry.verdict for entry in describe(path)] == ["refused"]


def test_a_jpeg_2000_stream_with_text_in_its_header_is_a_refusal_and_no_abort(tmp_path):
    content = _slice(encoded(JPEG2000Lossless))
    cut = content.rindex(b"\xff\x51") + 31  # inside SIZ, before the number of components
    missing = content.index(b"reated by", cut) - cut
    content[cut:] = content[cut + missing :] + b"\0" * missing
    path = tmp_path / "text.dcm"
    path.write_bytes(content)
    with pytest.raises(RefusedImageError, match=r"text\.dcm: its pixels are damaged .*\[undecodable\]"):
        read_image(path)


def test_a_transfer_syntax_with_a_line_break_is_named_in_one_line(tmp_path):
    content = _slice(encoded(JPEG2000Lossless))
    at = content.index(JPEG2000Lossless.encode())
    content[at + 3 : at + 6] = b")\n\xd7"
    path = tmp_path / "odd_syntax.dcm"
    path.write_bytes(content)
    with pytest.raises(MedsegError, match=r"odd_syntax\.dcm: .*transfer syntax 1\.2\)\\n") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_page_of_negative_width_is_refused_and_no_endless_loop(tmp_path):
    content = bytearray(_tiff())
    width = _tag(content, 256)
    struct.pack_into("<H", content, width + 2, 6)  # SBYTE
    struct.pack_into("<b", content, width + 8, -1)
    path = tmp_path / "negative.tif"
    path.write_bytes(content)
    with pytest.raises(RefusedImageError, match=r"negative\.tif: width or length .*\[damaged\]"):
        read_image(path)
