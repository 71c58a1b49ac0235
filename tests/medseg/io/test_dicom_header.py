"""The header walked in place says what pydicom says, or leaves the file to it."""

import dataclasses

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from support.ramp import changes, encoded, layout, ramp_error, ramp_series

from medseg.errors import MedsegError
from medseg.io import read_image
from medseg.io.dicom import header
from medseg.io.dicom.enhanced import slice_headers
from medseg.io.dicom.files import DicomFile
from medseg.io.foreign_errors import translated_errors


def both_ways(path):
    """The header as walked, None where it is left to pydicom; and as pydicom reads it, None where it is refused."""
    with path.open("rb", buffering=0) as stream:
        walked = header._walked(stream)
        try:
            with translated_errors(path, expected="a DICOM file", remedy="Copy it again."):
                by_pydicom = header._read_by_pydicom(stream, path=path)
        except MedsegError:
            by_pydicom = None
    return walked, by_pydicom


def described(path, found):
    """All fields of all slices, or the refusal."""
    try:
        slices = slice_headers(DicomFile(path, found))
    except MedsegError as error:
        return str(error)
    fields = [field.name for field in dataclasses.fields(slices[0])]
    return [[np.asarray(getattr(one, name), dtype=object).tolist() for name in fields] for one in slices]


def is_same(path):
    walked, by_pydicom = both_ways(path)
    return walked is None or described(path, walked) == described(path, by_pydicom)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_plain_files_are_walked_and_pydicom_agrees(tmp_path, syntax):
    def more(ds, k):
        ds.PixelPaddingValue, ds.EchoTime, ds.EchoNumbers, ds.BurnedInAnnotation = 7, "3.5", 2, "NO"
        ds.add_new("DiffusionBValue", "FD", 800.0)

    paths = ramp_series("oblique").write(tmp_path, change=changes(layout(bits_stored=16), more, encoded(syntax)))
    walked, by_pydicom = both_ways(paths[1])
    assert walked is not None
    assert described(paths[1], walked) == described(paths[1], by_pydicom)
    assert walked.pixels == by_pydicom.pixels


@pytest.mark.parametrize("name", ["big-endian", "deflated", "undefined length", "another alphabet", "no class"])
def test_what_is_out_of_the_ordinary_is_left_to_pydicom(tmp_path, name):
    def change(ds, k):
        if name == "undefined length":
            ds.add_new("ReferencedImageSequence", "SQ", [Dataset()])
            ds["ReferencedImageSequence"].is_undefined_length = True
        if name == "another alphabet":
            ds.SpecificCharacterSet, ds.PatientID = "ISO_IR 192", "Ä1"
        if name == "no class":
            ds.SOPClassUID = ""

    syntax = {"big-endian": ExplicitVRBigEndian, "deflated": DeflatedExplicitVRLittleEndian}.get(name)
    change = changes(change, encoded(syntax) if syntax else None)
    paths = ramp_series().write(tmp_path, change=change)
    assert both_ways(paths[1])[0] is None
    assert ramp_error(read_image(tmp_path)) <= 0.5


def test_no_cut_of_a_header_passes_for_an_object_without_pixels(tmp_path):
    path = ramp_series().write(tmp_path)[3]
    data = path.read_bytes()
    start = data.index(b"\xe0\x7f\x10\x00")
    for end in range(132, start, 7):
        path.write_bytes(data[:end])
        with pytest.raises(MedsegError, match=r"003\.dcm"):
            slice_headers(DicomFile(path, header.read_header(path)))


@pytest.mark.real_data
def test_pydicom_agrees_on_all_real_files(data_dir):
    folder = data_dir / "dicom"
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert [path for path in paths if not is_same(path)] == []
