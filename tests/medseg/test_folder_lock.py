"""Two runs never write to one folder at once; a run that died lets go of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medseg.errors import InputError, StorageError
from medseg.folder_lock import HOLDER_NAME, LOCK_NAME, Holder, one_run_at_a_time

HOLD = """
import sys
from pathlib import Path
from medseg.folder_lock import one_run_at_a_time
with one_run_at_a_time(Path(sys.argv[1]), say=print):
    print("ready", flush=True)
    sys.stdin.readline()
"""


class Running:
    """A process that holds a folder until its input ends."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", HOLD, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> subprocess.Popen:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_a_second_process_is_told_who_runs_there(tmp_path):
    folder = tmp_path / "out"
    with Running(folder) as first:
        line = rf"out: another run writes here: process {first.pid} on .*, started 20.*\. Wait for its end"
        with pytest.raises(InputError, match=line), one_run_at_a_time(folder, say=pytest.fail):
            pytest.fail("two at once")
        first.communicate("\n", timeout=60)
        assert first.returncode == 0
    with one_run_at_a_time(folder, say=pytest.fail):
        assert Holder(**json.loads((folder / HOLDER_NAME).read_text())).pid == os.getpid()


def test_the_folder_of_a_killed_process_is_taken_over_with_a_line(tmp_path):
    said: list[str] = []
    with Running(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=60)
        with one_run_at_a_time(tmp_path, say=said.append):
            pass
    assert len(said) == 1
    assert f"(process {first.pid} on " in said[0]
    assert "taken over" in said[0]
    assert not (tmp_path / HOLDER_NAME).exists()


def test_a_run_on_another_host_is_believed_and_the_way_out_named(tmp_path):
    holder = tmp_path / HOLDER_NAME
    holder.write_text(json.dumps({"host": "another-host", "pid": 7, "started": "2026-01-02T03:04:05+00:00"}))
    line = r"process 7 on another-host, started 2026-01-02T03:04:05\+00:00, may still write here; .* delete .*running"
    with pytest.raises(InputError, match=line), one_run_at_a_time(tmp_path, say=pytest.fail):
        pytest.fail("two at once")
    holder.unlink()
    with one_run_at_a_time(tmp_path, say=pytest.fail):
        pass


def test_a_holder_that_cannot_be_read_stops_nobody(tmp_path):
    (tmp_path / HOLDER_NAME).write_text('{"host": "half')
    with one_run_at_a_time(tmp_path, say=pytest.fail):
        assert json.loads((tmp_path / HOLDER_NAME).read_text())["pid"] == os.getpid()


def test_the_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(KeyError), one_run_at_a_time(tmp_path, say=pytest.fail):
        raise KeyError
    with one_run_at_a_time(tmp_path, say=pytest.fail):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]


def test_a_new_folder_in_which_nothing_was_written_is_not_left_behind(tmp_path):
    with one_run_at_a_time(tmp_path / "a" / "b", say=pytest.fail):
        pass
    assert list((tmp_path / "a").iterdir()) == []


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "out").write_text("a file")
    line = r"cannot lock .*out: File exists\. Choose"
    with pytest.raises(StorageError, match=line), one_run_at_a_time(tmp_path / "out", say=pytest.fail):
        pytest.fail("no folder")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_that_outlives_the_run_does_not_keep_the_lock(tmp_path):
    read, write = os.pipe()
    with one_run_at_a_time(tmp_path, say=pytest.fail):
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    try:
        with one_run_at_a_time(tmp_path, say=pytest.fail):
            pass
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
