"""A batch does what it can, names what it cannot, and loses nothing when it is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from medseg_workflows.cluster import ClusterPlan
from medseg_workflows.manifest import find_cases
from medseg_workflows.predict_cohort import PredictionSettings, model_digest, predict_case
from medseg_workflows.run import BatchPlan, run_batch

import medseg
from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.inference import find_model, read_manifest

MODEL = "em-membranes"
PROGRAM = Path(sys.executable).parent / "medseg"


def _write_cells(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    affine = Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    for name in names:
        array = rng.integers(0, 255, (1, 64, 80), dtype=np.uint8)
        medseg.write_image(medseg.Image(array, affine, "CYX"), folder / name)


@pytest.fixture
def plan(folder: Path, cluster_plan: ClusterPlan) -> Callable[..., BatchPlan]:
    """Function (output) -> the batch of `folder`."""

    def make(output: Path, **changes) -> BatchPlan:
        return BatchPlan(**{"inputs": folder, "model": MODEL, "output": output, "cluster": cluster_plan, **changes})

    return make


def _results(output: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.parent != output
    }


def _ledger(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "ledger.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inputs = tmp_path / "in"
    inputs.mkdir()
    _write_cells(inputs, [f"cell_{number}.png" for number in range(6)])
    return inputs


def test_broken_images_are_named_and_the_others_done(folder, plan, tmp_path):
    whole = (folder / "cell_0.png").read_bytes()
    (folder / "broken_a.png").write_bytes(whole[: len(whole) // 2])
    (folder / "broken_b.png").write_bytes(b"not a picture")
    summary = run_batch(plan(tmp_path / "out"))
    assert [record.case_id for record in summary.failed] == ["broken_a", "broken_b"]
    assert all("broken_" in record.cause for record in summary.failed)
    assert sorted(path.name for path in (tmp_path / "out").glob("cell_*/mask.png")) == ["mask.png"] * 6
    assert (tmp_path / "out" / "summary.csv").read_text().count("failed") == 2
    assert "broken_a" in (tmp_path / "out" / "report.html").read_text()


def test_a_batch_killed_in_the_middle_and_resumed_is_the_same_as_an_unbroken_one(folder, plan, tmp_path):
    _write_cells(folder, [f"more_{number:02d}.png" for number in range(18)])
    command = [PROGRAM, "batch", folder, "--model", MODEL, "--output", tmp_path / "killed", "--workers", "2"]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    ledger = tmp_path / "killed" / "ledger.jsonl"
    deadline = time.monotonic() + 300
    while not (ledger.exists() and ledger.read_text().count("\n") >= 3) and time.monotonic() < deadline:
        assert running.poll() is None, "the batch ended before it could be killed"
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done_before = {record["case_id"] for record in _ledger(tmp_path / "killed")}
    assert 3 <= len(done_before) < 24
    # What a process that is killed while it writes leaves behind; a second kill at that very moment cannot be timed.
    for case in (tmp_path / "killed").iterdir():
        if case.is_dir() and case.name not in done_before:
            (case / ".0a1b2c3d.part.mask.png").write_bytes(b"half")
    summary = run_batch(plan(tmp_path / "killed", resume=True))
    run_batch(plan(tmp_path / "unbroken"))
    assert summary.kept == len(done_before)
    assert [record["case_id"] for record in _ledger(tmp_path / "killed")].count(next(iter(done_before))) == 1
    assert len(_ledger(tmp_path / "killed")) == 24
    assert _results(tmp_path / "killed") == _results(tmp_path / "unbroken")


def test_resuming_redoes_a_case_whose_mask_was_changed_and_no_other(plan, tmp_path):
    run_batch(plan(tmp_path / "out"))
    expected = _results(tmp_path / "out")
    (tmp_path / "out" / "cell_3" / "mask.png").write_bytes(b"damaged")
    summary = run_batch(plan(tmp_path / "out", resume=True))
    assert summary.kept == 5
    assert _results(tmp_path / "out") == expected


def test_resuming_redoes_a_case_whose_image_was_changed(folder, plan, tmp_path):
    run_batch(plan(tmp_path / "out"))
    _write_cells(folder, ["cell_9.png"])
    (folder / "cell_9.png").replace(folder / "cell_2.png")
    assert run_batch(plan(tmp_path / "out", resume=True)).kept == 5


def test_an_earlier_batch_is_never_overwritten(plan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ledger.jsonl").touch()
    with pytest.raises(InputError, match=r"holds an earlier batch. Go on with --resume"):
        run_batch(plan(tmp_path / "out"))


def test_results_inside_the_inputs_are_refused(folder, plan):
    with pytest.raises(InputError, match=r"lies inside .* so masks would become inputs"):
        run_batch(plan(folder / "masks"))


def test_a_scheduler_that_does_not_answer_is_one_clear_line(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("medseg_workflows.cluster.SECONDS_TO_CONNECT", 1)
    with pytest.raises(InputError, match=r"no Dask scheduler answers there"):
        run_batch(plan(tmp_path / "out", cluster=ClusterPlan(scheduler="tcp://127.0.0.1:9")))


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A copy of the model, to be changed."""
    return Path(shutil.copytree(find_model(MODEL), tmp_path / "model"))


def _rename_class(model: Path) -> None:
    manifest = json.loads((model / "medseg.json").read_text())
    manifest["labels"][1]["name"] = "rim"
    (model / "medseg.json").write_text(json.dumps(manifest))


def test_resuming_redoes_everything_when_the_model_declares_something_else(folder, plan, own_model, tmp_path):
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    run_batch(plan(tmp_path / "out", model=str(own_model)))
    _rename_class(own_model)
    assert run_batch(plan(tmp_path / "out", model=str(own_model), resume=True)).kept == 0
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*/case.json")]
    assert [record["labels"][1]["name"] for record in records] == ["rim", "rim"]
    assert run_batch(plan(tmp_path / "out", model=str(own_model), resume=True)).kept == 2


def test_a_model_that_is_replaced_while_the_batch_runs_makes_no_mask(folder, own_model, tmp_path):
    at_the_start = PredictionSettings(own_model, model_digest(read_manifest(own_model)), None, "cpu")
    _rename_class(own_model)
    record = predict_case(find_cases(folder)[0], at_the_start, tmp_path / "out")
    assert record.cause.endswith("was replaced while the batch ran. Go on with --resume, and leave it alone.")
    assert not list((tmp_path / "out").rglob("mask.*"))


def test_a_case_has_one_mask_also_after_another_format(folder, plan, tmp_path):
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    run_batch(plan(tmp_path / "out", mask_format="png"))
    run_batch(plan(tmp_path / "out", mask_format="tif", resume=True))
    masks = [path.relative_to(tmp_path / "out").as_posix() for path in sorted((tmp_path / "out").rglob("mask.*"))]
    assert masks == [f"cell_{number}/mask.tif" for number in range(2)]


def test_the_mask_of_an_earlier_image_is_not_scored_for_one_that_failed(folder, plan, tmp_path):
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    run_batch(plan(tmp_path / "out"))
    (folder / "cell_1.png").write_bytes(b"not a picture")
    run_batch(plan(tmp_path / "out", resume=True))
    with pytest.raises(InputError, match=r"no prediction for cell_1 "):
        medseg.evaluate(prediction=tmp_path / "out", reference=folder)
