"""`medseg predict`: which inputs become which masks."""

import csv
import json

import numpy as np
import pytest
from cases.dicom import SeriesCase
from PIL import Image as PillowImage
from scipy import ndimage

import medseg
from medseg.geometry import Affine, WorldFrame

CT_MODEL = "ct-phantom-lesions"
CELLS_MODEL = "em-membranes"


def _png(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40), dtype=np.uint8)).save(path)
    return path


def test_a_dicom_folder_is_one_image(medseg_command, tmp_path):
    SeriesCase().write(tmp_path / "ct")
    outcome = medseg_command("predict", CT_MODEL, tmp_path / "ct", "--output", tmp_path / "masks")
    assert outcome.code == 0, outcome.err
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["ct.nii.gz"]
    mask, image = medseg.read_label_map(tmp_path / "masks" / "ct.nii.gz"), medseg.read_image(tmp_path / "ct")
    assert mask.spatial_shape == image.spatial_shape
    assert mask.grid.corners_mm == pytest.approx(image.grid.corners_mm, abs=1e-3)


def test_a_mask_that_cannot_be_written_is_refused_before_the_model_runs(medseg_command, tmp_path, monkeypatch):
    def never(*_words, **_settings):
        raise AssertionError

    monkeypatch.setattr("medseg.cli.predict._predict_with_progress", never)
    SeriesCase().write(tmp_path / "ct", change=lambda dataset, k: setattr(dataset, "StudyInstanceUID", ""))
    outcome = medseg_command("predict", CT_MODEL, tmp_path / "ct", "--output", tmp_path / "mask.dcm")
    assert outcome.code == 2
    assert "[no-study-uid]" in outcome.err
    picture = medseg_command("predict", CELLS_MODEL, _png(tmp_path / "a.png"), "--output", tmp_path / "mask.dcm")
    assert "expected an image read from a DICOM series" in picture.err


def test_one_of_several_series_is_chosen_by_its_uid(medseg_command, tmp_path):
    other = "1.2.826.0.1.3680043.8.498.1.2"
    SeriesCase().write(tmp_path / "ct", name="a{k}.dcm")
    SeriesCase(series_uid=other, shape=(7, 5, 4)).write(tmp_path / "ct", name="b{k}.dcm")
    words = ("predict", CT_MODEL, tmp_path / "ct", "--output", tmp_path / "mask.nii.gz")
    refused = medseg_command(*words)
    assert refused.code == 2
    assert "--series" in refused.err
    assert other in refused.err
    assert medseg_command(*words, "--series", other).code == 0
    assert medseg.read_label_map(tmp_path / "mask.nii.gz").spatial_shape == (7, 5, 4)


def test_a_folder_of_images_becomes_a_folder_of_masks(medseg_command, tmp_path):
    _png(tmp_path / "in" / "a.png")
    _png(tmp_path / "in" / "b.png")
    outcome = medseg_command("predict", CELLS_MODEL, tmp_path / "in", "--output", tmp_path / "out", "--format", "tif")
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.tif"]
    assert "Research use only" in outcome.err
    assert [line.split()[0] for line in outcome.out.splitlines()] == [
        str(tmp_path / "out" / name) for name in ("a.tif", "b.tif")
    ]


def test_a_coarser_level_gets_a_mask_on_its_own_grid(medseg_command, tmp_path):
    affine = Affine([[0, 0.5, 0], [0.25, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    array = np.random.default_rng(0).integers(0, 255, (1, 300, 256), dtype=np.uint8)
    medseg.write_image(medseg.Image(array, affine, "CYX"), tmp_path / "cells.ome.zarr")
    words = ("predict", CELLS_MODEL, tmp_path / "cells.ome.zarr", "--output", tmp_path / "mask.tif", "--level")
    outcome = medseg_command(*words, 1)
    assert outcome.code == 0, outcome.err
    mask = medseg.read_label_map(tmp_path / "mask.tif")
    assert mask.spatial_shape == (150, 256)  # rows of 0.25 mm are halved, columns of 0.5 mm are not
    assert mask.spacing_mm == pytest.approx((0.5, 0.5))
    refused = medseg_command(*words, 9)
    assert refused.code == 2
    assert "expected a level between 0 and" in refused.err


def test_a_mask_is_like_its_image_where_no_format_is_asked_for(medseg_command, tmp_path):
    source = _png(tmp_path / "in" / "a.png")
    assert medseg_command("predict", CELLS_MODEL, source, "--output", tmp_path / "out").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_several_models_give_the_mean_of_their_probabilities(medseg_command, tmp_path):
    source = _png(tmp_path / "in.png")
    names = {"one": CELLS_MODEL, "two": f"{CELLS_MODEL},{CELLS_MODEL}"}
    for name, model in names.items():
        words = ("predict", model, source, "--output", tmp_path / f"{name}.tif")
        outcome = medseg_command(*words, "--probabilities", tmp_path / f"{name}_p.tif")
        assert outcome.code == 0, outcome.err
        assert outcome.err.count("Research use only") == 1
    one, two = (medseg.read_image(tmp_path / f"{name}_p.tif").array for name in names)
    # The mean of a model with itself is the model.
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_models_of_different_classes_are_refused(medseg_command, tmp_path):
    words = ("predict", f"{CELLS_MODEL},{CT_MODEL}", _png(tmp_path / "in.png"), "--output", tmp_path / "mask.png")
    outcome = medseg_command(*words)
    assert outcome.code == 2
    assert "the models have different classes" in outcome.err
    assert not (tmp_path / "mask.png").exists()


def test_objects_are_written_as_a_table_or_as_cocos_json(medseg_command, tmp_path):
    # Dark membranes around bright cells.
    picture = np.full((96, 96), 190, np.uint8)
    picture[::24], picture[1::24], picture[:, ::24], picture[:, 1::24] = 30, 30, 30, 30
    source = tmp_path / "a.png"
    PillowImage.fromarray(picture).save(source)
    words = ("predict", CELLS_MODEL, source, "--output", tmp_path / "mask.png", "--objects")
    assert medseg_command(*words, tmp_path / "a.csv").code == 0
    assert medseg_command(*words, tmp_path / "a.json").code == 0
    assert medseg_command(*words, tmp_path / "tables").code == 0
    mask = medseg.read_label_map(tmp_path / "mask.png")
    regions, count = ndimage.label(mask.array, structure=np.ones((3, 3)))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [int(row["voxels"]) for row in rows] == np.bincount(regions.ravel())[1:].tolist()
    assert len(rows) == count > 0
    assert (tmp_path / "tables" / "a.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    content = json.loads((tmp_path / "a.json").read_text())
    assert [entry["file_name"] for entry in content["images"]] == ["a.png"]
    assert [entry["area"] for entry in content["annotations"]] == [int(row["voxels"]) for row in rows]


def test_objects_of_several_images_go_to_a_folder_and_other_endings_are_refused(medseg_command, tmp_path):
    for name in ("a.png", "b.png"):
        _png(tmp_path / "in" / name)
    words = ("predict", CELLS_MODEL, tmp_path / "in", "--output", tmp_path / "out", "--objects")
    refused = medseg_command(*words, tmp_path / "all.csv")
    assert (refused.code, "expected a folder for 2 images" in refused.err) == (2, True)
    refused = medseg_command(*words, tmp_path / "all.xlsx")
    assert (refused.code, "objects are written as .csv or .json" in refused.err) == (2, True)
    assert not (tmp_path / "out").exists()
    assert medseg_command(*words, tmp_path / "tables").code == 0
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["a.csv", "b.csv"]
