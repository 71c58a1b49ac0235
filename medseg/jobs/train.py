"""Training by a recipe, from its name to the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medseg.config import TrainingRecipe, load_recipe, recipe_profiles
from medseg.errors import InputError
from medseg.inference.device import choose_device
from medseg.registry import look_up
from medseg.reports import write_run_report
from medseg.reports.overlays import write_overlay
from medseg.training.fit import fit
from medseg.training.run_folder import RunFolder, next_run_folder
from medseg.training.starting_weights import package_settings

_PACKAGE = Path(__file__).parents[1]
_RECIPE_FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parent / "workflows" / "recipes")
"""Where the shipped recipes lie: in an installed package, and in a checkout."""

_RUNS = Path("runs")


def train(  # noqa: PLR0913 - the settings of one call
    recipe: TrainingRecipe | Path | str,
    *,
    data_dir: Path | None = None,
    run_dir: Path | None = None,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Train by a recipe, write the report, and return the run folder.

    Args:
        recipe: the recipe, its YAML file, or the name of a shipped one.
        data_dir: folder of the data set; None lets the data set find or make it.
        run_dir: folder to write; None takes the first free one of runs/<name>-1, runs/<name>-2, ...
        profile: one of the file's profiles; None takes "gpu" on a GPU and "cpu" elsewhere, where the file has them.
        overrides: `key.path=value` each, laid over the file's settings.
        resume: go on with the run in `run_dir`.
        device: "auto", "cpu", "cuda" or "mps".
        quiet: say nothing on stderr.
        cancelled: asked after each step whether to stop.

    Raises:
        InputError: `resume` without a run folder, or settings for a recipe that is no file.
        UnknownNameError: there is no shipped recipe of that name.
        MedsegError: see `medseg.training.fit.fit`.
    """
    if resume and run_dir is None:
        message = "--resume: expected the run folder to go on with. Name it with --output."
        raise InputError(message)
    if resume and run_dir is not None and not Path(run_dir).is_dir():
        message = f"--resume: there is no run folder {run_dir} to go on with. Leave --resume out to begin one."
        raise InputError(message)
    loaded = _load(recipe, profile=profile, overrides=overrides, device=device)
    folder = next_run_folder(_RUNS, loaded.name) if run_dir is None else Path(run_dir)
    run = fit(
        loaded,
        data_dir=data_dir,
        run_dir=folder,
        resume=resume,
        device=device,
        write_preview=write_overlay,
        quiet=quiet,
        cancelled=cancelled,
    )
    write_run_report(run)
    return run


def find_recipe(path_or_name: Path | str) -> Path:
    """The file of a recipe.

    Args:
        path_or_name: a file, or the name of a shipped recipe; a folder or file of that name hides no shipped recipe.

    Raises:
        UnknownNameError: neither; the message lists the shipped ones.
        InputError: a run folder; the message names the recipe in it.
    """
    path, shipped = Path(path_or_name), shipped_recipes()
    if path.suffix in {".yaml", ".yml"} or (str(path_or_name) not in shipped and path.is_file()):
        return path
    inside = RunFolder(path).config
    if str(path_or_name) not in shipped and inside.is_file():
        message = f"{path}: expected a recipe, got a run folder. Its recipe is {inside}."
        raise InputError(message)
    return look_up(shipped, str(path_or_name), kind="recipe")


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of the recipes that come with medseg."""
    return {path.stem: path for folder in reversed(_RECIPE_FOLDERS) for path in sorted(folder.glob("*.yaml"))}


def default_profile(path: Path, *, device: str) -> str | None:
    """The profile of a recipe file that fits a device: "gpu" on a GPU, else "cpu"; None where the file lacks it.

    Raises:
        InputError: the device is not there.
    """
    name = "cpu" if choose_device(device).type == "cpu" else "gpu"
    return name if name in recipe_profiles(path) else None


def _load(
    recipe: TrainingRecipe | Path | str, *, profile: str | None, overrides: tuple[str, ...], device: str
) -> TrainingRecipe:
    if isinstance(recipe, TrainingRecipe):
        if profile is not None or overrides:
            message = "train: profile and overrides belong to recipe files. Change the recipe itself with replace()."
            raise InputError(message)
        return recipe
    path = find_recipe(recipe)
    chosen = profile if profile is not None else default_profile(path, device=device)
    return load_recipe(path, profile=chosen, overrides=overrides, settings_of=package_settings)
