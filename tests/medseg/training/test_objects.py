"""Training on single objects: their codes, targets and statistics, and a whole run of Mask R-CNN."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg.config import EvaluationConfig, ObjectInference, ObjectRims
from medseg.datasets import open_dataset
from medseg.errors import ConfigError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelKind, LabelMap, LabelTable
from medseg.inference import load_model, read_manifest
from medseg.training.checkpoints import load_checkpoint
from medseg.training.fit import fit
from medseg.training.object_statistics import (
    ObjectStatistics,
    anchor_sizes,
    aspect_ratios,
    detection_options,
    measure_training_objects,
)
from medseg.training.object_targets import object_targets
from medseg.training.previews import Previews
from medseg.training.validation import ValidationCase
from medseg.transforms.object_codes import object_codes

TABLE = LabelTable.from_names(["background", "cell", "debris"])
MODEL = {
    "name": "mask_rcnn",
    "options": {"backbone": "resnet18", "width_factor": 0.125, "norm": "group", "sampled_regions": 16},
}


def label_map(array, *, kind, labels=TABLE):
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    return LabelMap(np.asarray(array), affine, "YX", labels, kind)


def test_regions_of_classes_become_objects_with_codes_that_tell_number_and_class():
    codes = object_codes(label_map([[1, 0, 2], [0, 1, 0], [0, 0, 0], [2, 0, 1]], kind=LabelKind.SEMANTIC))
    # Three classes: objects 1 and 2 are cells (the first joined by a corner), 3 and 4 debris, by their first voxel.
    assert codes.tolist() == [[4, 0, 11], [0, 4, 0], [0, 0, 0], [14, 0, 7]]


def test_values_of_an_instance_map_become_objects_of_the_one_class():
    cells = LabelTable.from_names(["background", "cell"])
    codes = object_codes(label_map([[5, 5, 0], [0, 9, 900]], kind=LabelKind.INSTANCES, labels=cells))
    assert codes.tolist() == [[3, 3, 0], [0, 5, 7]]


def test_boxes_masks_and_classes_are_those_of_the_patch():
    codes = torch.zeros(2, 8, 10, dtype=torch.int64)
    codes[0, 1:4, 2:7] = 4  # object 1 of class 1 among three classes
    codes[0, 5:8, 0:2] = 8  # object 2 of class 2
    codes[0, 0, 3:9] = 10  # a sliver of one pixel's height
    found, empty = object_targets(codes, num_classes=3)
    assert found.boxes.tolist() == [[1.5, 0.5, 6.5, 3.5], [-0.5, 4.5, 1.5, 7.5]]
    assert found.classes.tolist() == [1, 2]
    assert found.masks.sum(dim=(1, 2)).tolist() == [15, 6]
    assert (empty.boxes.shape, empty.classes.shape, empty.masks.shape) == ((0, 4), (0,), (0, 8, 10))


def test_statistics_are_those_of_the_boxes():
    first = torch.zeros(1, 40, 40, dtype=torch.int32)
    first[0, 0:10, 0:10], first[0, 20:30, 0:40] = 3, 5
    found = measure_training_objects([{"label": first}, {"label": torch.zeros(1, 9, 9, dtype=torch.int32)}])
    assert (found.objects, found.most_in_an_image) == (2, 2)
    # Sides of 10 and sqrt(10 * 40) = 20: percentiles lie on the line between them.
    assert found.small_side == pytest.approx(10.5)
    assert found.large_side == pytest.approx(19.5)
    assert found.elongation == pytest.approx(1 + 0.9 * 3)


@pytest.mark.parametrize(("most", "cap"), [(0, 100), (66, 100), (300, 450), (375, 570)])
def test_the_cap_leaves_half_as_much_room_as_the_fullest_image_needs(most, cap):
    options = detection_options(ObjectStatistics(1000, most, small_side=8, large_side=40, elongation=1.5))
    assert options["detections_per_image"] == cap
    assert cap >= 1.5 * most
    assert options["proposals_per_image"] >= 2 * most


def test_anchors_span_the_objects_in_small_steps_with_equally_many_on_each_level():
    sizes = anchor_sizes(smallest=9.0, largest=52.0)
    assert [len(level) for level in sizes] == [4, 4]
    assert (sizes[0][0], sizes[0][-1], sizes[1][-1]) == (9.0, 32.0, 52.0)
    assert all(b / a <= 2 ** (2 / 3) + 0.02 for level in sizes for a, b in itertools.pairwise(level))
    assert len(anchor_sizes(smallest=6.0, largest=20.0)) == 1
    assert len(anchor_sizes(smallest=40.0, largest=900.0)) == 4
    assert aspect_ratios(1.1) == (1.0,)
    assert aspect_ratios(2.0) == (0.5, 1.0, 2.0)


@pytest.fixture
def recipe(tiny_recipe):
    def build(*, evaluation=None, model=None, **training):
        made = tiny_recipe(
            model=model or MODEL,
            evaluation=evaluation or {"task": "instances"},
            **{"steps": 2, "steps_per_epoch": 1, "monitor": "object_f1", "ema_decay": None, **training},
        )
        return made.replace(transforms=made.transforms.replace(patch_size=(64, 64)))

    return build


def test_pictures_of_a_training_show_missed_and_spurious_objects():
    truth, found = np.zeros((20, 40), np.uint16), np.zeros((20, 40), np.uint16)
    truth[2:8, 2:8] = found[2:8, 3:8] = 7  # IoU 30/36
    truth[12:18, 2:8] = 300
    found[2:8, 20:26] = 1
    cells = LabelTable.from_names(["background", "cell"])
    reference, prediction = (label_map(one, kind=LabelKind.INSTANCES, labels=cells) for one in (truth, found))
    drawn = []
    image = Image(np.zeros((1, 20, 40), np.float32), reference.affine, "CYX")
    previews = Previews(
        folder=Path("previews"),
        cases=(ValidationCase("a", image, reference),),
        write=lambda path, **shown: drawn.append((path.name, shown)),
        every_epochs=2,
    )
    for epoch in (1, 2):
        previews.draw(epoch=epoch, predictions={"a": prediction})
    ((name, shown),) = drawn
    assert name == "epoch_001_a.png"
    assert shown["reference"].labels.names == ("background", "matched object", "object without a match")
    assert np.array_equal(shown["reference"].array, np.where(truth == 7, 1, np.where(truth == 300, 2, 0)))
    assert np.array_equal(shown["prediction"].array, np.where(found == 7, 1, np.where(found == 1, 2, 0)))


def test_a_killed_and_resumed_run_ends_with_the_same_weights_and_its_package_finds_objects(recipe, tmp_path, cells_dir):
    whole = fit(recipe(), data_dir=cells_dir, run_dir=tmp_path / "whole", device="cpu", quiet=True)
    seen = []

    def stop_after_first_step():
        seen.append(1)
        return (tmp_path / "parts" / "checkpoints" / "last.ckpt").exists()

    with pytest.raises(Exception, match="stopped at step"):
        fit(
            recipe(),
            data_dir=cells_dir,
            run_dir=tmp_path / "parts",
            device="cpu",
            quiet=True,
            cancelled=stop_after_first_step,
        )
    parts = fit(recipe(), data_dir=cells_dir, run_dir=tmp_path / "parts", resume=True, device="cpu", quiet=True)
    ends = [load_checkpoint(run / "checkpoints" / "last.ckpt").network for run in (whole, parts)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])

    rows = list(csv.DictReader((whole / "log.csv").read_text().splitlines()))
    for row in rows:
        named = [float(row[f"train/{part}"]) for part in ("class", "box", "mask", "objectness", "proposal_box")]
        assert float(row["train_loss"]) == pytest.approx(sum(named), rel=1e-5)
    options = read_manifest(whole / "best").architecture.options
    assert {"anchor_sizes", "aspect_ratios", "detections_per_image", "proposals_per_image"} <= set(options)
    assert options["detections_per_image"] >= 100
    assert load_model(whole / "best", device="cpu").labels.names == ("background", "cell")


def test_objects_are_scored_by_the_class_of_their_voxels_where_the_recipe_says_so(recipe, tmp_path, cells_dir):
    # Two steps teach nothing: whatever the network takes for an object is one.
    eager = {**MODEL, "options": {**MODEL["options"], "score_threshold": 1e-4}}
    made = recipe(model=eager, evaluation={"task": "semantic", "objects_as_classes": True}, monitor="mean_dice")
    objects = ObjectInference(min_score=0.0, mask_threshold=0.01)
    made = made.replace(inference=made.inference.replace(objects=objects))
    run = fit(made, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    package = load_model(run / "best", device="cpu")
    dataset = open_dataset(made.data.dataset, root=cells_dir, options=made.data.options)
    dice = []
    for case in dataset.cases():
        if case.case_id in dataset.splits().validation:
            found = package.predict(case.image.read()).label_map
            assert found.kind is LabelKind.INSTANCES
            answer, truth = found.array > 0, case.reference.read().array > 0
            dice.append(2 * (answer & truth).sum() / (answer.sum() + truth.sum()))
    assert read_manifest(run / "best").scores.summary["mean_dice"] == pytest.approx(np.mean(dice))
    assert np.mean(dice) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"task": "semantic"}}, r"evaluation\.task: mask_rcnn finds objects"),
        (
            {"evaluation": {"task": "instances", "objects_as_classes": True}},
            r"Set evaluation\.objects_as_classes=false",
        ),
        (
            {
                "model": {"name": "unet", "options": {"width": 4, "depth": 3}},
                "evaluation": {"task": "semantic", "objects_as_classes": True},
            },
            r"evaluation\.objects_as_classes: is for networks that find objects, and unet gives",
        ),
        ({"calibrate": True}, r"training\.calibrate: mask_rcnn finds objects"),
        (
            {"model": {"name": "unet", "options": {"width": 4, "depth": 3}}},
            r"evaluation\.task: instances are scored of networks that find objects, and unet gives",
        ),
    ],
)
def test_settings_of_the_other_kind_of_answer_are_refused(recipe, tmp_path, cells_dir, changes, message):
    with pytest.raises(ConfigError, match=message):
        fit(recipe(**changes), data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)


@pytest.fixture
def rim_recipe(recipe):
    def build(*, rims=None, **training):
        unet = {"name": "unet", "options": {"width": 8, "depth": 3}}
        made = recipe(model=unet, **training)
        return made.replace(transforms=made.transforms.replace(object_rims=rims or ObjectRims()))

    return build


def test_a_network_of_rims_learns_objects_and_its_package_finds_them(rim_recipe, tmp_path, cells_dir):
    run = fit(
        rim_recipe(steps=60, steps_per_epoch=60, optimiser={"lr": 1e-2}),
        data_dir=cells_dir,
        run_dir=tmp_path / "run",
        device="cpu",
        quiet=True,
    )
    manifest = read_manifest(run / "best")
    assert [entry.name for entry in manifest.labels] == ["background", "cell", "rim"]
    assert manifest.scores.task == "instances"
    assert manifest.scores.summary["object_f1"] > 0.4
    assert load_model(run / "best", device="cpu").labels.names == ("background", "cell")


def test_rims_go_with_a_network_of_classes_and_scores_of_objects(rim_recipe, recipe, tmp_path, cells_dir):
    wrong_task = rim_recipe().replace(evaluation=EvaluationConfig(task="semantic"))
    mask_rcnn = recipe()
    mask_rcnn = mask_rcnn.replace(transforms=mask_rcnn.transforms.replace(object_rims=ObjectRims()))
    for one, message in (
        (wrong_task, r"evaluation\.task: transforms\.object_rims makes objects of the classes"),
        (mask_rcnn, r"transforms\.object_rims: mask_rcnn finds objects without them"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit(one, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
