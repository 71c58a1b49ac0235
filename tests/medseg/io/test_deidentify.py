"""De-identified copies: every row of the table carried out, pixels kept, references kept, nothing told."""

import json
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from cases.dicom import SeriesCase, ramp_error
from pydicom import dcmread
from pydicom.datadict import DicomDictionary, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage

from medseg.errors import InputError
from medseg.io import read_image
from medseg.io.dicom.basic_profile import BASIC_PROFILE, BESIDE_THE_TABLE, Action
from medseg.io.dicom.deidentify import deidentify_folder
from medseg.io.dicom.profile_actions import DUMMIES
from medseg.io.dicom.pseudonyms import Pseudonyms

KEY = bytes(range(32))
CANARY = "Zebrafink"
TEXT_VALUES = {
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT", "PN"), CANARY),
    **dict.fromkeys(("AE", "CS"), CANARY.upper()),
    "UR": f"http://{CANARY}",
    "AS": "047Y",
    "DA": "20190307",
    "TM": "081523",
    "DT": "20190307081523",
    "UI": "1.2.826.0.1.3680043.8.498.77.5",
    "DS": "123.25",
    "IS": "4711",
    **dict.fromkeys(("US", "UL", "SS", "SL"), 4711),
    **dict.fromkeys(("FD", "FL"), 4711.0),
    **dict.fromkeys(("OB", "UN"), CANARY.encode() + b"!"),
}
FULL_OF_VALUES = {vr: str(value) for vr, value in TEXT_VALUES.items()}


def folder_of(tmp_path, change=None, **case):
    SeriesCase(**case).write(tmp_path / "in", change=change)
    return tmp_path / "in"


def outputs(result):
    return {file.source.name: dcmread(result.record.parent / file.output) for file in result.written}


def everything(dataset):
    """All elements, nested ones too."""
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from everything(item)


def test_the_dictionary_knows_each_attribute_of_the_tables():
    assert [keyword for keyword in [*BASIC_PROFILE, *BESIDE_THE_TABLE] if tag_for_keyword(keyword) is None] == []


def test_the_table_has_the_rows_of_the_2024b_edition():
    assert Counter(map(str, BASIC_PROFILE.values())) == {
        "X": 380, "D": 92, "U": 54, "Z": 42, "X/D": 22, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keyword", "action"),
    [  # read from the standard, one of each code and the ones that matter most
        ("PatientName", "Z"), ("PatientID", "Z/D"), ("PatientBirthDate", "Z"), ("PatientSex", "Z"),
        ("PatientAge", "X"), ("AccessionNumber", "Z"), ("InstitutionName", "X/Z/D"), ("InstitutionAddress", "X"),
        ("StudyDate", "Z"), ("SeriesDate", "X/D"), ("AcquisitionDate", "X/Z"), ("AcquisitionDateTime", "X/Z/D"),
        ("ContentDate", "Z/D"), ("OperatorsName", "X/Z/D"), ("DeviceSerialNumber", "X/Z/D"), ("ProtocolName", "X/D"),
        ("SOPInstanceUID", "U"), ("FrameOfReferenceUID", "U"), ("ReferencedSOPInstanceUID", "U"),
        ("SourceImageSequence", "X/Z/U*"), ("ReferencedImageSequence", "X/Z/U*"), ("SeriesDescription", "X"),
        ("StudyDescription", "X"), ("ImageComments", "X"), ("RequestAttributesSequence", "X"),
        ("VerifyingObserverName", "D"), ("ContentSequence", "D"), ("ROIName", "Z"), ("StudyID", "Z"),
        ("TrackingUID", "U"), ("ReferencedStudySequence", "X/Z"), ("PatientComments", "X"),
    ],
)  # fmt: skip
def test_action_codes_are_those_of_the_standard(keyword, action):
    assert BASIC_PROFILE[keyword] == action


