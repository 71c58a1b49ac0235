"""What identifies a patient stays in the file: no command repeats it, in no output, log, header or message."""

import contextlib
import gzip
import logging
import sys
import warnings
import zlib

import numpy as np
import pytest
from cases.dicom import SeriesCase
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from medseg.cli.main import main
from medseg.errors import MedsegError
from medseg.io import read_image, write_image
from medseg.io.dicom.deidentify import deidentify_folder

CANARY = "Zqv"
"""Start of all canaries: "Zqv007x" stands in one place only, so that a leak names its source."""
_KEYWORDS = """
    PatientName PatientID IssuerOfPatientID OtherPatientIDs OtherPatientNames PatientBirthName
    PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientComments AdditionalPatientHistory
    Occupation EthnicGroup MedicalRecordLocator MilitaryRank BranchOfService CountryOfResidence RegionOfResidence
    PatientReligiousPreference Allergies MedicalAlerts SpecialNeeds PatientState AdmissionID
    CurrentPatientLocation AccessionNumber StudyID StudyDescription SeriesDescription ProtocolName InstitutionName
    InstitutionAddress InstitutionalDepartmentName ReferringPhysicianName ReferringPhysicianAddress
    PhysiciansOfRecord PerformingPhysicianName NameOfPhysiciansReadingStudy OperatorsName RequestingPhysician
    RequestedProcedureDescription PerformedProcedureStepDescription PerformedProcedureStepID StationName
    DeviceSerialNumber ImageComments FrameComments DerivationDescription AcquisitionProtocolDescription
    ContrastBolusAgent ManufacturerModelName SoftwareVersions Manufacturer BodyPartExamined
"""
IDENTIFYING = _KEYWORDS.split()


def canary(number):
    return f"{CANARY}{number:03d}x"


KEPT_BY_THE_PROFILE = ("ManufacturerModelName", "SoftwareVersions", "Manufacturer", "BodyPartExamined")


def identify(ds, *, leave=()):
    """Put a canary into each place but those of `leave`."""
    for number, keyword in enumerate(IDENTIFYING):
        if keyword in leave:
            continue
        text = canary(number)
        setattr(ds, keyword, text.upper() if dictionary_VR(keyword) == "CS" else text)
    ds.add_new(0x00090010, "LO", canary(100))
    ds.add_new(0x00091001, "LO", canary(101))
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepDescription = canary(102), canary(103)
    ds.RequestAttributesSequence = [item]
    ds.file_meta.SourceApplicationEntityTitle = canary(104)
    ds.PatientBirthDate, ds.PatientAge = "19510203", "071Y"


def series(folder, change=None, shape=(32, 32, 8), leave=()):
    """The ramp as a series that names a patient in every way there is."""

    def both(ds, k):
        identify(ds, leave=leave)
        if change is not None:
            change(ds, k)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom objects to what is wrong on purpose
        SeriesCase(shape=shape, spacing_mm=(1.0, 1.0, 2.0)).write(folder, change=both)
    return folder


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs the command line; returns its exit code and every byte that reached stdout and stderr, C libraries' too."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["medseg", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capfd.readouterr()
        return int(stop.value.code or 0), printed.out + printed.err

    return run


def contents(path):
    """A file's bytes, and unpacked what is packed in it: gzip, and the zlib streams of PNG and TIFF."""
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    start = raw.find(b"\x78")
    while 0 <= start < 4096:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(raw[start:])
        start = raw.find(b"\x78", start + 1)


def leaks(text, *folders, word=CANARY):
    """Where the word stands: in what was printed, in a file or in a file's name."""
    needles = [word.lower().encode(code) for code in ("utf-8", "utf-16-le")]
    found = ["printed: " + line for line in text.splitlines() if word.lower() in line.lower()]
    for folder in folders:
        for path in folder.rglob("*"):
            if word.lower() in path.relative_to(folder).as_posix().lower():
                found.append(f"name: {path.relative_to(folder)}")
            if path.is_file() and any(n in c.lower() for c in contents(path) for n in needles):
                found.append(f"content: {path.relative_to(folder)}")
    return found


def test_the_canaries_are_many_and_the_search_finds_them(tmp_path):
    assert len(IDENTIFYING) >= 50
    source = series(tmp_path / "in")
    assert len(leaks("", source)) == 8
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "a.gz").write_bytes(gzip.compress(canary(1).encode()))
    assert leaks("", tmp_path / "packed") == ["content: a.gz"]


def test_info_shows_no_identity(tmp_path, command):
    source = series(tmp_path / "in")
    for words in (("info", source), ("info", source, "--json"), ("info", source / "000.dcm")):
        code, text = command(*words)
        assert (code, leaks(text)) == (0, [])
        assert "dicom" in text.lower()


def test_predict_evaluate_and_batch_hand_no_identity_on(tmp_path, command):
    source = series(tmp_path / "in" / "one")
    out = tmp_path / "out"
    model = "ct-phantom-lesions"
    mask = out / "mask.nii.gz"
    extra = ("--overlay", out / "o.png", "--probabilities", out / "p.nii.gz")
    code, printed = command("predict", model, source, "--output", mask, *extra)
    assert code == 0, printed
    words = ("--output", out / "s.json", "--csv", out / "s.csv", "--report", out / "r.html", "--images", source)
    code, text = command("evaluate", "--prediction", mask, "--reference", mask, *words)
    printed += text
    assert (out / "s.json").exists(), text
    code, text = command("batch", tmp_path / "in", "--model", model, "--output", out / "batch", "--format", "tif")
    assert code == 0, text
    assert leaks(printed + text, out) == []
    assert (out / "batch" / "one" / "case.json").exists()


