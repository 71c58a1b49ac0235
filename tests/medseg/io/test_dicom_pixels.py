"""Stored DICOM pixels against the world ramp: bit layouts, transfer syntaxes, rescaling, padding, and damaged bytes."""

import struct

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from support.ramp import changes, encoded, layout, ramp_error, ramp_series

from medseg.errors import ImageFormatError
from medseg.io import read_image
from medseg.verdicts import RefusedImageError

LAYOUTS = {
    "12 of 16 bits": layout(),
    "signed 16": layout(bits_stored=16, is_signed=True),
    "unsigned 16": layout(bits_stored=16, intercept=-20000),
    "signed 12": layout(bits_stored=12, is_signed=True),
    "12 bits, garbage above": layout(garbage=0xA000),
    "signed 12 bits, garbage above": layout(bits_stored=12, is_signed=True, garbage=0x5000),
    "slope 2, per slice intercept": layout(bits_stored=16, slope=2, intercept=lambda k: -1024.0 - 2 * k),
    "slope of each slice its own": layout(bits_stored=16, slope=lambda k: 0.5 + 0.25 * k, intercept=-1024),
    "negative slope": layout(bits_stored=16, is_signed=True, slope=-1, intercept=100),
    "signed 32": layout(bits_allocated=32, bits_stored=32, is_signed=True),
    "20 of 32 bits": layout(bits_allocated=32, bits_stored=20),
    "8 bits in steps of 4": layout(bits_allocated=8, bits_stored=8, slope=4, intercept=-300),
}
COARSE = {"8 bits in steps of 4": 2.5, "slope 2, per slice intercept": 1.5}
"""Half a step more than the ramp's own rounding."""
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}
CASE = {"shape": (32, 36, 3), "origin_lps_mm": (-20.0, 12.0, 11.5), "spacing_mm": (0.5, 0.6, 2.5)}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "deflated"])
def test_every_layout_gives_the_modality_values(tmp_path, name, syntax):
    ramp_series("oblique", **CASE).write(tmp_path, change=changes(LAYOUTS[name], encoded(SYNTAXES[syntax])))
    image = read_image(tmp_path)
    assert ramp_error(image) <= COARSE.get(name, 0.76)
    assert image.array.dtype in {np.dtype(kind) for kind in ("int16", "int32", "float32", "float64")}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("name", ["12 of 16 bits", "signed 16"])
def test_every_transfer_syntax_gives_the_modality_values(tmp_path, name, syntax):
    ramp_series("sagittal", **CASE).write(tmp_path, change=changes(LAYOUTS[name], encoded(SYNTAXES[syntax])))
    image = read_image(tmp_path)
    assert ramp_error(image) <= 0.5
    assert image.array.dtype == np.int16
    assert not any(verdict.code in {"lossy", "unused-bits"} for verdict in image.metadata.verdicts)


