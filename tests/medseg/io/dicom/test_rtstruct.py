"""Structure sets of random label maps: read back by medseg, drawn by matplotlib, judged by dciodvfy.

`make test` takes 14 of the maps; MEDSEG_TEST_SCALE=full takes all 200.
"""

import os
import shutil

import numpy as np
import pytest
from pydicom import dcmread
from support.ramp import ramp_series
from support.segmentations import SERIES, dciodvfy_errors, random_map
from support.structure_sets import drawn_values

from medseg.errors import LabelError
from medseg.geometry import reordering_to
from medseg.images import CodedConcept, Label, LabelKind, LabelMap, LabelTable, crop, reorient
from medseg.io import read_image
from medseg.io.dicom import AlgorithmIdentity, list_rois, read_rtstruct, write_rtstruct
from medseg.verdicts import RefusedImageError

SEEDS = range(200 if os.environ.get("MEDSEG_TEST_SCALE") == "full" else 2 * len(SERIES))
DCIODVFY = shutil.which("dciodvfy")


@pytest.fixture
def source(tmp_path):
    ramp_series("oblique", shape=(9, 8, 4)).write(tmp_path / "series")
    return read_image(tmp_path / "series")


def _map_on(source, values, **options):
    table = LabelTable.from_names(["background", *(f"class {value}" for value in range(1, int(values.max()) + 1))])
    return LabelMap(values, source.affine, axes="XYZ", labels=options.pop("labels", table), **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_label_map_comes_back_voxel_for_voxel(seed, tmp_path):
    case = random_map(seed, tmp_path)
    path = tmp_path / "rtstruct.dcm"
    write_rtstruct(case.label_map, path, source=case.source)

    back = read_rtstruct(path, source=case.source)
    np.testing.assert_array_equal(back.array, case.values)
    assert back.labels == case.label_map.labels
    assert back.affine == case.source.affine
    assert {verdict.code for verdict in back.metadata.verdicts} <= {"slices-without-contours"}
    if SERIES[seed % len(SERIES)] != "enhanced":
        paths = case.source.metadata.extra["source_paths"]
        np.testing.assert_array_equal(drawn_values(path, paths, case.values.shape), case.values)
    if DCIODVFY is not None:
        assert dciodvfy_errors(path) == []


@pytest.mark.parametrize("order", ["RAS", "SPL", "ARI"])
def test_it_is_read_on_an_image_in_any_order_of_axes(order, tmp_path):
    case = random_map(3, tmp_path)
    write_rtstruct(case.label_map, tmp_path / "rtstruct.dcm", source=case.source)
    turned = reorient(case.source, order)
    back = read_rtstruct(tmp_path / "rtstruct.dcm", source=turned)
    np.testing.assert_array_equal(back.array, reordering_to(case.source.affine, order).apply(case.values))


def test_on_a_cropped_image_slices_outside_are_left_out_only_when_allowed(source, tmp_path):
    values = np.zeros(source.spatial_shape, np.uint8)
    values[2:6, 2:6] = 1
    path = tmp_path / "rtstruct.dcm"
    write_rtstruct(_map_on(source, values), path, source=source)
    part = crop(source, (3, 0, 1), (9, 8, 3))
    with pytest.raises(RefusedImageError, match=r"2 before its first or after its last slice .*contours-outside"):
        read_rtstruct(path, source=part)
    back = read_rtstruct(path, source=part, allow=["contours-outside"])
    np.testing.assert_array_equal(back.array, values[3:, :, 1:3])


def test_a_hole_is_one_contour_with_a_keyhole(source, tmp_path):
    values = np.zeros(source.spatial_shape, np.uint8)
    values[2:7, 2:7, 1] = 1
    values[4, 4, 1] = 0
    write_rtstruct(_map_on(source, values), tmp_path / "rtstruct.dcm", source=source)
    (roi,) = dcmread(tmp_path / "rtstruct.dcm").ROIContourSequence
    (contour,) = roi.ContourSequence
    assert contour.ContourGeometricType == "CLOSED_PLANAR"
    assert contour.NumberOfContourPoints == 10
    np.testing.assert_array_equal(read_rtstruct(tmp_path / "rtstruct.dcm", source=source).array, values)


def test_a_contour_of_more_points_than_an_explicit_length_holds_comes_back(tmp_path):
    ramp_series("axial", shape=(81, 80, 1), spacing_mm=(0.1, 0.1, 1)).write(tmp_path / "series")
    source = read_image(tmp_path / "series")
    values = np.ones(source.spatial_shape, np.uint8)
    values[1::2, 1::2] = 0
    write_rtstruct(_map_on(source, values), tmp_path / "rtstruct.dcm", source=source)
    (roi,) = dcmread(tmp_path / "rtstruct.dcm").ROIContourSequence
    (contour,) = roi.ContourSequence
    assert contour.NumberOfContourPoints > 65536 / 12
    np.testing.assert_array_equal(read_rtstruct(tmp_path / "rtstruct.dcm", source=source).array, values)


def test_names_colours_codes_empty_regions_and_the_model_are_kept(source, tmp_path):
    liver = CodedConcept("10200004", "SCT", "Liver")
    table = LabelTable(
        (Label(0, "background"), Label(3, "Leber", "#0a7f33", liver), Label(300, "none found", "#102030"))
    )
    values = np.zeros(source.spatial_shape, np.uint16)
    values[2, 3, 1] = 3
    path = tmp_path / "rtstruct.dcm"
    algorithm = AlgorithmIdentity("liver-net", "2.1", "cd" * 32)
    uid = write_rtstruct(_map_on(source, values, labels=table), path, source=source, algorithm=algorithm)

    back = read_rtstruct(path, source=source)
    assert [(one.value, one.name, one.colour, one.concept) for one in back.labels.foreground] == [
        (3, "Leber", "#0a7f33", liver),
        (300, "none found", "#102030", None),
    ]
    assert [(one.number, one.name, one.num_contours) for one in list_rois(path)] == [
        (3, "Leber", 1),
        (300, "none found", 0),
    ]
    roi = dcmread(path).StructureSetROISequence[0]
    assert (roi.ROIGenerationAlgorithm, roi.ROIGenerationDescription) == ("AUTOMATIC", "liver-net 2.1")
    assert "cd" * 32 in roi.ROIDescription
    assert back.metadata.extra["sop_instance_uid"] == uid


def test_each_object_of_an_instance_map_is_a_region(source, tmp_path):
    values = np.zeros(source.spatial_shape, np.uint16)
    values[1, 1, 1], values[5, 5, 2] = 7, 4000
    table = LabelTable.from_names(["background", "nodule"])
    label_map = _map_on(source, values, labels=table, kind=LabelKind.INSTANCES)
    write_rtstruct(label_map, tmp_path / "rtstruct.dcm", source=source)
    back = read_rtstruct(tmp_path / "rtstruct.dcm", source=source)
    np.testing.assert_array_equal(back.array, values)
    assert back.labels.names == ("background", "nodule 7", "nodule 4000")


def test_patient_and_study_are_those_of_the_source_and_nothing_more(source, tmp_path):
    write_rtstruct(_map_on(source, np.ones(source.spatial_shape, np.uint8)), tmp_path / "r.dcm", source=source)
    written = dcmread(tmp_path / "r.dcm")
    image = dcmread(source.metadata.extra["source_paths"][0])
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert written[keyword].value == image[keyword].value
    study = written.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    series = study.RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    named = [one.ReferencedSOPInstanceUID for one in series.ContourImageSequence]
    assert tuple(named) == source.metadata.instance_uids


def test_a_map_between_the_voxels_or_without_labels_is_refused(source, tmp_path):
    values = np.ones(source.spatial_shape, np.uint8)
    shift = np.eye(4)
    shift[0, 3] = 0.4
    moved = _map_on(source, values).replace(affine=source.affine.after_index_map(shift))
    with pytest.raises(RefusedImageError, match="on the voxels of its source series"):
        write_rtstruct(moved, tmp_path / "r.dcm", source=source)
    empty = _map_on(source, values * 0, labels=LabelTable.from_names(["background"]))
    with pytest.raises(LabelError, match="at least one region of interest"):
        write_rtstruct(empty, tmp_path / "r.dcm", source=source)
    assert not (tmp_path / "r.dcm").exists()
