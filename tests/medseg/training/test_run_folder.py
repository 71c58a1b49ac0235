from pathlib import Path

import pytest
import yaml

from medseg.config import TrainingRecipe
from medseg.errors import ConfigError, InputError
from medseg.training.run_folder import LogFile, RunFolder, differing_keys, next_run_folder, read_log


def recipe(**training):
    return TrainingRecipe.model_validate(
        {
            "name": "tiny",
            "data": {"dataset": "phantom_cells"},
            "transforms": {"pipeline": "microscopy", "patch_size": [32, 32], "intensity": {"kind": "percentile"}},
            "model": {"name": "unet", "options": {"width": 4}},
            "training": training,
        }
    )


def test_the_written_recipe_reads_back_as_the_same_recipe(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(recipe(steps=30))
    again = TrainingRecipe.model_validate(yaml.safe_load(folder.config.read_text()))
    assert again == recipe(steps=30)
    folder.check_resumable(recipe(steps=30))


def test_a_folder_that_holds_something_is_never_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("two years of work")
    with pytest.raises(InputError, match=r"exists already and is not written over\. Go on with it by --resume"):
        RunFolder(tmp_path).check_new()
    RunFolder(tmp_path / "new").check_new()
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").check_new()


def test_resuming_with_another_learning_rate_is_refused_by_its_key(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe(optimiser={"lr": 1e-3}))
    with pytest.raises(
        ConfigError, match=r"differs from the run's in training\.optimiser\.lr\. Resume with the recipe"
    ):
        folder.check_resumable(recipe(optimiser={"lr": 2e-3}))


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe())
    stored = yaml.safe_load(folder.config.read_text())
    del stored["transforms"]["magnification"], stored["training"]["calibrate"]
    folder.config.write_text(yaml.safe_dump(stored))
    folder.check_resumable(recipe())
    with pytest.raises(ConfigError, match=r"differs from the run's in training\.calibrate\."):
        folder.check_resumable(recipe(calibrate=True))


def test_a_run_with_a_setting_that_is_gone_is_refused_by_its_key(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe())
    folder.config.write_text(folder.config.read_text() + "shuffled: true\n")
    with pytest.raises(ConfigError, match=r"differs from the run's in shuffled\."):
        folder.check_resumable(recipe())


def test_resuming_with_more_steps_is_allowed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe(steps=10))
    folder.check_resumable(recipe(steps=20))


def test_a_folder_of_other_things_is_no_run(tmp_path):
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(InputError, match=r"holds no config\.yaml, so it is not a run folder"):
        RunFolder(tmp_path).check_resumable(recipe())


def test_what_a_killed_write_left_is_removed_and_no_run(tmp_path):
    (tmp_path / ".1a2b.part.config.yaml").write_text("half")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".1a2b.part.last.ckpt").write_text("half")
    (tmp_path / ".1a2b.part.best" / "models").mkdir(parents=True)
    folder = RunFolder(tmp_path)
    folder.remove_left_overs()
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == [Path("checkpoints")]


def test_differing_keys_are_dotted_paths_of_changed_added_and_removed_settings():
    first = {"a": {"b": 1, "c": 2}, "d": [1, 2], "gone": None}
    second = {"a": {"b": 1, "c": 3}, "d": [1, 2], "new": 1}
    assert differing_keys(first, second) == ["a.c", "gone", "new"]


def test_run_folders_are_numbered(tmp_path):
    assert next_run_folder(tmp_path, "em").name == "em-1"
    (tmp_path / "em-1").mkdir()
    assert next_run_folder(tmp_path, "em").name == "em-2"


def test_log_rows_after_the_checkpoint_and_a_torn_row_are_dropped(tmp_path):
    path = tmp_path / "log.csv"
    log = LogFile(path, score_keys=["mean_dice"])
    log.begin(after_step=0)
    for step in (10, 20, 30):
        log.append({"step": step, "epoch": step // 10, "lr": 0.1, "train_loss": 1.5, "val/mean_dice": 0.25})
    whole = path.read_text()
    assert whole.splitlines()[:2] == ["step,epoch,lr,train_loss,val/mean_dice", "10,1,0.1,1.5,0.25"]
    path.write_text(whole + "40,4,0.1,1")
    assert [row["step"] for row in read_log(path)] == ["10", "20", "30"]
    LogFile(path, score_keys=["mean_dice"]).begin(after_step=20)
    assert path.read_text() == "".join(whole.splitlines(keepends=True)[:3])


def test_a_run_that_begins_anew_begins_an_empty_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,epoch\n10,1\n")
    LogFile(path, score_keys=[]).begin(after_step=0)
    assert path.read_text() == "step,epoch,lr,train_loss\n"