def raw_text(keyword, text, vr="LO"):
    """Text in the place of a number, as a damaged or hostile file has it; pydicom lets none through by itself."""

    def change(ds, k):
        tag = tag_for_keyword(keyword)
        ds[tag] = DataElement(tag, vr, text)

    return change


def nan_position(ds, k):
    ds[tag_for_keyword("ImagePositionPatient")] = DataElement(0x00200032, "LO", [canary(205), "nan", "1"])


def broken_jpeg(ds, k):
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.70")
    ds.PixelData = encapsulate([canary(206).encode() * 9])
    ds["PixelData"].is_undefined_length = True


DAMAGE = {
    **{
        keyword: raw_text(keyword, f"{CANARY}^{keyword[:20]}")
        for keyword in (
            *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "InstanceNumber"),
            *("RescaleSlope", "RescaleIntercept", "RescaleType", "AcquisitionNumber", "Rows", "BitsAllocated"),
            *("PixelRepresentation", "PatientAge", "StudyDate", "WindowCenter", "EchoTime", "SpacingBetweenSlices"),
            *("PhotometricInterpretation", "Modality", "ImageType", "SamplesPerPixel", "NumberOfFrames"),
            *("SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID", "SOPClassUID"),
            *("SpecificCharacterSet", "BurnedInAnnotation", "PixelPaddingValue", "EchoNumbers"),
        )
    },
    "not a number in a position": nan_position,
    "JPEG that is none": broken_jpeg,
}  # fmt: skip


KEPT_IN_COPIES = {"JPEG that is none", "RescaleType"}
"""Pixels stay as they are, and so do free texts that the profile does not name and that hold no word of the name."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_messages_about_damaged_files_quote_nothing(tmp_path, command, damage):
    source = series(tmp_path / "in", DAMAGE[damage], shape=(6, 5, 3), leave=KEPT_BY_THE_PROFILE)
    key = tmp_path / "key"
    key.write_text("k" * 32)
    printed = ""
    for words in (("info", source), ("info", source, "--json"), ("info", source / "000.dcm")):
        code, text = command(*words)
        printed += text
        assert code in {0, 1, 2}
    code, text = command("deidentify", source, tmp_path / "out", "--key-file", key)
    assert code in {0, 1, 2}
    try:
        image = read_image(source)
        printed += "\n".join(image.metadata.notes)
    except MedsegError as error:
        printed += str(error)
    copies = [tmp_path / "out"] if damage not in KEPT_IN_COPIES else []
    assert leaks(printed + text, *copies) == []


def _nifti(path):
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4))
    for number, field in enumerate(("descrip", "aux_file", "intent_name", "db_name")):
        image.header[field] = canary(300 + number).encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", canary(305).encode()))
    nibabel.save(image, path)


def _tiff(path):
    import tifffile

    notes = {
        "software": canary(311),
        "datetime": "2020:01:01 00:00:00",
        "extratags": [(315, "s", 0, canary(312), True)],
    }
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), description=f"{canary(310)} spacing=x", **notes)


def _ome_tiff(path):
    import tifffile

    metadata = {"axes": "ZYX", "Name": canary(320), "Description": canary(321), "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, np.zeros((2, 16, 16), np.uint8), metadata=metadata, ome=True)


def _png(path):
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text("Title", canary(330))
    text.add_itxt(canary(331), canary(332), zip=True)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(path, pnginfo=text)


FILES = {"a.nii": _nifti, "a.nii.gz": _nifti, "a.tif": _tiff, "a.ome.tif": _ome_tiff, "a.png": _png}


@pytest.mark.parametrize("kept", [1.0, 0.9, 0.5, 0.2], ids=lambda kept: f"{kept:.0%}")
@pytest.mark.parametrize("name", FILES)
def test_texts_in_other_formats_are_neither_shown_nor_handed_on(tmp_path, command, name, kept):
    path = tmp_path / name
    FILES[name](path)
    assert leaks("", tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    code, printed = command("info", path)
    assert code in {0, 2}
    (tmp_path / "out").mkdir()
    try:
        image = read_image(path, axes="ZYX" if "ome" in name else None)
        write_image(image, tmp_path / "out" / name)
        printed += " ".join([*image.metadata.notes, *image.metadata.channel_names, repr(image)])
    except MedsegError as error:
        printed += str(error)
    assert leaks(printed, tmp_path / "out") == []


def test_reading_libraries_log_nothing_of_a_header(tmp_path, caplog):
    """Also where a program has set logging up to show everything; afterwards pydicom may log again."""
    import pydicom

    def change(ds, k):
        ds["StudyDate"] = DataElement(0x00080020, "DA", canary(400), validation_mode=pydicom.config.IGNORE)

    source = series(tmp_path / "in", change, shape=(6, 5, 3))
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        with contextlib.suppress(MedsegError):
            read_image(source)
        deidentify_folder(source, tmp_path / "out", key=bytes(16))
        assert leaks(caplog.text) == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pydicom.dataelem.DataElement(0x00080020, "DA", "no date")
        assert "no date" in caplog.text
