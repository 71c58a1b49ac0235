"""Generated cases on disk: whole or not at all, made once, never mixed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from medseg.datasets.generated import ensure_cases, make_plans
from medseg.errors import InputError, StorageError


def _write(plan, folder):
    (folder / "value.txt").write_text(str(plan.rng(3).integers(10**9)))


def _values(root):
    return {path.parent.name: path.read_text() for path in root.glob("*/value.txt")}


def test_only_missing_cases_are_made(tmp_path):
    plans, _ = make_plans(train=2, validation=1, test=0)
    ensure_cases(tmp_path, plans, settings={"seed": 3}, write_case=_write)
    (tmp_path / "train_000" / "value.txt").write_text("kept")
    plans, _ = make_plans(train=3, validation=1, test=0)
    made = []
    ensure_cases(tmp_path, plans, settings={"seed": 3}, write_case=lambda plan, folder: made.append(plan.case_id))
    assert made == ["train_002"]
    assert _values(tmp_path)["train_000"] == "kept"


def test_more_training_cases_change_none_of_the_others(tmp_path):
    for name, count in (("few", 1), ("many", 5)):
        plans, _ = make_plans(train=count, validation=2, test=1)
        ensure_cases(tmp_path / name, plans, settings={}, write_case=_write)
    few, many = _values(tmp_path / "few"), _values(tmp_path / "many")
    assert few.items() <= many.items()
    assert len(set(many.values())) == 8


def test_a_case_that_fails_leaves_nothing_behind(tmp_path):
    plans, _ = make_plans(train=2, validation=0, test=0)

    def fail(plan, folder):
        _write(plan, folder)
        if plan.case_id == "train_001":
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"cannot write .*train_001: No space left on device. Free some space"):
        ensure_cases(tmp_path, plans, settings={}, write_case=fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "train_000"]


_KILLED = """
import sys
import time
from pathlib import Path
from medseg.datasets import open_dataset
from medseg.io.dicom import writer
from medseg.datasets import phantom_ct
root = Path(sys.argv[1])
def slow(image, folder, **rest):
    writer.write_series(image, folder, **rest)
    print("half", flush=True)
    time.sleep(60)
phantom_ct.write_series = slow
open_dataset("phantom_ct", root=root, options=%r)
"""


def test_a_killed_generation_counts_as_not_done_and_is_made_again(tmp_path):
    from medseg.datasets import open_dataset, read_case

    options = {"train_cases": 1, "validation_cases": 0, "test_cases": 0, "shape": [48, 48, 8], "spacing_mm": [8, 8, 20]}
    process = subprocess.Popen([sys.executable, "-c", _KILLED % options, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert all(name.startswith(".part-") for name in left)
    assert left
    os.utime(tmp_path / left[0], (time.time() - 7200,) * 2)
    dataset = open_dataset("phantom_ct", root=tmp_path, options=options)
    image, _ = read_case(dataset.cases()[0])
    assert image.array.shape == (1, 48, 48, 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "train_000"]


def test_a_case_that_another_process_finished_first_is_taken(tmp_path):
    plans, _ = make_plans(train=1, validation=0, test=0)

    def overtaken(plan, folder):
        _write(plan, folder)
        (tmp_path / plan.case_id).mkdir()
        (tmp_path / plan.case_id / "value.txt").write_text("theirs")

    ensure_cases(tmp_path, plans, settings={}, write_case=overtaken)
    assert _values(tmp_path) == {"train_000": "theirs"}
    assert not list(tmp_path.glob(".part-*"))


def test_cases_of_other_settings_are_not_mixed(tmp_path):
    plans, _ = make_plans(train=1, validation=0, test=0)
    ensure_cases(tmp_path, plans, settings={"seed": 3, "size": [4, 5]}, write_case=_write)
    ensure_cases(tmp_path, plans, settings={"seed": 3, "size": (4, 5)}, write_case=_write)
    with pytest.raises(InputError, match=r"holds generated cases with seed = 3, and 4 is asked for. Choose another"):
        ensure_cases(tmp_path, plans, settings={"seed": 4, "size": [4, 5]}, write_case=_write)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.docx").write_text("")
    plans, _ = make_plans(train=1, validation=0, test=0)
    with pytest.raises(InputError, match="expected an empty or new folder for generated cases"):
        ensure_cases(tmp_path, plans, settings={}, write_case=_write)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
