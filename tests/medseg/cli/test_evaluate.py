"""`medseg evaluate` from the command line."""

import json

import numpy as np
import pytest
import tifffile


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.asarray(array, dtype=np.uint16), photometric="minisblack", metadata={"axes": "YX"})


def objects(*starts):
    array = np.zeros((32, 32))
    for number, start in enumerate(starts, start=1):
        array[start : start + 6, 4:10] = number
    return array


@pytest.fixture
def folders(tmp_path):
    """References of three patients; `ours` finds all objects, `theirs` misses one a case."""
    for name in ("a", "b", "c"):
        write(tmp_path / "truth" / f"{name}.tif", objects(2, 14))
        write(tmp_path / "ours" / f"{name}.tif", objects(2, 14))
        write(tmp_path / "theirs" / f"{name}.tif", objects(2))
    return tmp_path


def test_two_models_are_compared_with_report_json_and_csv(medseg_command, folders):
    words = ["evaluate", "--task", "instances", "--reference", folders / "truth", "--prediction", folders / "ours"]
    outputs = {name: folders / f"scores.{name}" for name in ("json", "csv", "html")}
    words += ["--against", folders / "theirs", "--output", outputs["json"], "--csv", outputs["csv"]]
    outcome = medseg_command(*words, "--report", outputs["html"])
    assert outcome.code == 0, outcome.err
    assert "Compared with" in outcome.out
    assert f"Look at {outputs['html']}" in outcome.err
    content = json.loads(outputs["json"].read_text())
    assert content["summary"]["object_recall"]["value"] == 1.0
    assert content["comparison"]["scores"]["object_recall"]["difference"] == pytest.approx(0.5)
    assert outputs["csv"].read_text().splitlines()[0].startswith("case_id,panoptic_quality")
    page = outputs["html"].read_text()
    assert "<h2>Comparison</h2>" in page
    assert page.count("data:image/") == 3


def test_a_sequence_of_the_cell_tracking_challenge_is_scored_with_its_frames(medseg_command, tmp_path):
    for frame in range(2):
        write(tmp_path / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif", objects(2, 14))
        write(tmp_path / "01_RES" / f"mask{frame:03d}.tif", objects(2, 14) if frame else objects(2))
    words = ("evaluate", "--task", "ctc", "--reference", tmp_path / "01_GT", "--prediction", tmp_path / "01_RES")
    outcome = medseg_command(*words, "--json", "--report", tmp_path / "scores.html")
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert content["summary"]["ctc_seg"]["value"] == pytest.approx(3 / 4)
    assert [(case["case_id"], case["scores"]["ctc_seg"]) for case in content["cases"]] == [("t000", 0.5), ("t001", 1.0)]
    assert (tmp_path / "scores.html").read_text().count("data:image/") == 2


def test_tables_of_labels_and_patients_are_read(medseg_command, folders):
    (folders / "labels.csv").write_text("value,name\n1,upper\n2,lower\n")
    (folders / "patients.csv").write_text("case_id,patient\na,A\nb,A\nc,C\n")
    words = ["evaluate", "--reference", folders / "truth", "--prediction", folders / "theirs", "--json"]
    outcome = medseg_command(*words, "--labels", folders / "labels.csv", "--patients", folders / "patients.csv")
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert content["summary"]["dice/lower"]["value"] == 0.0
    assert content["presence"]["lower"] == {"both": 0, "missed": 3, "false": 0, "neither": 0}
    assert [case["patient"] for case in content["cases"]] == ["A", "A", "C"]
