"""A batch that has no place for its results says so, loses nothing, and goes on later."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from medseg_workflows.cluster import ClusterPlan
from medseg_workflows.run import BatchPlan, run_batch
from PIL import Image as PillowImage

from medseg.errors import StorageError

MODEL = "em-membranes"
PROGRAM = Path(sys.executable).parent / "medseg"


@pytest.fixture
def folder(tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    rng = np.random.default_rng(0)
    PillowImage.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(inputs / "a_small.png")
    tifffile.imwrite(inputs / "b_large.tif", rng.random((200, 200), dtype=np.float32))
    return inputs


def plan(folder, output, **changes):
    return BatchPlan(inputs=folder, model=MODEL, output=output, cluster=ClusterPlan(workers=1), **changes)


def results(output):
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.parent != output
    }


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_output_that_is_no_folder_is_refused_before_the_first_case(folder, tmp_path, place):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match=r"cannot write .*file.*: (File exists|Not a directory)\."):
        run_batch(plan(folder, tmp_path / place))
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
def test_cases_that_found_the_disk_full_are_done_when_there_is_space_again(folder, tmp_path, monkeypatch):
    output = tmp_path / "out"
    limits = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000)); "
    command = [str(PROGRAM), "batch", str(folder), "--model", MODEL, "--output", str(output), "--workers", "1"]
    launch = [sys.executable, "-c", f"{limits}os.execv({command[0]!r}, {command!r})"]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1, done.stderr
    records = {line["case_id"]: line for line in map(json.loads, (output / "ledger.jsonl").read_text().splitlines())}
    assert records["a_small"]["status"] == "done"
    assert "of voxels to the folder for temporary files" in records["b_large"]["cause"]
    assert not [path for path in output.rglob("*") if ".part." in path.name]
    first = results(output)
    summary = run_batch(plan(folder, output, resume=True))
    assert (summary.kept, summary.failed) == (1, ())
    assert results(output).items() > first.items()
    assert {"mask.tif", "objects.csv"} <= {path.name for path in (output / "b_large").iterdir()}

    def never(*_arguments):
        raise AssertionError

    # Of a finished batch nothing is done again: no worker is so much as started.
    ledger = (output / "ledger.jsonl").read_bytes()
    monkeypatch.setattr("medseg_workflows.run.connect", never)
    again = run_batch(plan(folder, output, resume=True))
    assert (again.kept, again.failed) == (2, ())
    assert (output / "ledger.jsonl").read_bytes() == ledger
