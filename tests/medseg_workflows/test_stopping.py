"""A batch that is told to stop, or that meets another one, ends with one line and can be gone on with."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from medseg_workflows.run import BatchPlan, run_batch

import medseg
from medseg.cli.stopping import stopped_by_signals
from medseg.errors import InputError
from medseg.folder_lock import HOLDER_NAME, one_run_at_a_time
from medseg.geometry import Affine, WorldFrame

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

MODEL = "em-membranes"
PROGRAM = Path(sys.executable).parent / "medseg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inputs = tmp_path / "in"
    inputs.mkdir()
    rng = np.random.default_rng(0)
    affine = Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
    for number in range(40):
        array = rng.integers(0, 255, (1, 64, 80), dtype=np.uint8)
        medseg.write_image(medseg.Image(array, affine, "CYX"), inputs / f"cell_{number:02d}.png")
    return inputs


def _cases_said_to_be_done(errors: str) -> int:
    (count,) = re.findall(r"^note: (\d+) of 40 cases are done; go on with --resume\.$", errors, re.MULTILINE)
    return int(count)


def _possible_counts(output: Path) -> tuple[int, int]:
    """The signal may come while the last line is on its way to the disk."""
    lines = (output / "ledger.jsonl").read_text().count("\n")
    return lines - 1, lines


def _wait_for_two_cases(output: Path) -> None:
    ledger = output / "ledger.jsonl"
    deadline = time.monotonic() + 300
    while not (ledger.exists() and ledger.read_text().count("\n") >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_batch_stopped_in_a_terminal_leaves_whole_files_and_a_folder_that_is_free(folder, tmp_path):
    output = tmp_path / "out"
    command = [PROGRAM, "batch", folder, "--model", MODEL, "--output", output]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    _wait_for_two_cases(output)
    with pytest.raises(InputError, match=rf"another run writes here: process {running.pid} on .*, started 20"):
        run_batch(BatchPlan(folder, MODEL, output, resume=True))
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130, errors
    assert "medseg: stopped by SIGINT.\n" in errors
    assert "Traceback" not in errors
    assert (output / "ledger.jsonl").read_text().endswith("\n")
    assert _cases_said_to_be_done(errors) in _possible_counts(output)
    assert list(output.rglob(".*.part.*")) == []
    assert not (output / HOLDER_NAME).exists()


def test_a_batch_that_is_told_to_end_says_how_to_go_on(folder, cluster_plan, tmp_path, capfd):
    output = tmp_path / "out"

    def end() -> None:
        _wait_for_two_cases(output)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=end)
    watcher.start()
    with pytest.raises(SystemExit) as stop, stopped_by_signals():
        run_batch(BatchPlan(folder, MODEL, output, cluster=cluster_plan))
    watcher.join()
    assert stop.value.code == 143
    errors = capfd.readouterr().err
    assert "medseg: stopped by SIGTERM.\n" in errors
    assert _cases_said_to_be_done(errors) in _possible_counts(output)
    assert not (output / HOLDER_NAME).exists()


def test_a_second_batch_in_the_same_folder_is_refused(folder, tmp_path):
    output = tmp_path / "out"
    with one_run_at_a_time(output, say=pytest.fail):
        with pytest.raises(InputError, match=rf"another run writes here: process {os.getpid()} on .*Wait for its end"):
            run_batch(BatchPlan(folder, MODEL, output))
        assert not (output / "ledger.jsonl").exists()
