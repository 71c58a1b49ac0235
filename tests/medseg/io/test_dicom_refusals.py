"""What cannot be placed is refused, in one line that names the place, the reason and the way out."""

import numpy as np
import pytest
from cases.dicom import SeriesCase

from medseg.errors import ImageFormatError, InputError
from medseg.io import read_image

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def delete(*keywords):
    def change(ds, k):
        for keyword in keywords:
            delattr(ds, keyword)

    return change


def set_all(**values):
    def change(ds, k):
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def set_one(which, **values):
    def change(ds, k):
        if k == which:
            for keyword, value in values.items():
                setattr(ds, keyword, value)

    return change


def smaller(ds, k):
    if k == 2:
        ds.Rows, ds.Columns = 4, 4
        ds.PixelData = np.zeros((4, 4), "<u2").tobytes()


def colour(ds, k):
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = bytes(ds.Rows * ds.Columns * 3)


def frames(ds, k):
    ds.NumberOfFrames = 2
    ds.PixelData = ds.PixelData * 2


def raw_tag(keyword, text):
    """Put text into a number's place that pydicom would not let through."""

    def change(ds, k):
        from pydicom.dataelem import DataElement
        from pydicom.tag import Tag

        element = ds[keyword]
        ds[keyword] = DataElement(Tag(element.tag), "LO", text)

    return change


