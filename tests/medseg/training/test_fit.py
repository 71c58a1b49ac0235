import json
import math
import shutil

import pytest
import tifffile
import torch
import yaml

from medseg.config import TrainingRecipe
from medseg.errors import Cancelled, ConfigError, InputError, MedsegError, ModelPackageError
from medseg.evaluation import Evaluation, ScoringOptions, evaluate
from medseg.folder_lock import LOCK_NAME
from medseg.inference import load_model
from medseg.io import read_image, write_label_map
from medseg.reports import write_overlay
from medseg.training.checkpoints import load_checkpoint
from medseg.training.fit import fit
from medseg.training.run_folder import read_log


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cells_dir, tiny_recipe):
    """A finished run of the small recipe."""
    run = tmp_path_factory.mktemp("runs") / "run"
    fit(tiny_recipe(), data_dir=cells_dir, run_dir=run, device="cpu", write_preview=write_overlay, quiet=True)
    return run


def test_the_run_folder_is_complete(finished):
    files = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "splits.json",
        "environment.json",
        "fingerprint.json",
        "log.csv",
        "metrics.json",
        "checkpoints/last.ckpt",
        "checkpoints/previous.ckpt",
        "checkpoints/best.ckpt",
        "best/medseg.json",
        "best/models/model.safetensors",
        "best/docs/README.md",
        "previews/epoch_001_validation_000.png",
        "previews/epoch_003_validation_001.png",
        "validation/validation_000.tif",
        "validation/validation_000.png",
    } <= files
    assert any(name.startswith("tensorboard/events.out") for name in files)
    assert {name for name in files if name.rpartition("/")[2].startswith(".")} == {LOCK_NAME}


def test_config_and_splits_say_what_was_done(finished, tiny_recipe):
    assert TrainingRecipe.model_validate(yaml.safe_load((finished / "config.yaml").read_text())) == tiny_recipe()
    splits = json.loads((finished / "splits.json").read_text())
    assert splits["train"] == ["train_000", "train_001", "train_002"]
    assert splits["validation"] == ["validation_000", "validation_001"]


def test_the_log_has_a_row_an_epoch_with_the_learning_rate_of_its_last_step(finished):
    rows = read_log(finished / "log.csv")
    assert [(row["step"], row["epoch"]) for row in rows] == [("4", "1"), ("8", "2"), ("10", "3")]
    # Cosine from step 2 to step 9 down to 1 %: step 3 is 1/7 of the way, step 7 is 5/7, step 9 the end.
    for row, way in zip(rows, (1 / 7, 5 / 7, 1.0), strict=True):
        assert float(row["lr"]) == pytest.approx(0.01 * (0.01 + 0.99 * (1 + math.cos(math.pi * way)) / 2))
    assert all(math.isfinite(float(row["train_loss"])) for row in rows)
    assert {"val/mean_dice", "val/dice/cell", "val/pixel_accuracy"} <= set(rows[0])


def test_the_package_reproduces_the_metrics_file(finished, cells_dir, tmp_path):
    metrics = Evaluation.from_json((finished / "metrics.json").read_text())
    predictor = load_model(finished / "best", device="cpu")
    (tmp_path / "prediction").mkdir()
    (tmp_path / "reference").mkdir()
    for case in ("validation_000", "validation_001"):
        image = read_image(cells_dir / case / "image.tif")
        write_label_map(predictor.predict(image).label_map, tmp_path / "prediction" / f"{case}.tif", source=image)
        shutil.copy(cells_dir / case / "labels.tif", tmp_path / "reference" / f"{case}.tif")
    again = evaluate(
        prediction=tmp_path / "prediction",
        reference=tmp_path / "reference",
        labels=metrics.labels,
        options=ScoringOptions(surfaces=False),
    )
    assert again.summary == pytest.approx(metrics.summary, nan_ok=True, abs=0)
    stored = tifffile.imread(finished / "validation" / "validation_001.tif")
    assert (stored == tifffile.imread(tmp_path / "prediction" / "validation_001.tif")).all()


def test_the_package_holds_the_best_weights_and_their_scores(finished):
    best = torch.load(finished / "checkpoints" / "best.ckpt", weights_only=True)
    package = load_model(finished / "best", device="cpu")
    state = package.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in best["network"].items())
    rows = read_log(finished / "log.csv")
    highest = max(rows, key=lambda row: float(row["val/mean_dice"]))
    assert package.manifest.training.steps == int(highest["step"])
    assert package.manifest.scores.summary["mean_dice"] == pytest.approx(float(highest["val/mean_dice"]))
    assert package.manifest.training.case_ids == ("train_000", "train_001", "train_002")


def test_a_finished_run_is_left_alone(finished, cells_dir, tiny_recipe, capsys):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert fit(tiny_recipe(), data_dir=cells_dir, run_dir=finished, device="cpu", resume=True) == finished
    assert "this run is finished at step 10; nothing was done" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_a_run_is_not_written_over(finished, cells_dir, tiny_recipe):
    with pytest.raises(InputError, match="exists already and is not written over"):
        fit(tiny_recipe(), data_dir=cells_dir, run_dir=finished, device="cpu", quiet=True)


def test_resuming_with_another_seed_is_refused(finished, cells_dir, tiny_recipe):
    with pytest.raises(ConfigError, match=r"config\.yaml: the recipe differs from the run's in training\.seed"):
        fit(tiny_recipe(seed=1), data_dir=cells_dir, run_dir=finished, device="cpu", resume=True, quiet=True)


