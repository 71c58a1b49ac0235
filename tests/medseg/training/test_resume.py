"""A run that is killed and resumed ends with the same bytes as an unbroken one."""

import itertools
import json
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from medseg.errors import Cancelled
from medseg.training.fit import fit

CHILD = """
import json, sys
from pathlib import Path
from medseg.config import TrainingRecipe
from medseg.training.fit import fit
recipe = TrainingRecipe.model_validate(json.loads(Path(sys.argv[1]).read_text()))
run = Path(sys.argv[3])
fit(recipe, data_dir=Path(sys.argv[2]), run_dir=run, resume=run.exists(), device="cpu")
"""


def kill_after_first_checkpoint(recipe_file, data_dir, run, *, wait):
    """Start or resume a run in a process of its own and SIGKILL it `wait` seconds after it wrote a checkpoint."""
    last = run / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns if last.exists() else None
    arguments = [sys.executable, "-c", CHILD, str(recipe_file), str(data_dir), str(run)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if last.exists() and last.stat().st_mtime_ns != before:
            break
        time.sleep(0.005)
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode in {-signal.SIGKILL, 0}, errors


def assert_same_run(whole, broken):
    for name in ("best/models/model.safetensors", "log.csv", "metrics.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    mine, theirs = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, broken))
    assert mine["state"] == theirs["state"]
    for part in ("network", "average"):
        assert mine[part].keys() == theirs[part].keys()
        assert all(torch.equal(mine[part][name], theirs[part][name]) for name in mine[part])


def test_a_run_killed_twice_at_random_moments_ends_with_the_bytes_of_an_unbroken_one(cells_dir, tiny_recipe, tmp_path):
    recipe = tiny_recipe(steps=60, steps_per_epoch=3, precision="fp32")
    recipe_file = tmp_path / "recipe.json"
    recipe_file.write_text(json.dumps(recipe.model_dump(mode="json")))
    whole = fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "whole", device="cpu", quiet=True)
    # The moment is random on purpose; the seed of a failure stands in its message.
    seed = time.time_ns()
    rng = random.Random(seed)
    broken = tmp_path / "broken"
    for _ in range(2):
        kill_after_first_checkpoint(recipe_file, cells_dir, broken, wait=rng.uniform(0, 0.6))
    assert not (broken / "metrics.json").exists(), f"seed {seed}: the runs were over before they were killed"
    fit(recipe, data_dir=cells_dir, run_dir=broken, device="cpu", quiet=True, resume=True)
    assert_same_run(whole, broken)


def test_a_run_stopped_at_several_moments_ends_with_the_same_weights_in_bf16_without_average(
    cells_dir, tiny_recipe, tmp_path
):
    recipe = tiny_recipe(precision="bf16", ema_decay=None)
    whole = fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "whole", device="cpu", quiet=True)
    broken = tmp_path / "broken"
    for questions in (1, 7, 3, 8):  # asked after each step and before each tile of a validation
        countdown = itertools.count(1)
        with pytest.raises(Cancelled):
            fit(
                recipe,
                data_dir=cells_dir,
                run_dir=broken,
                device="cpu",
                quiet=True,
                resume=broken.exists(),
                cancelled=lambda countdown=countdown, last=questions: next(countdown) >= last,
            )
    fit(recipe, data_dir=cells_dir, run_dir=broken, device="cpu", quiet=True, resume=True)
    assert_same_run(whole, broken)
