"""Measurement reports, read back with highdicom and judged by dciodvfy."""

import shutil

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes
from support.ramp import enhanced, ramp_series
from support.segmentations import dciodvfy_errors

from medseg.errors import InputError
from medseg.images import CodedConcept, Label, LabelMap, LabelTable
from medseg.io import read_image
from medseg.io.dicom import (
    AlgorithmIdentity,
    MeasuredObject,
    write_measurements,
    write_rtstruct,
    write_segmentation,
)
from medseg.verdicts import RefusedImageError

NODULE = CodedConcept("27925004", "SCT", "Nodule")
TABLE = LabelTable(
    (Label(0, "background"), Label(1, "nodule 1", "#ff0000", NODULE), Label(2, "liver lesion", "#00ff00"))
)
ALGORITHM = AlgorithmIdentity("lung-net", "3.2", "ef" * 32)


@pytest.fixture(params=["classic", "enhanced"])
def case(request, tmp_path):
    """Source, segmentation and its path; one voxel of 0.5 x 0.5 x 2 mm in segment 1, two in segment 2."""
    series = ramp_series("oblique", shape=(6, 5, 4), spacing_mm=(0.5, 0.5, 2.0))
    if request.param == "enhanced":
        (tmp_path / "series").mkdir()
        enhanced(series).save_as(tmp_path / "series" / "all.dcm", enforce_file_format=True)
    else:
        series.write(tmp_path / "series")
    source = read_image(tmp_path / "series")
    values = np.zeros(source.spatial_shape, np.uint8)
    values[1, 1, 1] = 1
    values[3:5, 3, 2] = 2
    label_map = LabelMap(values, source.affine, axes="XYZ", labels=TABLE)
    write_segmentation(label_map, tmp_path / "seg.dcm", source=source)
    return source, label_map, tmp_path / "seg.dcm"


def _objects():
    first, second = TABLE.foreground
    return [
        MeasuredObject(
            1, first, volume_mm3=0.5, longest_diameter_mm=np.sqrt(0.5), mean_value=-41.25, tracking_uid="1.2.3.4"
        ),
        MeasuredObject(2, second, volume_mm3=1.0),
    ]


def test_highdicom_reads_each_object_with_its_segment_finding_and_measures(case, tmp_path):
    source, _, seg = case
    path = tmp_path / "sr.dcm"
    uid = write_measurements(_objects(), path, source=source, segmentation=seg, algorithm=ALGORITHM)

    report = hd.sr.srread(path)
    assert report.SOPInstanceUID == uid
    first, second = report.content.get_volumetric_roi_measurement_groups()
    assert (first.tracking_uid, first.tracking_identifier) == ("1.2.3.4", "nodule 1")
    assert first.finding_type == codes.SCT.Nodule
    assert second.finding_type == codes.SCT.Mass
    assert second.tracking_uid not in {"", first.tracking_uid}
    segmentation_uid = dcmread(seg).SOPInstanceUID
    for number, group in enumerate((first, second), start=1):
        assert group.referenced_segment.referenced_sop_instance_uid == segmentation_uid
        assert group.referenced_segment.referenced_segment_numbers == [number]
    measured = {one.name.value: (one.value, one.unit.value) for one in first.get_measurements()}
    assert measured == {
        codes.SCT.Volume.value: (0.5, "mm3"),
        codes.SCT.LongAxis.value: (0.707107, "mm"),
        codes.cid7469.AttenuationCoefficient.value: (-41.25, "[hnsf'U]"),
    }
    assert [one.value for one in second.get_measurements()] == [1.0]
    assert len(report.content.get_volumetric_roi_measurement_groups(tracking_uid="1.2.3.4")) == 1


def test_dciodvfy_finds_no_error_and_the_images_are_its_evidence(case, tmp_path):
    source, _, seg = case
    path = tmp_path / "sr.dcm"
    write_measurements(_objects(), path, source=source, segmentation=seg, algorithm=ALGORITHM)
    if shutil.which("dciodvfy"):
        assert dciodvfy_errors(path) == []
    report, image = dcmread(path), dcmread(source.metadata.extra["source_paths"][0])
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate"):
        assert report[keyword].value == image[keyword].value
    named = {
        one.ReferencedSOPInstanceUID
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(keyword, [])
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert named == {*source.metadata.instance_uids, dcmread(seg).SOPInstanceUID}
    texts = [element.value for element in report.iterall() if element.keyword == "TextValue"]
    assert {"lung-net", "3.2", f"weights_sha256={'ef' * 32}"} <= set(texts)


def test_a_tracking_uid_in_the_segmentation_is_kept(case, tmp_path):
    source, _, seg = case
    ds = dcmread(seg)
    ds.SegmentSequence[1].TrackingID, ds.SegmentSequence[1].TrackingUID = "lesion", "1.2.9.9"
    ds.save_as(seg)
    write_measurements(_objects(), tmp_path / "sr.dcm", source=source, segmentation=seg)
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_uid for group in groups] == ["1.2.3.4", "1.2.9.9"]


@pytest.mark.parametrize(
    ("objects", "match"),
    [
        ([], "at least one object, got none"),
        ([MeasuredObject(3, TABLE.foreground[0], volume_mm3=1.0)], "got one in segment 3, which it has not"),
        ([MeasuredObject(1, TABLE.foreground[0], volume_mm3=1.0)] * 2, "got two objects in one"),
        ([MeasuredObject(1, TABLE.foreground[0])], "got an object without"),
    ],
)
def test_objects_that_are_no_segments_of_their_own_are_refused(objects, match, case, tmp_path):
    source, _, seg = case
    with pytest.raises(InputError, match=match):
        write_measurements(objects, tmp_path / "sr.dcm", source=source, segmentation=seg)
    assert not (tmp_path / "sr.dcm").exists()


def test_a_segmentation_of_another_study_or_another_object_is_refused(case, tmp_path):
    source, label_map, seg = case
    write_rtstruct(label_map, tmp_path / "rt.dcm", source=source)
    with pytest.raises(RefusedImageError, match="expected a DICOM segmentation, got another kind of object"):
        write_measurements(_objects(), tmp_path / "sr.dcm", source=source, segmentation=tmp_path / "rt.dcm")
    ds = dcmread(seg)
    ds.StudyInstanceUID = "1.2.3"
    ds.save_as(seg)
    with pytest.raises(RefusedImageError, match="study and frame of reference of the source image"):
        write_measurements(_objects(), tmp_path / "sr.dcm", source=source, segmentation=seg)
    with pytest.raises(InputError, match="no such file"):
        write_measurements(_objects(), tmp_path / "sr.dcm", source=source, segmentation=tmp_path / "none.dcm")
