"""`medseg convert`: any format to any other, every voxel at its place."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread
from support.ramp import ramp_error, ramp_series, tilted

import medseg
from medseg.images import LabelMap, LabelTable
from medseg.images.spatial import reorient, resample_to
from medseg.io import write_label_map


@pytest.fixture
def series(tmp_path):
    """An oblique DICOM series."""
    ramp_series("oblique").write(tmp_path / "ct")
    return tmp_path / "ct"


@pytest.fixture
def mask(series, tmp_path):
    """A mask of two labels on the series, stored in another axis order."""
    image = medseg.read_image(series)
    array = np.zeros(image.spatial_shape, np.uint8)
    array[1:4, 1:3, 0:2] = 1
    array[4, 3, 2] = 2
    label_map = LabelMap(array, image.affine, axes="XYZ", labels=LabelTable.from_names(["background", "a", "b"]))
    write_label_map(reorient(label_map, "RAS"), tmp_path / "mask.nii.gz")
    return tmp_path / "mask.nii.gz"


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
def test_a_series_keeps_every_voxel_at_its_place(medseg_command, series, tmp_path, name):
    outcome = medseg_command("convert", series, tmp_path / name)
    assert outcome.code == 0, outcome.err
    assert ramp_error(reorient(medseg.read_image(tmp_path / name), "LPS")) <= 0.5


def test_a_format_that_cannot_hold_an_oblique_grid_is_refused_with_one_that_can(medseg_command, series, tmp_path):
    outcome = medseg_command("convert", series, tmp_path / "ct.ome.zarr")
    assert outcome.code == 2
    assert outcome.err.startswith(f"medseg: {tmp_path / 'ct.ome.zarr'}: ")
    assert "oblique" in outcome.err
    assert ".nii.gz" in outcome.err
    assert not (tmp_path / "ct.ome.zarr").exists()


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_a_mask_becomes_a_dicom_object_and_comes_back(medseg_command, series, mask, tmp_path, kind):
    target, back = tmp_path / f"{kind}.dcm", tmp_path / "back.nii.gz"
    assert medseg_command("convert", mask, target, "--as", kind, "--source", series).code == 0
    assert medseg_command("convert", target, back, "--source", series).code == 0
    before, after = medseg.read_label_map(mask), medseg.read_label_map(back)
    np.testing.assert_array_equal(resample_to(before, after.grid).array, after.array)
    assert sorted(np.unique(after.array)) == [0, 1, 2]


def test_a_mask_becomes_a_measurement_report_with_its_segmentation(medseg_command, series, mask, tmp_path):
    assert medseg_command("convert", mask, tmp_path / "sr.dcm", "--as", "sr", "--source", series).code == 0
    assert dcmread(tmp_path / "sr.dcm").Modality == "SR"
    assert dcmread(tmp_path / "sr.seg.dcm").Modality == "SEG"


def test_one_region_of_a_structure_set_is_chosen_by_its_number(medseg_command, series, mask, tmp_path):
    target, back = tmp_path / "rt.dcm", tmp_path / "back.nii.gz"
    assert medseg_command("convert", mask, target, "--as", "rtstruct", "--source", series).code == 0
    assert medseg_command("convert", target, back, "--source", series, "--segment", "2").code == 0
    assert np.count_nonzero(medseg.read_label_map(back).array) == 1


def test_a_mask_without_its_series_cannot_become_a_dicom_object(medseg_command, mask, tmp_path):
    outcome = medseg_command("convert", mask, tmp_path / "seg.dcm")
    assert outcome.code == 2
    assert "--source" in outcome.err
    assert not (tmp_path / "seg.dcm").exists()


def test_a_tilted_series_keeps_its_shear_or_is_straightened_on_request(medseg_command, tmp_path):
    tilted().write(tmp_path / "ct")
    assert medseg_command("convert", tmp_path / "ct", tmp_path / "as_it_is.nii.gz").code == 0
    assert ramp_error(medseg.read_image(tmp_path / "as_it_is.nii.gz")) <= 0.5
    assert medseg_command("convert", tmp_path / "ct", tmp_path / "straight.nii.gz", "--straighten").code == 0
    assert medseg.read_image(tmp_path / "straight.nii.gz").affine.is_orthogonal


def test_a_refusal_that_may_be_overruled_names_its_code(medseg_command, tmp_path):
    ramp_series(shape=(6, 5, 8)).write(tmp_path / "ct", skip=(3,))
    refused = medseg_command("convert", tmp_path / "ct", tmp_path / "ct.nii.gz")
    assert refused.code == 2
    assert "--allow missing-slice" in refused.err
    allowed = medseg_command("convert", tmp_path / "ct", tmp_path / "ct.nii.gz", "--allow", "missing-slice")
    assert allowed.code == 0
    assert "allowed by the user" in allowed.err
    assert medseg.read_image(tmp_path / "ct.nii.gz").spatial_shape == (6, 5, 8)


def test_the_input_is_never_written_over(medseg_command, mask):
    before = mask.read_bytes()
    outcome = medseg_command("convert", mask, mask)
    assert outcome.code == 2
    assert mask.read_bytes() == before


def test_masks_of_a_dicom_folder_are_predicted_as_segmentations(medseg_command, series, tmp_path):
    words = ("predict", "ct-phantom-lesions", series, "--output", tmp_path / "masks", "--format", "dcm")
    outcome = medseg_command(*words)
    assert outcome.code == 0, outcome.err
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["ct.dcm"]
    algorithm = dcmread(tmp_path / "masks" / "ct.dcm").SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "ct-phantom-lesions"
    assert algorithm.AlgorithmVersion == "1.0.0"


def test_a_coarser_level_of_a_pyramid_keeps_its_place(medseg_command, tmp_path):
    from medseg.geometry import Affine, WorldFrame

    array = np.arange(600 * 512, dtype=np.uint16).reshape(1, 600, 512)
    affine = Affine([[0, 0.5, 0], [0.25, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    medseg.write_image(medseg.Image(array, affine, "CYX"), tmp_path / "cells.ome.zarr")
    outcome = medseg_command("convert", tmp_path / "cells.ome.zarr", tmp_path / "cells.tif", "--level", 1)
    assert outcome.code == 0, outcome.err
    coarse = medseg.read_image(tmp_path / "cells.tif")
    assert coarse.spatial_shape == (300, 512)  # rows of 0.25 mm are halved, columns of 0.5 mm are not
    assert coarse.spacing_mm == pytest.approx((0.5, 0.5))
    expected = (array[0, 0::2].astype(float) + array[0, 1::2]) / 2
    assert np.abs(coarse.array[0] - expected).max() <= 0.5


def test_a_level_that_is_not_there_or_of_another_format_is_one_line(medseg_command, series, tmp_path):
    outcome = medseg_command("convert", series, tmp_path / "ct.nii.gz", "--level", 1)
    assert outcome.code == 2
    assert "a level selects a resolution of an OME-Zarr image" in outcome.err
    outcome = medseg_command("convert", series, tmp_path / "ct.nii.gz", "--level", 1, "--labels")
    assert outcome.code == 2
    assert "--level 1: masks are read at their finest resolution" in outcome.err