def test_no_row_of_the_table_keeps_its_value_at_any_depth(tmp_path):
    """Every attribute of the table in one file, at the top and two sequences deep."""
    keep_type = {"SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "StudyID"}
    skipped = {name for name in BASIC_PROFILE if tag_for_keyword(name) >> 16 in {0x0000, 0x0002, 0x0004}}

    def fill(ds):
        for keyword in set(BASIC_PROFILE) - skipped - keep_type - {"DataSetTrailingPadding"}:
            vr = dictionary_VR(keyword)
            setattr(ds, keyword, [Dataset()] if vr == "SQ" else TEXT_VALUES[vr.split(" ")[0]])

    def change(ds, k):
        fill(ds)
        inner, innermost = Dataset(), Dataset()
        fill(inner)
        fill(innermost)
        inner.ReferencedSeriesSequence = [innermost]  # neither sequence is in the table
        ds.ReferencedSeriesSequence = [inner]

    source = folder_of(tmp_path, change, shape=(6, 5, 1))
    result = deidentify_folder(source, tmp_path / "out", key=KEY)
    (dataset,) = outputs(result).values()
    allowed = {"DeidentificationMethod", "PatientID", "PatientName"}
    checked = 0
    for element in everything(dataset):
        action = BASIC_PROFILE.get(element.keyword)
        if action is None or element.VR == "SQ" or element.keyword in allowed:
            continue
        checked += 1
        assert action is not Action.X, element.keyword
        assert str(element.value) != FULL_OF_VALUES[element.VR], element.keyword
        assert element.is_empty or element.VR == "UI" or str(element.value) == str(DUMMIES[element.VR])
    assert checked > 400
    raw = (result.record.parent / result.files[0].output).read_bytes()
    for value in set(FULL_OF_VALUES.values()) - {"047Y", "4711", "081523", "123.25"}:
        assert value.lower().encode() not in raw.lower()


def test_private_unknown_curve_overlay_and_group_length_elements_go(tmp_path):
    def change(ds, k):
        ds.add_new(0x00090010, "LO", "MAKER")
        ds.add_new(0x00091001, "LO", CANARY)
        item = Dataset()
        item.add_new(0x00290010, "LO", "MAKER")
        item.add_new(0x00291001, "OB", CANARY.encode() + b" ")
        ds.ReferencedSeriesSequence = [item]
        ds.add_new(0x00100011, "LO", CANARY)  # in no dictionary
        ds.add_new(0x50000022, "LO", CANARY)
        ds.add_new(0x60020010, "US", 5)
        ds.add_new(0x60023000, "OW", CANARY.encode() + b" ")
        ds.add_new(0x60024000, "LT", CANARY)
        ds.EvaluatorName = CANARY  # a person that the table does not name
        ds.RetrieveURL = f"http://{CANARY}"
        ds.preamble = b"MZ" + CANARY.encode() + bytes(128 - 2 - len(CANARY))
        ds.file_meta.SourceApplicationEntityTitle = CANARY
        ds.file_meta.PrivateInformationCreatorUID = "1.2.3"
        ds.file_meta.PrivateInformation = CANARY.encode() + b" "

    result = deidentify_folder(folder_of(tmp_path, change), tmp_path / "out", key=KEY)
    assert len(result.written) == 4
    for file in result.written:
        raw = (tmp_path / "out" / file.output).read_bytes()
        assert CANARY.encode() not in raw
        assert b"MAKER" not in raw
        assert raw[:128] == bytes(128)
        assert (file.changes.private, file.changes.unknown) == (4, 1)
        dataset = dcmread(tmp_path / "out" / file.output)
        assert not [element for element in dataset if element.tag.group in {0x5000, 0x6002}]


def test_the_volume_is_the_same_and_the_pixels_are_the_same_bytes(tmp_path):
    source = folder_of(tmp_path)
    result = deidentify_folder(source, tmp_path / "out", key=KEY)
    image = read_image(tmp_path / "out")
    assert ramp_error(image) <= 0.5
    np.testing.assert_array_equal(image.affine.matrix, read_image(source).affine.matrix)
    for name, dataset in outputs(result).items():
        assert dataset.PixelData == dcmread(source / name).PixelData


def test_a_preamble_that_is_a_program_is_read_and_not_copied(tmp_path):
    source = folder_of(tmp_path)
    for path in source.iterdir():
        path.write_bytes(b"\x7fELF" + bytes(range(124)) + path.read_bytes()[128:])
    assert ramp_error(read_image(source)) <= 0.5
    result = deidentify_folder(source, tmp_path / "out", key=KEY)
    assert {dataset.preamble for dataset in outputs(result).values()} == {bytes(128)}


def test_the_file_says_what_was_done_to_it(tmp_path):
    result = deidentify_folder(folder_of(tmp_path), tmp_path / "out", key=KEY)
    dataset = next(iter(outputs(result).values()))
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.LongitudinalTemporalInformationModified == "REMOVED"
    assert "pixels not examined" in dataset.DeidentificationMethod
    (code,) = dataset.DeidentificationMethodCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")


def test_one_key_gives_one_map_over_runs_and_another_key_another(tmp_path):
    source = folder_of(tmp_path)
    first, again, other = (
        {name: str(ds.SOPInstanceUID) for name, ds in outputs(result).items()}
        for result in (
            deidentify_folder(source, tmp_path / "a", key=KEY),
            deidentify_folder(source, tmp_path / "b", key=KEY),
            deidentify_folder(source, tmp_path / "c", key=KEY[::-1]),
        )
    )
    assert first == again
    assert len(set(first.values())) == 4
    assert not set(first.values()) & set(other.values())
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in first.values())