REFUSALS = {
    "missing slice": (
        {"shape": (6, 5, 6)},
        None,
        (3,),
        r"slices are missing: 5 mm between 002.dcm and 004.dcm, 2.5 mm",
    ),
    "uneven spacing": (
        {"offsets_mm": (0.0, 2.5, 5.9, 8.4)},
        None,
        (),
        r"distance between slices varies from 2.5 to 3.4 mm",
    ),
    "drifting spacing": (
        {
            "shape": (4, 4, 120),
            "spacing_mm": (0.8, 1.1, 1.0),
            "offsets_mm": tuple(np.cumsum([0.0] + [0.996] * 59 + [1.004] * 60)),
        },
        None,
        (),
        r"do not lie on an even grid",
    ),
    "no position": (
        {},
        delete("ImagePositionPatient"),
        (),
        r"000.dcm: expected ImagePositionPatient, which says where",
    ),
    "no orientation": ({}, delete("ImageOrientationPatient"), (), r"000.dcm: expected ImageOrientationPatient"),
    "no pixel spacing": ({}, delete("PixelSpacing"), (), r"000.dcm: expected PixelSpacing"),
    "pixel spacing zero": ({}, set_all(PixelSpacing=[0, 0]), (), r"expected a positive PixelSpacing, got \(0, 0\)"),
    "pixel spacing with a comma": ({}, raw_tag("PixelSpacing", "0,8\\1,1"), (), r"expected numbers in PixelSpacing"),
    "NaN position": (
        {},
        raw_tag("ImagePositionPatient", "nan\\0\\0"),
        (),
        r"expected 3 finite numbers in ImagePosition",
    ),
    "all at one place": ({}, set_all(ImagePositionPatient=[0, 0, 0]), (), r"several slices lie at one position"),
    "two at one place": ({}, set_one(2, ImagePositionPatient=[-20, 12, 34]), (), r"several slices lie at one position"),
    "one UID for two images": (
        {},
        set_one(2, SOPInstanceUID="1.2.826.0.1.3680043.8.498.1.1.1"),
        (),
        r"different images have one SOP Instance UID: 000.dcm and 002.dcm",
    ),
    "direction too long": ({}, set_all(ImageOrientationPatient=[2, 0, 0, 0, 2, 0]), (), r"directions of length 1"),
    "directions not at right angles": (
        {},
        set_all(ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0]),
        (),
        r"expected right angles in ImageOrientationPatient, got a cosine of 0.6",
    ),
    "several orientations": (
        {},
        set_one(2, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        (),
        r"got a series of 2 \(orientation\)",
    ),
    "frame of reference": ({}, set_one(2, FrameOfReferenceUID="1.2.3"), (), r"differ in frame of reference"),
    "patient": ({}, set_one(2, PatientID="Smith^John"), (), r"differ in patient: 000.dcm and 002.dcm"),
    "modality": ({}, set_one(2, Modality="MR"), (), r"differ in modality \(CT and MR\): 000.dcm and 002.dcm"),
    "size": ({}, smaller, (), r"differ in size \(6 x 5 and 4 x 4\): 000.dcm and 002.dcm"),
    "pixel spacing differs": ({}, set_one(2, PixelSpacing=[1.2, 0.8]), (), r"differ in pixel spacing"),
    "colour": ({}, colour, (), r"000.dcm: expected grey values, got a colour picture \(RGB\)"),
    "frames without a place": ({}, frames, (), r"000.dcm: 2 frames that do not say where they lie"),
    "slope zero": ({}, set_all(RescaleSlope="0"), (), r"expected a RescaleSlope other than 0"),
    "no pixels": ({}, delete("PixelData"), (), r"000.dcm: .*pixels"),
    "two slices": ({"shape": (6, 5, 2)}, set_all(SliceThickness="1.0"), (), r"two slices 2.5 mm apart do not show"),
    "one slice without thickness": (
        {"shape": (6, 5, 1)},
        delete("SliceThickness"),
        (),
        r"a single slice without SliceThickness",
    ),
    "only a structure set": (
        {},
        lambda ds, k: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.481.3"),
        (),
        r"only DICOM objects without images of their own \(structure set\).* medseg convert FILE.dcm MASK.nii.gz",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_with_its_reason(tmp_path, name):
    options, change, skip, text = REFUSALS[name]
    SeriesCase(**options).write(tmp_path, change=change, skip=skip)
    with pytest.raises(ImageFormatError, match=text) as caught:
        read_image(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    assert "Smith" not in message, "what identifies a patient stays out of messages"


def test_two_series_in_a_folder_are_listed(tmp_path):
    SeriesCase().write(tmp_path)
    SeriesCase(series_uid="1.2.9").write(tmp_path, name="other{k}.dcm")
    with pytest.raises(
        ImageFormatError, match=r"expected one DICOM series, got 2 .*1\.2\.826\.\S+ \(CT, 4\); 1\.2\.9 \(CT, 4\)"
    ):
        read_image(tmp_path)


def test_an_unknown_series_uid_lists_those_that_are_there(tmp_path):
    SeriesCase().write(tmp_path)
    with pytest.raises(InputError, match=r"holds no series 1\.2\.3\. It holds .*1\.2\.826"):
        read_image(tmp_path, series_uid="1.2.3")


def test_a_series_uid_for_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="selects a series from a DICOM folder"):
        read_image(tmp_path / "a.png", series_uid="1.2")


def test_axes_are_refused_for_dicom(tmp_path):
    SeriesCase().write(tmp_path)
    with pytest.raises(InputError, match="names its axes itself, got --axes ZYX"):
        read_image(tmp_path, axes="ZYX")


def test_an_empty_folder_is_no_series(tmp_path):
    with pytest.raises(ImageFormatError, match="expected a folder with a DICOM series, it holds nothing"):
        read_image(tmp_path)


def test_a_folder_of_text_is_no_series(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ImageFormatError, match="it holds 1 files of other kinds"):
        read_image(tmp_path)


def test_a_cut_slice_is_named(tmp_path):
    paths = SeriesCase(shape=(30, 30, 4)).write(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-900])
    with pytest.raises(ImageFormatError, match=r"002.dcm: .* \[truncated\]"):
        read_image(tmp_path)


def test_a_slice_of_zero_bytes_is_named(tmp_path):
    paths = SeriesCase().write(tmp_path)
    paths[3].write_bytes(b"")
    with pytest.raises(ImageFormatError, match=r"003.dcm: expected a DICOM file"):
        read_image(tmp_path)


def test_a_text_file_named_dcm_is_named(tmp_path):
    SeriesCase().write(tmp_path)
    (tmp_path / "x.dcm").write_text("hello")
    with pytest.raises(ImageFormatError, match=r"x.dcm: expected a DICOM file, got something else"):
        read_image(tmp_path)
