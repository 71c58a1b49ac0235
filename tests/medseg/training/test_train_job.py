from pathlib import Path

import pytest

from medseg.errors import ConfigError, InputError, UnknownNameError
from medseg.jobs.train import default_profile, find_recipe, train

SMALL = (
    "data.options={size: 64, train_cases: 2, validation_cases: 1, test_cases: 0, mean_radius_voxel: 8}",
    "transforms.patch_size=[32, 32]",
    "model.options={width: 4, depth: 3}",
    "training={steps: 2, steps_per_epoch: 2, batch_size: 1, schedule: {warmup_steps: 0}}",
)


def test_a_shipped_recipe_trains_into_the_next_free_run_folder_with_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "phantom_cells-1").mkdir(parents=True)
    run = train("phantom_cells", data_dir=tmp_path / "data", overrides=SMALL, device="cpu", quiet=True)
    assert run.as_posix() == "runs/phantom_cells-2"
    assert (run / "report.html").stat().st_size > 0
    assert (run / "best" / "medseg.json").is_file()


def test_a_misspelt_setting_is_named_with_its_path(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.optimiser\.learning_rate is not a known key"):
        train("phantom_cells", run_dir=tmp_path / "run", overrides=("training.optimiser.learning_rate=1",))


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown recipe 'phantom_cell'. Did you mean 'phantom_cells'\?"):
        train("phantom_cell")


def test_a_folder_of_a_recipes_name_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom_cells").mkdir()
    assert find_recipe("phantom_cells").name == "phantom_cells.yaml"


def test_a_recipe_file_is_found_with_and_without_a_suffix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("phantom_cells.yaml", "mine"):
        (tmp_path / name).write_text("name: mine", encoding="utf-8")
        assert find_recipe(name) == Path(name)


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown recipe"):
        find_recipe(tmp_path)


def test_a_run_folder_is_no_recipe_and_names_the_one_in_it(tmp_path):
    (tmp_path / "config.yaml").write_text("name: mine", encoding="utf-8")
    with pytest.raises(InputError, match=rf"got a run folder\. Its recipe is {tmp_path / 'config.yaml'}\."):
        find_recipe(tmp_path)


def test_resuming_needs_the_run_folder():
    with pytest.raises(InputError, match="--resume: expected the run folder to go on with"):
        train("phantom_cells", resume=True)


def test_the_cpu_profile_is_taken_on_a_cpu_where_there_is_one():
    assert default_profile(find_recipe("isbi2012_unet"), device="cpu") == "cpu"
    assert default_profile(find_recipe("phantom_cells"), device="cpu") is None