def test_a_segmentation_of_the_originals_finds_the_copies(tmp_path):
    """Written by highdicom, de-identified in a run of its own with the same key."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    source = folder_of(tmp_path)
    slices = [dcmread(path) for path in sorted(source.iterdir())]
    for one in slices:
        one.PatientName, one.PatientBirthDate, one.PatientSex = "Ramp^", "", ""
    coded = codes.SCT.Organ
    segmentation = hd.seg.Segmentation(
        source_images=slices,
        pixel_array=np.ones((4, 5, 6), np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[hd.seg.SegmentDescription(1, "organ", coded, coded, "MANUAL", tracking_id="t",
                              tracking_uid="1.2.826.0.1.3680043.8.498.9")],
        series_instance_uid="1.2.826.0.1.3680043.8.498.7", series_number=2,
        sop_instance_uid="1.2.826.0.1.3680043.8.498.8", instance_number=1,
        manufacturer="test", manufacturer_model_name="test", software_versions="1", device_serial_number="77",
    )  # fmt: skip
    (tmp_path / "seg").mkdir()
    segmentation.save_as(tmp_path / "seg" / "seg.dcm")
    copies = outputs(deidentify_folder(source, tmp_path / "out", key=KEY)).values()
    (seg,) = outputs(deidentify_folder(tmp_path / "seg", tmp_path / "out-seg", key=KEY)).values()
    referenced = {str(e.value) for e in everything(seg) if e.keyword == "ReferencedSOPInstanceUID"}
    assert referenced == {str(ds.SOPInstanceUID) for ds in copies}
    first = next(iter(copies))
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    for name in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientID"):
        assert seg[name].value == first[name].value
    assert seg.PixelData == segmentation.PixelData
    assert "1.2.826" not in {str(e.value)[:7] for e in everything(seg) if e.VR == "UI"}


def test_uids_that_the_standard_defines_stay(tmp_path):
    def change(ds, k):
        ds.FrameOfReferenceUID = "1.2.840.10008.1.4.1.1"  # Talairach brain atlas
        ds.InstanceCreatorUID = "1.2.840.10008.5.999"  # looks like the standard's and is not

    dataset = next(iter(outputs(deidentify_folder(folder_of(tmp_path, change), tmp_path / "out", key=KEY)).values()))
    assert dataset.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"
    assert dataset.InstanceCreatorUID.startswith("2.25.")


def test_shifted_dates_keep_their_distances_within_a_patient(tmp_path):
    def change(ds, k):
        ds.StudyDate, ds.SeriesDate = "20200229", "20200301"
        ds.AcquisitionDateTime = "20200302101112.5+0100"
        ds.AcquisitionTime = "101112"
        ds.PatientBirthDate, ds.PatientAge = "19500101", "070Y"
        ds.ContentDate = "20200230"  # no such day

    result = deidentify_folder(folder_of(tmp_path, change), tmp_path / "out", key=KEY, dates="shift")
    dataset = next(iter(outputs(result).values()))
    study, series = np.datetime64(_iso(dataset.StudyDate)), np.datetime64(_iso(dataset.SeriesDate))
    assert series - study == np.timedelta64(1, "D")
    assert np.datetime64("2020-02-29") - study == np.timedelta64(Pseudonyms(KEY).days("ramp"), "D")
    assert dataset.AcquisitionDateTime[8:] == "101112.5+0100"
    assert dataset.AcquisitionTime == "101112"
    assert dataset.ContentDate == DUMMIES["DA"]
    assert dataset.PatientBirthDate == ""
    assert "PatientAge" not in dataset
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"
    assert {code.CodeValue for code in dataset.DeidentificationMethodCodeSequence} == {"113100", "113107"}


def _iso(date):
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def test_the_name_hidden_in_kept_texts_is_found(tmp_path):
    def change(ds, k):
        ds.PatientName, ds.PatientID = "Quixley^Lee", "88123-4"
        ds.ContrastBolusRoute = "for mr quixley"
        ds.ReconstructionAlgorithm = ""
        ds.SoftwareVersions = "sleep 3"  # "lee" only inside of a word
        ds.ConvolutionKernel = "B LEE"
        ds.FilterType = "B30F"

    dataset = next(iter(outputs(deidentify_folder(folder_of(tmp_path, change), tmp_path / "o", key=KEY)).values()))
    assert dataset.ContrastBolusRoute == "removed"
    assert dataset.ConvolutionKernel == "removed"
    assert dataset.SoftwareVersions == "sleep 3"
    assert dataset.FilterType == "B30F"


@pytest.mark.parametrize(
    ("change", "code", "is_written"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned-in", False),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "may-be-burned-in", True),
        ({"SOPClassUID": UltrasoundImageStorage, "Modality": "US"}, "may-be-burned-in", True),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "may-be-burned-in", True),
        ({"ConversionType": "WSD"}, "may-be-burned-in", True),
    ],
)
def test_pixels_that_may_show_text_are_flagged_and_never_called_clean(tmp_path, change, code, is_written):
    source = folder_of(tmp_path, lambda ds, k: [setattr(ds, *pair) for pair in change.items()], shape=(6, 5, 1))
    result = deidentify_folder(source, tmp_path / "out", key=KEY)
    (file,) = result.files
    assert [verdict.code for verdict in file.verdicts] == [code]
    assert (file.output is not None) == is_written
    allowed = deidentify_folder(source, tmp_path / "allowed", key=KEY, allow={"burned-in"})
    (dataset,) = outputs(allowed).values()
    assert dataset.PatientIdentityRemoved == "NO"
    assert dataset.get("BurnedInAnnotation") == change.get("BurnedInAnnotation")


def test_reports_documents_and_damaged_files_are_left_out_and_the_rest_is_done(tmp_path):
    def change(ds, k):
        if k == 1:
            del ds.PixelData
            ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"

    source = folder_of(tmp_path, change)
    (source / "broken.dcm").write_bytes((source / "000.dcm").read_bytes()[:300])
    (source / "empty.dcm").write_bytes(b"")
    (source / "twin.dcm").write_bytes((source / "003.dcm").read_bytes())
    (source / "notes.txt").write_text("nothing")
    result = deidentify_folder(source, tmp_path / "out", key=KEY)
    found = {file.source.name: [verdict.code for verdict in file.verdicts] for file in result.files}
    assert found.pop("001.dcm") == ["no-image-object"]
    assert found.pop("twin.dcm") == ["same-uid"]
    assert found.pop("broken.dcm") in (["damaged"], ["no-image-object"])
    assert found.pop("empty.dcm") == ["damaged"]
    assert set(map(tuple, found.values())) == {()}
    assert (len(result.written), result.others) == (3, 1)


def test_the_record_names_actions_and_no_value_or_path(tmp_path):
    def change(ds, k):
        ds.PatientName = ds.StudyDescription = ds.InstitutionName = CANARY

    case = SeriesCase()
    case.write(tmp_path / CANARY / CANARY, change=change, name=CANARY + "-{k}.dcm")
    result = deidentify_folder(tmp_path / CANARY, tmp_path / "out", key=KEY)
    record = json.loads(result.record.read_text())
    assert record["written"] == 4
    assert "StudyDescription" in record["files"][0]["removed"]
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    names = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")]
    assert not any(CANARY.lower().encode() in content.lower() for content in written)
    assert not any(CANARY.lower() in name.lower() for name in names)
    originals = [case.series_uid, "1.2.826.0.1.3680043.8.498.2", KEY.decode("latin1")]
    assert not any(uid.encode("latin1") in content for content in written for uid in originals)


@pytest.mark.parametrize(
    ("target", "message"),
    [("in/copy", "must not lie with the originals"), (".", "new or empty folder"), ("in", "new or empty folder")],
)
def test_copies_never_lie_with_the_originals(tmp_path, target, message):
    source = folder_of(tmp_path)
    with pytest.raises(InputError, match=message):
        deidentify_folder(source, tmp_path / target, key=KEY)


def test_a_short_key_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 16 bytes, got 5"):
        deidentify_folder(folder_of(tmp_path), tmp_path / "out", key=b"short")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not on this machine")
@pytest.mark.parametrize("dates", ["remove", "shift"])
@pytest.mark.real_data
def test_dciodvfy_finds_no_error_that_the_original_had_not(tmp_path, data_dir, dates):
    places = ["ct_small_series_torchio", "enhanced_multiframe", "seg_dcmqi", "seg_highdicom", "rtstruct"]
    checked = 0
    for place in places:
        result = deidentify_folder(data_dir / "dicom" / place, tmp_path / place, key=KEY, dates=dates)
        for file in result.written[:6]:
            new = _errors(tmp_path / place / file.output) - _errors(file.source)
            assert not new, f"{place} {file.source.name}: {new}"
            checked += 1
    assert checked >= 20


def _errors(path):
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    lines = (done.stderr + done.stdout).splitlines()
    return Counter(line.split("<1.")[0].split("<2.")[0].strip() for line in lines if line.startswith("Error"))


def test_every_person_date_and_uid_of_the_dictionary_has_a_rule(tmp_path):
    """Also those that the table does not name: no element of these kinds may pass with its value."""
    kinds = {
        entry[4]: entry[0]
        for tag, entry in DicomDictionary.items()
        if entry[0] in {"PN", "DA", "DT", "TM"} and entry[4] and tag >> 16 not in {0, 2, 4}
    }

    def change(ds, k):
        for keyword, vr in kinds.items():
            setattr(ds, keyword, TEXT_VALUES[vr])

    source = folder_of(tmp_path, change, shape=(6, 5, 1))
    (dataset,) = outputs(deidentify_folder(source, tmp_path / "out", key=KEY)).values()
    kept = [name for name, vr in kinds.items() if name in dataset and str(dataset[name].value) == TEXT_VALUES[vr]]
    assert kept == []
    assert len(kinds) > 150