@pytest.mark.parametrize("uid", [JPEGLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("name", ["12 of 16 bits", "unsigned 16"])
def test_jpeg_lossless_gives_the_modality_values(tmp_path, name, uid):
    def compress(ds, k):
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
        ds.PixelData = encapsulate([imagecodecs.ljpeg_encode(stored, bitspersample=ds.BitsStored)])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = uid

    ramp_series(**CASE).write(tmp_path, change=changes(LAYOUTS[name], compress))
    assert ramp_error(read_image(tmp_path)) <= 0.5


def test_bits_above_the_stored_ones_are_ignored_and_flagged(tmp_path):
    ramp_series(**CASE).write(tmp_path, change=layout(garbage=0xA000))
    assert "unused-bits" in codes(read_image(tmp_path))


def test_stored_bits_at_the_top_of_the_word_are_shifted_down(tmp_path):
    def at_the_top(ds, k):
        words = np.frombuffer(ds.PixelData, "<u2") << 4
        ds.PixelData, ds.HighBit = words.astype("<u2").tobytes(), 15

    ramp_series(**CASE).write(tmp_path, change=at_the_top)
    assert ramp_error(read_image(tmp_path)) <= 0.5


def test_values_that_do_not_fit_16_bits_widen_the_volume(tmp_path):
    def offset(ds, k):
        ds.RescaleIntercept = "40000"

    ramp_series(**CASE).write(tmp_path, change=offset)
    image = read_image(tmp_path)
    assert image.array.dtype == np.int32
    assert ramp_error_after(image, shift=40000 + 1024) <= 0.5


def test_monochrome1_is_kept_and_flagged(tmp_path):
    ramp_series(**CASE).write(tmp_path, change=lambda ds, k: setattr(ds, "PhotometricInterpretation", "MONOCHROME1"))
    image = read_image(tmp_path)
    assert ramp_error(image) <= 0.5
    assert "monochrome1" in codes(image)


def test_a_ct_without_rescale_is_flagged_and_keeps_its_stored_values(tmp_path):
    def change(ds, k):
        del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType

    ramp_series(**CASE).write(tmp_path, change=change)
    image = read_image(tmp_path)
    assert "no-rescale" in codes(image)
    assert image.metadata.value_unit is None
    assert ramp_error_after(image, shift=1024) <= 0.5


def test_slope_zero_is_refused(tmp_path):
    ramp_series(**CASE).write(tmp_path, change=lambda ds, k: setattr(ds, "RescaleSlope", "0"))
    with pytest.raises(RefusedImageError, match=r"RescaleSlope other than 0.*\[rescale-slope-zero\]"):
        read_image(tmp_path)


PADDINGS = {
    "signed": (-2000, None, "SS", -2000),
    "signed value written as unsigned": (-2000, None, "US", 63536),
    "a range": (-2003, -1998, "SS", -1998),
    "a range, ends swapped": (-1999, -2002, "SS", -2002),
}


@pytest.mark.parametrize("name", PADDINGS)
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "RLE"])
def test_padding_gets_the_lowest_value_of_the_scan(tmp_path, name, syntax):
    _, limit, vr, stated = PADDINGS[name]

    def pad(ds, k):
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(36, 32).copy()
        stored[:4] = -2000
        ds.PixelData = stored.tobytes()
        first = PADDINGS[name][0] if limit is not None else stated
        ds.add_new("PixelPaddingValue", vr, first)
        if limit is not None:
            ds.add_new("PixelPaddingRangeLimit", vr, limit)

    change = changes(layout(bits_stored=16, is_signed=True), pad, encoded(SYNTAXES[syntax]))
    ramp_series(**CASE).write(tmp_path, change=change)
    image = read_image(tmp_path)
    inside = image.array[0][:, 4:]
    assert np.array_equal(image.array[0][:, :4], np.full_like(image.array[0][:, :4], inside.min()))
    assert {"padding"} <= codes(image)
    assert image.array.dtype == np.int16


def test_padding_in_a_ct_is_not_set_below_air(tmp_path):
    def pad(ds, k):
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(36, 32).copy()
        stored[:4], stored[4] = -2000, -1900  # the rim of a lossy scan
        ds.PixelData = stored.tobytes()
        ds.add_new("PixelPaddingValue", "SS", -2000)

    ramp_series(**CASE).write(tmp_path, change=changes(layout(bits_stored=16, is_signed=True), pad))
    array = read_image(tmp_path).array[0]
    assert set(np.unique(array[:, :4])) == {-1000}
    assert set(np.unique(array[:, 4])) == {-1900}


def test_a_lossy_compression_is_flagged(tmp_path):
    def change(ds, k):
        ds.compress(JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)

    ramp_series(**CASE).write(tmp_path, change=change)
    image = read_image(tmp_path)
    assert "lossy" in codes(image)
    assert 0.5 < ramp_error(image) <= 2.5


def test_a_file_without_preamble_is_read(tmp_path):
    for path in ramp_series(**CASE).write(tmp_path).values():
        path.write_bytes(path.read_bytes()[132:])
    assert ramp_error(read_image(tmp_path)) <= 0.5


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("cut", [12, 100, 900, 1100])
def test_a_truncated_last_slice_is_refused(tmp_path, syntax, cut):
    paths = ramp_series(**CASE).write(tmp_path, change=encoded(SYNTAXES[syntax]))
    paths[2].write_bytes(paths[2].read_bytes()[:-cut])
    with pytest.raises(ImageFormatError, match=r"002\.dcm: .* (Copy|Export)"):
        read_image(tmp_path)


