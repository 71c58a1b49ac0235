"""A command that is told to stop ends with the exit code that shells expect, and leaves nothing half done."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

WAITS = """
import sys, time
from pathlib import Path
from medseg.cli.stopping import stopped_by_signals
from medseg.files import atomic_path
with stopped_by_signals(), atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(600)
"""
GOES_ON = """
import time
from medseg.cli.stopping import exit_code
from medseg.errors import Cancelled
from medseg.training.interruption import stop_requests
try:
    with stop_requests(None) as is_asked:
        print("ready", flush=True)
        while not is_asked():
            time.sleep(0.01)
        raise Cancelled("stopped at step 3.")
except Cancelled as error:
    print(error, exit_code(error.signal_number))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_file_in_the_middle_of_its_writing_is_dropped(number, tmp_path):
    command = [sys.executable, "-c", WAITS, str(tmp_path / "mask.nii.gz")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert errors == f"medseg: stopped by {number.name}.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_stops_at_a_moment_of_its_own_says_which_signal_asked(number):
    running = subprocess.Popen([sys.executable, "-c", GOES_ON], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    out, _ = running.communicate(timeout=60)
    assert out == f"stopped at step 3. {128 + number}\n"
