"""`medseg info`: one row an image, the reason of a refusal below it, nothing decoded."""

import json

import nibabel
import numpy as np
import pytest
from cases.dicom import SeriesCase
from PIL import Image as PillowImage

import medseg
from medseg.geometry import Affine, WorldFrame


@pytest.fixture
def folder(tmp_path):
    """A picture, a broken file, a folder with two DICOM series."""
    root = tmp_path / "study"
    SeriesCase().write(root / "ct", name="a{k}.dcm")
    SeriesCase(series_uid="1.2.826.0.1.3680043.8.498.1.2").write(root / "ct", name="b{k}.dcm")
    PillowImage.new("L", (6, 4)).save(root / "cells.png")
    (root / "broken.nii.gz").write_bytes(b"no gzip")
    return root


def test_each_image_is_a_row_with_its_path_below_the_folder(medseg_command, folder):
    outcome = medseg_command("info", folder)
    assert outcome.code == 0
    assert str(folder) not in outcome.out
    rows = {line.split()[0]: line for line in outcome.out.splitlines() if line and not line.startswith(" ")}
    assert rows["cells.png"].split() == ["cells.png", "png", "1", "x", "4", "x", "6", "CYX", "-", "-", "-", "ok"]
    assert rows["ct"].endswith("LPS          CT        ok")
    assert "1 x 6 x 5 x 4" in rows["ct"]
    assert rows["broken.nii.gz"].endswith("refused")
    assert outcome.out.splitlines()[-1] == "4 images, 3 ok, 1 refused"


def test_the_reason_of_a_refusal_stands_below_its_row(medseg_command, folder):
    lines = medseg_command("info", folder).out.splitlines()
    (row,) = [number for number, line in enumerate(lines) if line.startswith("broken.nii.gz")]
    assert lines[row + 1].startswith("    ")
    assert "expected a NIfTI image" in lines[row + 1]
    assert "broken" not in lines[row + 1]


def test_several_series_of_a_folder_are_told_apart_by_their_uid(medseg_command, folder):
    text = medseg_command("info", folder / "ct").out
    assert "    series 1.2.826.0.1.3680043.8.498.1.1\n" in text
    assert "    series 1.2.826.0.1.3680043.8.498.1.2\n" in text


def test_a_single_file_is_one_row_with_its_name(medseg_command, tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([0.7, 0.8, 2.5, 1])), tmp_path / "a.nii")
    header, row = medseg_command("info", tmp_path / "a.nii").out.splitlines()
    assert header.split()[:2] == ["image", "format"]
    assert row.split()[0] == "a.nii"
    assert "0.7 x 0.8 x 2.5" in row
    assert "RAS" in row


def test_the_levels_of_a_pyramid_stand_below_its_row(medseg_command, tmp_path):
    affine = Affine([[0, 0.5, 0], [0.25, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    image = medseg.Image(np.zeros((1, 600, 512), np.uint8), affine, "CYX")
    medseg.write_image(image, tmp_path / "cells.ome.zarr")
    lines = medseg_command("info", tmp_path / "cells.ome.zarr").out.splitlines()
    # Rows lie twice as densely as columns, so the first step halves them alone, and the next step both.
    assert "1 x 600 x 512" in lines[1]
    assert lines[2].startswith("    levels 0: 1 x 600 x 512, 1: 1 x 300 x 512")
    (entry,) = json.loads(medseg_command("info", tmp_path / "cells.ome.zarr", "--json").out)
    assert entry["levels"][:2] == [[1, 600, 512], [1, 300, 512]]


def test_json_has_every_fact(medseg_command, folder):
    entries = json.loads(medseg_command("info", folder, "--json").out)
    assert [entry["verdict"] for entry in entries] == ["refused", "ok", "ok", "ok"]
    assert entries[0]["path"] == str(folder / "broken.nii.gz")
    assert "broken.nii.gz" in entries[0]["problem"]
    assert entries[2]["shape"] == [1, 6, 5, 4]
    assert entries[2]["spacing_mm"] == pytest.approx([0.8, 1.1, 2.5])
    assert entries[2]["series_uid"] == "1.2.826.0.1.3680043.8.498.1.1"


def test_axes_can_be_told(medseg_command, tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6, 2), np.int16), np.eye(4)), tmp_path / "a.nii")
    assert "refused" in medseg_command("info", tmp_path / "a.nii").out
    assert "2 x 4 x 5 x 6" in medseg_command("info", tmp_path / "a.nii", "--axes", "XYZC").out


@pytest.mark.real_data
def test_real_series_are_judged_with_their_reasons(medseg_command, data_dir):
    text = medseg_command("info", data_dir / "dicom" / "bad_series").out
    assert "gantry tilt" in text
    assert "slices are missing" in text
    assert str(data_dir) not in text
