import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medseg.errors import ModelPackageError, StorageError
from medseg.training.checkpoints import Checkpoint, RunState, keep_as_previous, load_checkpoint, save_checkpoint


def checkpoint(step=7):
    weight = torch.nn.Parameter(torch.arange(6, dtype=torch.float32).reshape(2, 3))
    optimiser = torch.optim.AdamW([weight], lr=1e-3)
    weight.grad = torch.ones_like(weight)
    optimiser.step()
    return Checkpoint(
        state=RunState(step=step, epoch=1, best_score=0.25, best_step=7, stale_validations=2),
        network={"weight": weight.detach()},
        optimiser=optimiser.state_dict(),
        recipe={"name": "a", "training": {"seed": 0}},
        environment={"num_threads": 2},
    )


def test_everything_comes_back(tmp_path):
    written = checkpoint()
    save_checkpoint(written, tmp_path / "last.ckpt")
    read = load_checkpoint(tmp_path / "last.ckpt")
    assert read.state == written.state
    assert torch.equal(read.network["weight"], written.network["weight"])
    assert torch.equal(read.optimiser["state"][0]["exp_avg"], written.optimiser["state"][0]["exp_avg"])
    assert read.recipe == written.recipe
    assert read.environment == written.environment


def test_torch_loads_it_without_unpickling_anything_but_weights(tmp_path):
    save_checkpoint(checkpoint(), tmp_path / "last.ckpt")
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert content["state"]["step"] == 7


def test_a_checkpoint_that_would_run_something_is_refused_though_its_seal_is_whole(tmp_path):
    marker, path = tmp_path / "opened", tmp_path / "last.ckpt"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (marker,))

    save_checkpoint(replace(checkpoint(), optimiser={"state": Trap()}), path)
    with pytest.raises(ModelPackageError, match=r"last\.ckpt: not a checkpoint of this version"):
        load_checkpoint(path)
    assert not marker.exists()


def test_one_flipped_bit_anywhere_is_refused(tmp_path):
    path = tmp_path / "last.ckpt"
    save_checkpoint(checkpoint(), path)
    whole = path.read_bytes()
    rng = random.Random(0)
    places = [0, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(60))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ModelPackageError, match=r"last\.ckpt: the checkpoint is damaged .* Delete it and resume"):
            load_checkpoint(path)


@pytest.mark.parametrize("size", [0, 10, 500])
def test_a_file_cut_short_is_refused(tmp_path, size):
    path = tmp_path / "last.ckpt"
    save_checkpoint(checkpoint(), path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelPackageError, match="damaged"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelPackageError, match=r"best\.ckpt: cannot read the checkpoint: No such file"):
        load_checkpoint(tmp_path / "best.ckpt")


def test_the_last_one_is_kept_as_the_previous_and_never_missing(tmp_path):
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    keep_as_previous(last, previous)
    assert not previous.exists()
    for step in (1, 2, 3):
        keep_as_previous(last, previous)
        assert last.exists() == (step > 1)
        save_checkpoint(checkpoint(step), last)
    assert load_checkpoint(last).state.step == 3
    assert load_checkpoint(previous).state.step == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_a_full_disk_is_one_line_and_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    save_checkpoint(checkpoint(1), path)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StorageError, match=r"last\.ckpt: No space left on device\. Free some space"):
        save_checkpoint(checkpoint(2), path)
    assert load_checkpoint(path).state.step == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
