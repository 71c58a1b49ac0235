"""A batch that has no place for its results says so, loses nothing, and goes on later."""

import json
import os
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
from medseg_workflows.run import BatchPlan, run_batch
from PIL import Image as PillowImage

from medseg.errors import StorageError
from medseg.io import isolated
from medseg.io.isolated import ReadingProcess

MODEL = "em-membranes"


@pytest.fixture
def folder(tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    rng = np.random.default_rng(0)
    PillowImage.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(inputs / "a_small.png")
    tifffile.imwrite(inputs / "b_large.tif", rng.random((200, 200), dtype=np.float32))
    return inputs


@pytest.fixture
def plan(folder, cluster_plan):
    def make(output, **changes):
        return BatchPlan(inputs=folder, model=MODEL, output=output, cluster=cluster_plan, **changes)

    return make


@contextmanager
def no_file_above(size, monkeypatch):
    """As a full disk, for this process and the one that reads, which starts anew."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with ReadingProcess() as process, monkeypatch.context() as patch:
            patch.setattr(isolated, "_OWN", {os.getpid(): process})
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def results(output):
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.parent != output
    }


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_output_that_is_no_folder_is_refused_before_the_first_case(plan, tmp_path, place):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match=r"cannot write .*file.*: (File exists|Not a directory)\."):
        run_batch(plan(tmp_path / place))
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
def test_cases_that_found_the_disk_full_are_done_when_there_is_space_again(plan, tmp_path, monkeypatch):
    output = tmp_path / "out"
    with no_file_above(120_000, monkeypatch):
        run_batch(plan(output))
    records = {line["case_id"]: line for line in map(json.loads, (output / "ledger.jsonl").read_text().splitlines())}
    assert records["a_small"]["status"] == "done"
    assert "of voxels to the folder for temporary files" in records["b_large"]["cause"]
    assert not [path for path in output.rglob("*") if ".part." in path.name]
    first = results(output)
    summary = run_batch(plan(output, resume=True))
    assert (summary.kept, summary.failed) == (1, ())
    assert results(output).items() > first.items()
    assert {"mask.tif", "objects.csv"} <= {path.name for path in (output / "b_large").iterdir()}

    def never(*_arguments):
        raise AssertionError

    # Of a finished batch nothing is done again: no worker is so much as started.
    ledger = (output / "ledger.jsonl").read_bytes()
    monkeypatch.setattr("medseg_workflows.run.connect", never)
    again = run_batch(plan(output, resume=True))
    assert (again.kept, again.failed) == (2, ())
    assert (output / "ledger.jsonl").read_bytes() == ledger
