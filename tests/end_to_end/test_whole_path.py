"""The whole path through the command line: train, segment what was not seen, score, report; and a CT series."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import medseg
from medseg.cli.main import _build_app
from medseg.datasets import open_dataset

DATA = {"size": 96, "train_cases": 4, "validation_cases": 2, "test_cases": 2, "mean_radius_voxel": 9}
SETTINGS = (
    "data.options={size: 96, train_cases: 4, validation_cases: 2, test_cases: 2, mean_radius_voxel: 9}",
    "transforms.patch_size=[64, 64]",
    "model.options={width: 8, depth: 3}",
    "training.steps=60",
    "training.steps_per_epoch=30",
    "training.schedule={warmup_steps: 5}",
    "training.optimiser.lr=0.01",
    "training.ema_decay=null",
)


def _medseg(*words: object) -> str:
    """What the command prints; its errors are raised."""
    result = CliRunner().invoke(_build_app(), [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("whole_path")


@pytest.fixture(scope="module")
def run(folder) -> Path:
    """A training that has learnt something, in seconds."""
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    words = ("train", "phantom_cells", "--data", folder / "cells", "--output", folder / "run", "--device", "cpu")
    printed = _medseg(*words, "--quiet", *settings)
    assert printed.splitlines()[0] == str(folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def unseen(folder, run) -> list[Path]:
    """Images of the test cases."""
    dataset = open_dataset("phantom_cells", root=folder / "cells", options=DATA)
    return [case.image.path for case in dataset.cases() if case.case_id in dataset.splits().test]


def test_a_training_leaves_everything_that_the_next_steps_need(run):
    names = ("config.yaml", "splits.json", "log.csv", "metrics.json", "report.html", "best/medseg.json")
    assert [name for name in names if not (run / name).is_file()] == []
    assert len(list((run / "validation").glob("*.tif"))) == DATA["validation_cases"]
    summary = json.loads((run / "metrics.json").read_text())["summary"]
    assert summary["mean_dice"]["value"] > 0.8


def test_an_unseen_image_gets_its_mask_on_its_own_grid(run, unseen, folder):
    mask, overlay, probabilities = folder / "one.tif", folder / "one.png", folder / "probabilities.tif"
    words = ("--output", mask, "--overlay", overlay, "--probabilities", probabilities, "--device", "cpu")
    assert str(mask) in _medseg("predict", run / "best", unseen[0], *words)
    image, found = medseg.read_image(unseen[0]), medseg.read_label_map(mask)
    assert found.grid == image.grid
    assert set(np.unique(found.array)) <= {0, 1}
    assert overlay.read_bytes().startswith(b"\x89PNG")
    shares = medseg.read_image(probabilities)
    assert shares.grid == image.grid
    assert shares.array.sum(axis=0) == pytest.approx(1.0, abs=1e-4)
    assert np.array_equal(shares.array[1] > shares.array[0], found.array == 1)


def test_a_folder_of_images_gets_a_folder_of_masks(run, unseen, folder):
    for number, path in enumerate(unseen):
        (folder / "images").mkdir(exist_ok=True)
        (folder / "images" / f"case_{number}.tif").write_bytes(path.read_bytes())
        (folder / "truth").mkdir(exist_ok=True)
        (folder / "truth" / f"case_{number}.tif").write_bytes((path.parent / "labels.tif").read_bytes())
    _medseg("predict", run, folder / "images", "--output", folder / "masks", "--device", "cpu")
    assert sorted(path.name for path in (folder / "masks").iterdir()) == ["case_0.tif", "case_1.tif"]


def test_masks_are_scored_with_a_table_a_file_and_a_page(folder):
    files = {name: folder / f"scores.{name}" for name in ("json", "csv", "html")}
    masks = ("--prediction", folder / "masks", "--reference", folder / "truth", "--images", folder / "images")
    writing = ("--output", files["json"], "--csv", files["csv"], "--report", files["html"])
    printed = _medseg("evaluate", *masks, *writing)
    content = json.loads(files["json"].read_text())
    assert "Dice" in printed
    with files["csv"].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["case_id"] for row in rows] == ["case_0", "case_1"]
    # The mean over the cases, from the masks themselves and by the definition of Dice.
    dice = []
    for row in rows:
        truth, mask = (tifffile.imread(folder / part / f"{row['case_id']}.tif") > 0 for part in ("truth", "masks"))
        dice.append(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
        assert float(row["mean_dice"]) == pytest.approx(dice[-1])
    assert content["summary"]["mean_dice"]["value"] == pytest.approx(np.mean(dice))
    assert files["html"].read_text().count("data:image/") == 2


def test_scoring_the_validation_masks_reproduces_the_figures_of_the_run(run, folder):
    (folder / "validation_truth").mkdir()
    for mask in (run / "validation").glob("*.tif"):
        truth = folder / "cells" / mask.stem / "labels.tif"
        (folder / "validation_truth" / mask.name).write_bytes(truth.read_bytes())
    masks = ("--prediction", run / "validation", "--reference", folder / "validation_truth")
    again = json.loads(_medseg("evaluate", *masks, "--no-surfaces", "--json"))
    written = json.loads((run / "metrics.json").read_text())
    # A TIFF does not name its classes: what the run calls a cell is class 1 here.
    expected = {key.replace("/cell", "/class 1"): score["value"] for key, score in written["summary"].items()}
    assert {key: score["value"] for key, score in again["summary"].items()} == pytest.approx(expected, rel=1e-12)


def test_the_report_can_be_written_anew_byte_for_byte(run):
    first = (run / "report.html").read_bytes()
    assert _medseg("report", run).strip() == str(run / "report.html")
    assert (run / "report.html").read_bytes() == first


def test_a_generated_ct_series_is_described(folder):
    options = {"train_cases": 1, "validation_cases": 0, "test_cases": 0, "format": "dicom", "shape": [64, 64, 16]}
    (case,) = open_dataset("phantom_ct", root=folder / "ct", options=options).cases()
    (entry,) = json.loads(_medseg("info", case.image.path, "--json"))
    assert entry["verdict"] == "ok"
    assert entry["shape"] == [1, 64, 64, 16]
    assert entry["modality"] == "CT"
    assert entry["orientation"] == "LPS"
    assert "64 x 64 x 16" in _medseg("info", case.image.path)


def test_the_installed_program_does_the_same_as_the_functions(run, unseen, folder):
    program = Path(sys.executable).parent / "medseg"
    command = [program, "predict", run, unseen[0], "--output", folder / "again.tif", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stderr
    assert np.array_equal(tifffile.imread(folder / "again.tif"), tifffile.imread(folder / "one.tif"))


@pytest.mark.real_data
def test_scoring_a_stack_of_membranes_reproduces_the_figures_of_the_run(data_dir, folder):
    data, run = data_dir / "isbi2012", folder / "membranes"
    settings = (
        "model.options={width: 4, depth: 3}",
        "transforms.patch_size=[64, 64]",
        "training.steps=4",
        "training.steps_per_epoch=4",
        "training.batch_size=2",
        "training.schedule={warmup_steps: 0}",
        "inference.mirror=false",
    )
    words = [word for setting in settings for word in ("--set", setting)]
    training = ("train", "isbi2012_unet", "--profile", "cpu", "--device", "cpu", "--quiet")
    _medseg(*training, "--data", data, "--output", run, *words)
    _medseg("predict", run, data / "train-volume.tif", "--output", folder / "membranes.tif", "--device", "cpu")
    masks = ("--prediction", folder / "membranes.tif", "--reference", data / "train-labels.tif")
    again = json.loads(_medseg("evaluate", *masks, "--task", "isbi2012", "--slices", "20-23", "--json"))["summary"]
    written = json.loads((run / "metrics.json").read_text())["summary"]
    assert {key: score["value"] for key, score in again.items()} == pytest.approx(
        {key: score["value"] for key, score in written.items()}, nan_ok=True
    )
