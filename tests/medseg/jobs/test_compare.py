"""`medseg compare` on cells of 64 x 64 and two steps a network."""

import csv
import io
import json
import math

import pytest
import tifffile

from medseg.errors import ConfigError, InputError, UnknownNameError
from medseg.folder_lock import one_run_at_a_time
from medseg.jobs.compare import compare
from medseg.jobs.network_cost import NetworkCost, _squares, measure_apart
from medseg.models import build_model
from medseg.reports.network_comparison import ComparedRow, ComparedRun, NetworkComparison, _mean_curve
from medseg.reports.run_log import RunLog

RECIPE = """
schema_version: 1
name: tiny
data:
  dataset: phantom_cells
  options: {size: 64, train_cases: 2, validation_cases: 1, test_cases: 0, mean_radius_voxel: 8}
transforms: {pipeline: microscopy, patch_size: [32, 32], intensity: {kind: percentile}}
model: {name: unet, options: {width: 4, depth: 3}}
training: {steps: 2, steps_per_epoch: 2, batch_size: 2, schedule: {warmup_steps: 0}}
compare:
  segnet: {model: {options: {width_factor: 0.0625}}, training: {batch_size: 1}}
  residual_unet: {model: {options: {width: 4, depth: 3}}}
"""

VARIANTS = """
variants:
  weighted: {loss: {name: cross_entropy, options: {class_weights: inverse_frequency}}}
  other_net: {model: {name: residual_unet, options: {width: 4, depth: 3}}}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def cheap_cost(monkeypatch):
    """No process of its own for each network: that is tested once."""

    def cost(recipe, **_sizes):
        return NetworkCost(parameters=1000, gflops=0.5, step_seconds=0.25, peak_memory_bytes=3 * 2**20)

    monkeypatch.setattr("medseg.jobs.compare.measure_apart", cost)


@pytest.fixture
def run(recipe, tmp_path, cheap_cost):
    def call(**settings):
        return compare(
            recipe, data_dir=tmp_path / "cells", output=tmp_path / "out", device="cpu", quiet=True, **settings
        )

    return call


def test_two_networks_give_one_table_with_a_constant_answer_below(run, tmp_path):
    result = run(models=("unet", "segnet"))
    rows = result.comparison.rows
    assert [row.name for row in rows] == ["unet", "segnet", "all background", "all cell"]
    assert not result.comparison.failures
    # Nothing of the only foreground class is found, or all of it and all else.
    assert rows[2].scores["mean_dice"] == 0
    (mask,) = (tmp_path / "cells").glob("validation*/labels.tif")
    share = float((tifffile.imread(mask) > 0).mean())
    assert rows[3].scores["mean_dice"] == pytest.approx(2 * share / (1 + share))
    out = tmp_path / "out"
    for name in ("unet", "segnet"):
        assert (out / name / "best" / "medseg.json").is_file()
        assert (out / name / "report.html").is_file()
    table = list(csv.DictReader(io.StringIO((out / "table.csv").read_text())))
    assert table[0]["parameters"] == "1000"
    assert float(table[1]["mean_dice"]) == pytest.approx(rows[1].scores["mean_dice"])
    assert "| unet | 32 x 32 | 1,000 | 0.5 | 0.250 s | 3 MiB |" in (out / "table.md").read_text()
    content = json.loads((out / "compare.json").read_text())
    assert [network["name"] for network in content["rows"]] == [row.name for row in rows]
    assert content["budget"]["batch"] == "1 to 2"
    assert (out / "report.html").read_text().count("<figure>") == 2


def test_a_network_that_fails_is_named_and_the_others_go_on(run):
    # The smallest input of SegNet is 32 x 32; half of it stops that network alone.
    result = run(models=("segnet", "unet"), overrides=("transforms.patch_size=[16, 16]",))
    (failed,) = result.comparison.failures
    assert failed.name == "segnet"
    assert "an input of 16 x 16 voxels does not fit" in failed.problem
    assert result.comparison.rows[1].name == "unet"
    assert result.comparison.rows[1].scores
    assert "segnet failed: SegNet: an input" in (result.folder / "table.md").read_text()
    assert "segnet failed" in (result.folder / "report.html").read_text()


def test_resuming_trains_only_what_is_missing(run, tmp_path):
    run(models=("unet",))
    weights = tmp_path / "out" / "unet" / "best" / "models" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already and is not written over"):
        run(models=("unet", "residual_unet"))
    result = run(models=("unet", "residual_unet"), resume=True)
    assert [row.name for row in result.comparison.rows][:2] == ["unet", "residual_unet"]
    assert not result.comparison.failures
    assert weights.stat().st_mtime_ns == written


def test_a_second_comparison_in_the_same_folder_is_refused(run, tmp_path):
    with one_run_at_a_time(tmp_path / "out", say=pytest.fail):
        with pytest.raises(InputError, match=r"another run writes here: process \d+ on .*Wait for its end"):
            run(models=("unet",), resume=True)
        assert not (tmp_path / "out" / "unet").exists()


def test_losses_are_compared_with_the_recipes_own_network(run, tmp_path):
    result = run(losses=("dice", "focal"))
    assert [(row.name, row.loss) for row in result.comparison.rows[:2]] == [
        ("unet-dice", "dice"),
        ("unet-focal", "focal"),
    ]
    assert not result.comparison.failures


def test_variants_of_a_recipe_are_compared_where_nothing_is_chosen(run, recipe, tmp_path):
    recipe.write_text(RECIPE + VARIANTS)
    result = run()
    rows = result.comparison.rows[:2]
    assert [(row.name, row.model, row.loss) for row in rows] == [
        ("weighted", "unet", "cross_entropy"),
        ("other_net", "residual_unet", "dice_focal"),
    ]
    assert not result.comparison.failures
    # One validation each makes no curve.
    assert not list((tmp_path / "out").glob("*.svg"))


def test_a_chosen_network_is_compared_without_the_variants(run, recipe):
    recipe.write_text(RECIPE + VARIANTS)
    assert [row.name for row in run(models=("unet",)).comparison.rows] == ["unet", "all background", "all cell"]


def test_several_seeds_make_one_row_of_means_and_curves(run, tmp_path):
    result = run(models=("unet", "segnet"), seeds=(3, 5), overrides=("training.steps=4", "loss.name=dice"))
    out = tmp_path / "out"
    first = result.comparison.rows[0]
    assert [run.seed for run in first.runs] == [3, 5]
    each = [
        json.loads((out / f"unet-seed-{seed}" / "metrics.json").read_text())["summary"]["mean_iou"]["value"]
        for seed in (3, 5)
    ]
    assert each[0] != each[1]
    assert first.scores["mean_iou"] == pytest.approx((each[0] + each[1]) / 2)
    assert f"{first.scores['mean_iou']:.3f} ({min(each):.3f} to {max(each):.3f})" in (out / "table.md").read_text()
    assert result.comparison.budget["seed"] == "3, 5"
    assert (out / "unet-seed-3" / "cost.json").exists()
    # The same network costs the same with any seed.
    assert not (out / "unet-seed-5" / "cost.json").exists()
    svg = (out / "curve-mean_iou.svg").read_text()
    assert "segnet" in svg
    assert "var(" not in svg


def test_lesions_found_and_missed_are_counted_while_training(run, recipe):
    recipe.write_text(RECIPE + "evaluation: {task: lesions}\n")
    result = run(models=("unet",))
    assert not result.comparison.failures
    assert result.comparison.headings[-2:] == ("lesions found", "true of those claimed")
    # Where everything is background no lesion is found, and none is claimed.
    assert result.comparison.table_rows[-2][-2:] == ("0.000", "–")


def test_what_cannot_be_compared_is_refused_before_any_training(run, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown model 'unett'"):
        run(models=("unett",))
    with pytest.raises(UnknownNameError, match="unknown loss 'dise'"):
        run(losses=("dise",))
    with pytest.raises(ConfigError, match="model 'unet_3d' is not for the 2 spatial axes"):
        run(models=("unet_3d",))
    with pytest.raises(ConfigError, match="expected a section `variants`"):
        run(variants=("all",))
    with pytest.raises(ConfigError, match="are named by --models"):
        run(overrides=("model.name=segnet",))
    assert not (tmp_path / "out").exists()


def test_a_network_is_measured_in_a_process_of_its_own(recipe):
    from medseg.config import load_recipe

    weighted = "loss={name: cross_entropy, options: {class_weights: inverse_frequency}}"
    tiny = load_recipe(recipe, overrides=("model.options={width: 4, depth: 2}", weighted))
    cost = measure_apart(tiny, in_channels=1, num_classes=2, device="cpu")
    # Two levels of two 3 x 3 convolutions without bias, each with a norm: 1 -> 4 -> 4 and 4 -> 8 -> 8.
    encoder = 9 * (1 * 4 + 4 * 4) + 2 * (4 + 4) + 9 * (4 * 8 + 8 * 8) + 2 * (8 + 8)
    # Transposed 2 x 2 convolution 8 -> 4, two convolutions 8 -> 4 -> 4 with norms, the classifier 4 -> 2.
    decoder = 4 * 8 * 4 + 9 * (8 * 4 + 4 * 4) + 2 * (4 + 4) + 4 * 2 + 2
    assert abs(cost.parameters - encoder - decoder) <= 4  # whether the transposed one has a bias
    assert cost.gflops > 0
    assert cost.step_seconds > 0


def test_all_leaves_out_what_has_another_number_of_axes(recipe):
    from medseg.config import load_recipe
    from medseg.jobs.compared_recipes import _chosen_models

    names, notes = _chosen_models(("all",), load_recipe(recipe), foreground_classes=1)
    assert "unet_3d" not in names
    assert {"unet", "segnet", "deeplab_v2", "mask_rcnn"} <= set(names)
    assert notes == ("Left out, since they are not for 2 spatial axes: unet_3d.",)


def test_all_leaves_out_what_finds_objects_where_they_are_of_several_classes(recipe):
    from medseg.config import load_recipe
    from medseg.jobs.compared_recipes import _chosen_models

    names, notes = _chosen_models(("all",), load_recipe(recipe), foreground_classes=2)
    assert "mask_rcnn" not in names
    assert notes == ("Left out, since they are not for 2 spatial axes and 2 classes: mask_rcnn, unet_3d.",)


def test_a_network_that_finds_objects_is_a_row_like_the_others(run):
    tiny = "model.options={backbone: resnet18, width_factor: 0.125, norm: group, sampled_regions: 16}"
    result = run(models=("mask_rcnn",), overrides=(tiny, "transforms.patch_size=[64, 64]"))
    row = result.comparison.rows[0]
    assert not row.problem
    assert set(row.scores) == set(result.comparison.rows[1].scores)
    assert result.comparison.notes == (
        "Trained with losses of their own, and scored by the class of their objects' voxels: mask_rcnn.",
    )


def test_the_cost_of_a_network_that_finds_objects_has_no_fixed_arithmetic(recipe):
    from medseg.config import load_recipe

    tiny = "model={name: mask_rcnn, options: {backbone: resnet18, width_factor: 0.125, norm: group}}"
    found = load_recipe(recipe, overrides=(tiny, "transforms.patch_size=[64, 64]"))
    cost = measure_apart(found, in_channels=1, num_classes=2, device="cpu")
    assert cost.gflops is None
    assert cost.step_seconds > 0
    network = build_model("mask_rcnn", in_channels=1, num_classes=2, **found.model.options)
    assert cost.parameters == sum(weight.numel() for weight in network.parameters())


def test_random_targets_of_objects_are_squares_of_every_class():
    codes = _squares((64, 96), num_classes=3)
    # Six squares of 20 x 20; codes are number * 3 + class, the classes 1 and 2 in turn.
    values, counts = codes.unique(return_counts=True)
    assert values.tolist() == [0, 1 * 3 + 2, 2 * 3 + 1, 3 * 3 + 2, 4 * 3 + 1, 5 * 3 + 2, 6 * 3 + 1]
    assert counts.tolist()[1:] == [400] * 6


def test_settings_of_one_network_reach_it_alone(recipe):
    from medseg.config import load_recipe

    assert load_recipe(recipe, compared_model="segnet").training.batch_size == 1
    assert load_recipe(recipe, compared_model="segnet").model.options == {"width_factor": 0.0625}
    assert load_recipe(recipe, compared_model="unet").model.options == {"width": 4, "depth": 3}
    assert load_recipe(recipe, compared_model="pspnet").model.options == {}


def test_undefined_numbers_are_dashes_and_empty_fields():
    rows = (ComparedRow("a", constant_scores={"mean_dice": float("nan"), "v_rand": 0.5}),)
    found = NetworkComparison("title", {"steps": "2"}, rows)
    assert found.headings[-2:] == ("Dice", "V_rand")
    assert found.table_rows == [("a", "–", "–", "–", "–", "–", "–", "0.500")]
    assert found.to_csv().splitlines()[1] == "a,,,,,,,,,0.5,"
    assert json.loads(found.to_json())["rows"][0]["scores"] == {"mean_dice": None, "v_rand": 0.5}


def test_a_mean_over_seeds_leaves_out_where_a_score_is_undefined():
    runs = tuple(ComparedRun(seed, {"lesion_precision": value}, RunLog({})) for seed, value in enumerate(DEFINED))
    row = ComparedRow("a", runs=runs)
    assert row.scores["lesion_precision"] == pytest.approx(0.3)
    assert math.isnan(ComparedRow("b", runs=runs[:1]).scores["lesion_precision"])


DEFINED = (float("nan"), 0.2, 0.4)


def test_a_curve_is_the_mean_over_seeds_at_each_step():
    logs = [{"step": [1.0, 2.0], "val/mean_dice": [0.2, 0.4]}, {"step": [1.0, 2.0], "val/mean_dice": [0.6, math.nan]}]
    runs = tuple(ComparedRun(seed, {"mean_dice": 0.5}, RunLog(columns)) for seed, columns in enumerate(logs))
    steps, values = _mean_curve(runs, "val/mean_dice")
    assert steps == [1, 2]
    assert values == pytest.approx([0.4, 0.4])