def test_the_callers_random_state_and_settings_are_untouched(cells_dir, tiny_recipe, tmp_path):
    torch_state = torch.random.get_rng_state()
    fit(tiny_recipe(steps=2), data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_diverging_run_stops_with_step_rate_and_remedy(cells_dir, tiny_recipe, tmp_path):
    recipe = tiny_recipe(optimiser={"lr": 1e30}, schedule={"warmup_steps": 0}, gradient_clip_norm=None)
    expected = r"step \d+ \(learning rate \d.*e\+\d+\), so the run was stopped\. Lower training\.optimiser\.lr"
    with pytest.raises(MedsegError, match=expected):
        fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert not (tmp_path / "run" / "best").exists()


def test_an_unknown_monitor_is_refused_before_anything_is_written(cells_dir, tiny_recipe, tmp_path):
    with pytest.raises(ConfigError, match=r"training\.monitor: the validation gives no score 'v_rand'. Known: mean_d"):
        fit(tiny_recipe(monitor="v_rand"), data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()


def test_an_unknown_network_option_is_named(cells_dir, tiny_recipe, tmp_path):
    recipe = tiny_recipe(model={"name": "unet", "options": {"widht": 4}})
    with pytest.raises(ConfigError, match="widht"):
        fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()


def test_missing_data_are_named_and_leave_no_folder(tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    recipe = recipe.replace(data={"dataset": "isbi2012_em", "options": {}})
    with pytest.raises(InputError, match=r"train-volume\.tif"):
        fit(recipe, data_dir=tmp_path / "nothing", run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()


def test_stopping_keeps_the_checkpoint_and_says_how_to_go_on(cells_dir, tiny_recipe, tmp_path):
    asked = []

    def stop_in_step_six():
        asked.append(1)
        return (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()

    run = tmp_path / "run"
    with pytest.raises(Cancelled, match=r"stopped at step 5\. The last checkpoint is kept: .*last\.ckpt; --resume"):
        fit(tiny_recipe(), data_dir=cells_dir, run_dir=run, device="cpu", quiet=True, cancelled=stop_in_step_six)
    assert load_checkpoint(run / "checkpoints" / "last.ckpt").state.step == 5
    fit(tiny_recipe(), data_dir=cells_dir, run_dir=run, device="cpu", quiet=True, resume=True)
    assert (run / "metrics.json").exists()


def test_early_stopping_ends_the_run_and_a_resume_does_not_restart_it(cells_dir, tiny_recipe, tmp_path, capsys):
    # A learning rate of next to nothing leaves the score where it is, so the second validation does not rise.
    recipe = tiny_recipe(
        steps=40, ema_decay=None, optimiser={"lr": 1e-12}, early_stopping={"patience": 1}, precision="fp32"
    )
    run = fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu")
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state"]
    assert state["stopped_early"]
    assert state["step"] < 40
    assert "stopping early" in capsys.readouterr().err
    fit(recipe, data_dir=cells_dir, run_dir=run, device="cpu", resume=True)
    assert "is finished" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_refused_and_deleting_it_goes_on_from_the_one_before(
    cells_dir, tiny_recipe, tmp_path, capsys
):
    run = fit(tiny_recipe(), data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    weights = (run / "best" / "models" / "model.safetensors").read_bytes()
    (run / "metrics.json").unlink()
    last = run / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with pytest.raises(ModelPackageError, match=r"last\.ckpt: the checkpoint is damaged .* Delete it and resume"):
        fit(tiny_recipe(), data_dir=cells_dir, run_dir=run, device="cpu", quiet=True, resume=True)
    last.unlink()
    fit(tiny_recipe(), data_dir=cells_dir, run_dir=run, device="cpu", resume=True)
    assert "going on from step 8 (previous.ckpt)" in capsys.readouterr().err
    assert (run / "best" / "models" / "model.safetensors").read_bytes() == weights


def test_the_original_unet_of_valid_convolutions_trains_with_deep_supervision_off_its_border(
    cells_dir, tiny_recipe, tmp_path
):
    recipe = tiny_recipe(model={"name": "unet_2015", "options": {"width": 2}}, steps=1, steps_per_epoch=1)
    settings = recipe.model_dump()
    settings["transforms"]["patch_size"] = (188, 188)
    recipe = TrainingRecipe.model_validate(settings)
    run = fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    assert tifffile.imread(run / "validation" / "validation_000.tif").shape == (64, 64)


def test_a_recipe_that_asks_for_it_gets_a_calibrated_package_with_the_same_masks(
    finished, tmp_path, cells_dir, tiny_recipe
):
    run = tmp_path / "run"
    fit(tiny_recipe(calibrate=True), data_dir=cells_dir, run_dir=run, device="cpu", quiet=True)
    calibrated, plain = load_model(run / "best", device="cpu"), load_model(finished / "best", device="cpu")
    assert plain.manifest.inference.temperature == 1
    assert calibrated.manifest.inference.temperature != 1
    assert calibrated.manifest.weights_sha256 == plain.manifest.weights_sha256
    for case in ("validation_000", "validation_001"):
        masks = [folder / "validation" / f"{case}.tif" for folder in (run, finished)]
        assert (tifffile.imread(masks[0]) == tifffile.imread(masks[1])).all()