def test_pixels_said_to_be_longer_than_the_file_are_refused(tmp_path):
    paths = ramp_series(**CASE).write(tmp_path)
    data = paths[1].read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00OW") + 8
    paths[1].write_bytes(data[:at] + struct.pack("<I", 0xFFFFFFF0) + data[at + 4 :])
    with pytest.raises(RefusedImageError, match=r"001\.dcm: .*the file ends at \d+ \[truncated\]"):
        read_image(tmp_path)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_size_that_the_pixels_have_not_is_refused(tmp_path, syntax):
    def larger(ds, k):
        ds.Rows, ds.Columns = 64000, 64000

    ramp_series(**CASE).write(tmp_path, change=changes(encoded(SYNTAXES[syntax]), larger))
    with pytest.raises(RefusedImageError, match=r"\[(truncated|over-budget|compression-bomb|undecodable|pixel-size)\]"):
        read_image(tmp_path)


@pytest.mark.parametrize("sides", [(32, 36), (36, 33), (36, 31), (37, 32)])
@pytest.mark.parametrize("syntax", ["JPEG-LS", "JPEG 2000"])
def test_sides_that_the_codestream_contradicts_are_refused(tmp_path, syntax, sides):
    def change(ds, k):
        ds.Rows, ds.Columns = sides

    ramp_series(**CASE).write(tmp_path, change=changes(encoded(SYNTAXES[syntax]), change))
    with pytest.raises(RefusedImageError, match=r"\[pixel-size\]"):
        read_image(tmp_path)


@pytest.mark.parametrize("sides", [(36, 33), (36, 31), (35, 32), (37, 32)])
@pytest.mark.parametrize("syntax", ["explicit", "deflated", "big-endian", "RLE"])
def test_sides_that_do_not_fit_the_bytes_are_refused(tmp_path, syntax, sides):
    def change(ds, k):
        ds.Rows, ds.Columns = sides

    ramp_series(**CASE).write(tmp_path, change=changes(encoded(SYNTAXES[syntax]), change))
    with pytest.raises(RefusedImageError, match=r"\[(truncated|undecodable|pixel-size)\]"):
        read_image(tmp_path)


def test_a_slice_without_pixels_is_refused(tmp_path):
    paths = ramp_series(**CASE).write(tmp_path)
    ds = pydicom.dcmread(paths[1])
    del ds.PixelData
    ds.save_as(paths[1])
    with pytest.raises(RefusedImageError, match=r"001\.dcm: .*\[no-pixels\]"):
        read_image(tmp_path)


@pytest.mark.parametrize("bits", [(16, 17, 16), (16, 12, 10), (16, 12, 16), (12, 12, 11), (64, 12, 11), (1, 1, 0)])
def test_bits_that_make_no_sense_are_refused(tmp_path, bits):
    def change(ds, k):
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits

    ramp_series(**CASE).write(tmp_path, change=change)
    with pytest.raises(RefusedImageError, match=r"bits a pixel.*\[bad-pixel-layout\]"):
        read_image(tmp_path)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.55", "1.2.840.10008.1.2.4.100", "1.2.3.4.5"])
def test_a_transfer_syntax_without_decoder_is_refused_by_name(tmp_path, uid):
    def change(ds, k):
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.file_meta.TransferSyntaxUID = uid

    ramp_series(**CASE).write(tmp_path, change=change)
    with pytest.raises(RefusedImageError, match=rf"transfer syntax .*{uid}.*\[no-decoder\]"):
        read_image(tmp_path)


def codes(image):
    return {verdict.code for verdict in image.metadata.verdicts}


def ramp_error_after(image, *, shift):
    """As `ramp_error`, of a volume whose values are `shift` too high."""
    from dataclasses import replace

    return ramp_error(replace(image, array=image.array.astype(np.int32) - shift))
