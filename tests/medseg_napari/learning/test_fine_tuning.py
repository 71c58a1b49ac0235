"""A fine-tuning of a tiny model on generated cells, by the command in a process of its own."""

import json

import numpy as np
import pytest
from medseg_napari.learning.corrections import CorrectedImage, CorrectionSet
from medseg_napari.learning.fine_tuning import Plan, fine_tuning_recipe, next_name, write_recipe
from medseg_napari.learning.places import fine_tuned_models
from medseg_napari.learning.progress import RunState
from medseg_napari.learning.run import FineTuning, discard_run, prepare_run, unfinished_run

from medseg.datasets.phantoms import cells_phantom
from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap
from medseg.inference import read_manifest
from medseg.jobs.train import train
from medseg.training.validation import as_classes

SECONDS = 180


@pytest.fixture(scope="module")
def corrections(parent, tmp_path_factory):
    """Three corrected images of cells."""
    found = CorrectionSet(tmp_path_factory.mktemp("home") / "tiny_cells")
    for number in range(3):
        image, instances = cells_phantom(np.random.default_rng(number), shape=(64, 64))
        found.add(CorrectedImage(image, as_classes(instances), objects=3), group=str(number), date="2026-11-21")
    return found


def _prepared(parent, corrections, plan, *, name):
    folder = corrections.folder / "runs" / name
    write_recipe(fine_tuning_recipe(parent, corrections, plan, name=name), prepare_run(folder, plan))
    return FineTuning(folder, data=corrections.folder)


def _until(run, holds):
    import time

    end = time.monotonic() + SECONDS
    while not holds(run.progress) and run.is_running:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_is_paused_goes_on_and_ends_with_a_model_beside_its_parent(parent, corrections):
    plan = Plan(steps=200, score=parent.score, device="cpu")
    run = _prepared(parent, corrections, plan, name="tiny_cells_tuned_1")
    run.start()
    assert run.progress.state is RunState.RUNNING
    _until(run, lambda progress: bool(progress.scores))
    run.pause()
    assert run.wait(SECONDS)
    paused = run.progress
    assert paused.state is RunState.PAUSED
    assert 0 < paused.step < 200
    assert (
        paused.parent_score
        == json.loads((run.folder / "parent_metrics.json").read_text())["summary"]["mean_dice"]["value"]
    )
    assert paused.preview.startswith(b"\x89PNG")
    assert unfinished_run(run.folder.parent) == run.folder

    another_day = FineTuning(run.folder, data=corrections.folder)
    assert another_day.progress.scores == paused.scores
    another_day.finish()
    assert another_day.wait(SECONDS)
    done = another_day.progress
    assert done.state is RunState.FINISHED, done.message
    assert done.step == paused.step
    assert another_day.score is not None
    assert unfinished_run(run.folder.parent) is None
    assert fine_tuned_models(corrections.folder.parent) == [run.folder]
    manifest = read_manifest(run.folder / "best")
    assert manifest.training.parent_sha256 == read_manifest(parent.folder).weights_sha256
    assert manifest.training.case_ids == corrections.training
    assert "3 images, 9 objects" in manifest.description


def test_a_2d_model_learns_from_the_slices_of_stacks(parent, tmp_path):
    found = CorrectionSet(tmp_path / "tiny_cells")
    affine = Affine.from_spacing((3.0, 1.0, 1.0), frame=WorldFrame.RAS)
    for number in range(3):
        drawn = [cells_phantom(np.random.default_rng(2 * number + half), shape=(64, 64)) for half in (0, 1)]
        values = np.stack([image.array for image, _ in drawn], axis=1)
        classes = np.stack([as_classes(instances).array for _, instances in drawn])
        label_map = LabelMap(classes, affine, "ZYX", parent.table)
        stack = CorrectedImage(Image(values, affine, "CZYX"), label_map, objects=3, slice_axis=0)
        found.add(stack, group=str(number), date="2026-11-21")
    run, recipe = tmp_path / "run", tmp_path / "tuned.yaml"
    write_recipe(fine_tuning_recipe(parent, found, Plan(steps=2, score=parent.score), name="tuned"), recipe)
    train(recipe, data_dir=found.folder, run_dir=run, device="cpu", quiet=True)
    case_ids = read_manifest(run / "best").training.case_ids
    assert case_ids == found.training
    assert len(case_ids) == 4
    assert len(found.judging) == 2


def test_a_run_that_cannot_begin_says_why_in_one_line(parent, corrections):
    run = _prepared(parent, corrections, Plan(steps=2, score="beauty", device="cpu"), name="tiny_cells_tuned_7")
    run.start()
    assert run.wait(SECONDS)
    assert run.progress.state is RunState.FAILED
    assert "beauty" in run.progress.message
    discard_run(run.folder)
    assert not list(run.folder.parent.glob("tiny_cells_tuned_7*"))


def test_a_set_that_is_too_small_makes_no_recipe(parent, tmp_path):
    with pytest.raises(InputError, match="add 3 more"):
        fine_tuning_recipe(parent, CorrectionSet(tmp_path), Plan(steps=5), name="x")


def test_the_next_model_of_a_family_has_the_next_number(tmp_path):
    assert next_name("ct-phantom-lesions", tmp_path) == "ct_phantom_lesions_tuned_1"
    (tmp_path / "ct_phantom_lesions_tuned_1").mkdir()
    assert next_name("ct_phantom_lesions_tuned_1", tmp_path) == "ct_phantom_lesions_tuned_2"
