"""In a batch, a reader that hangs, crashes or eats memory costs its own case, with the cause in the record."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from medseg_workflows.ledger import DONE, FAILED
from medseg_workflows.manifest import CaseJob, find_cases
from medseg_workflows.predict_cohort import PredictionSettings, model_digest, predict_case

import medseg
from medseg.geometry import Affine, WorldFrame
from medseg.inference import find_model, read_manifest
from medseg.io import isolated
from medseg.io.isolated import ReadingLimits, ReadingProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")

MODEL = "em-membranes"


@pytest.fixture
def settings() -> PredictionSettings:
    folder = find_model(MODEL)
    limits = ReadingLimits(max_seconds=1, max_bytes=2**28)
    return PredictionSettings(folder, model_digest(read_manifest(folder)), None, "cpu", limits)


@pytest.mark.parametrize(
    ("reader", "cause"),
    [("hang", "did not end within 1 s"), ("crash", "SIGSEGV"), ("abort", "SIGABRT"), ("exit", "exit code 3")],
)
def test_a_case_whose_reader_fails_badly_is_one_failed_record(reader, cause, settings, tmp_path, monkeypatch):
    with ReadingProcess(reader="support.bad_readers:read") as process:
        monkeypatch.setattr(isolated, "_OWN", {os.getpid(): process})
        (tmp_path / f"{reader}.png").write_bytes(b"whatever")
        record = predict_case(_job(tmp_path / f"{reader}.png"), settings, tmp_path / "out")
    assert record.status == FAILED
    assert cause in record.cause
    assert f"{reader}.png" in record.cause


def _job(path: Path) -> CaseJob:
    (job,) = find_cases(path)
    return job


def test_cases_go_on_after_an_image_beyond_the_memory_of_one(settings, tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    affine = Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    rng = np.random.default_rng(0)
    for name, side in (("a_small", 64), ("b_huge", 4000), ("c_small", 64)):
        array = rng.integers(0, 255, (1, side, side), dtype=np.uint8)
        medseg.write_image(medseg.Image(array, affine, "CYX"), inputs / f"{name}.png")
    limited = replace(settings, reading=ReadingLimits(max_bytes=8 * 2**20))  # b_huge is 16 MB
    records = [predict_case(job, limited, tmp_path / "out") for job in find_cases(inputs)]
    assert [record.status for record in records] == [DONE, FAILED, DONE]
    assert "over-budget" in records[1].cause


def test_what_reading_may_cost_does_not_make_another_result(settings, tmp_path):
    (tmp_path / "a.png").write_bytes(b"whatever")
    job = _job(tmp_path / "a.png")
    assert settings.key(job) == replace(settings, reading=ReadingLimits(max_seconds=7)).key(job)
