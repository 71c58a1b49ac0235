"""Batches with --deidentify: no result names a path or a file; the list beside the key does."""

import csv
from pathlib import Path

import numpy as np
import pytest
from medseg_workflows.concealment import key_of, write_case_list
from medseg_workflows.run import BatchPlan, run_batch
from PIL import Image as PillowImage

from medseg.errors import InputError

KEY = b"sixteen bytes or more"


def _picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40), dtype=np.uint8)).save(path)
    return path


def test_no_result_names_the_patients_folder_or_file(cluster_plan, tmp_path):
    inputs = tmp_path / "in"
    _picture(inputs / "Smith_John" / "Smith_eye.png")
    broken = inputs / "Smith_John" / "Smith_broken.png"
    broken.write_bytes(b"not a picture")
    output = tmp_path / "out"
    plan = BatchPlan(inputs=inputs, model="em-membranes", output=output, key=KEY, cluster=cluster_plan)
    summary = run_batch(plan)
    assert len(summary.failed) == 1
    assert "expected a PNG" in summary.failed[0].cause
    for path in [output, *output.rglob("*")]:
        assert "Smith" not in path.name
        assert not path.is_file() or b"Smith" not in path.read_bytes(), path
    assert "Smith" not in summary.table()


def test_the_list_beside_the_key_says_which_case_is_which(tmp_path):
    source = _picture(tmp_path / "in" / "Smith.png")
    path = write_case_list(tmp_path / "my.key", tmp_path / "in", key=KEY, allow=())
    assert path == tmp_path / "my.key.cases.csv"
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert row["source"] == str(source)
    assert len(row["case"]) == 16


def test_a_key_is_made_where_there_is_none_and_then_kept(tmp_path):
    key = key_of(tmp_path / "my.key", output=tmp_path / "out", is_wanted=True)
    assert key_of(tmp_path / "my.key", output=tmp_path / "out", is_wanted=True) == key


@pytest.mark.parametrize(
    ("name", "is_wanted", "match"),
    [(None, True, "expected --key-file"), ("my.key", False, "serves --deidentify only"), ("out/k", True, "elsewhere")],
)
def test_wish_and_key_belong_together_and_the_key_elsewhere(tmp_path, name, is_wanted, match):
    path = None if name is None else tmp_path / name
    with pytest.raises(InputError, match=match):
        key_of(path, output=tmp_path / "out", is_wanted=is_wanted)


def test_a_dicom_segmentation_would_repeat_the_patient(tmp_path):
    _picture(tmp_path / "in" / "a.png")
    plan = BatchPlan(inputs=tmp_path / "in", model="em-membranes", output=tmp_path / "out", key=KEY, mask_format="dcm")
    with pytest.raises(InputError, match="medseg deidentify"):
        run_batch(plan)
