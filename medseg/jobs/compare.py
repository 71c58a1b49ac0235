"""The same small budget for several networks, losses or other variants of a recipe, and one table of what came out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medseg.config import TrainingRecipe, load_recipe
from medseg.datasets.case import Dataset
from medseg.errors import Cancelled, InputError, MedsegError
from medseg.evaluation import Evaluation, aggregate, score_pair
from medseg.folder_lock import one_run_at_a_time
from medseg.inference.package import read_manifest
from medseg.jobs.compared_recipes import Choice, ComparedRecipe, compared_recipes
from medseg.jobs.network_cost import measure_apart
from medseg.jobs.train import default_profile, find_recipe, train
from medseg.reports.network_comparison import ComparedRow, ComparedRun, NetworkComparison, write_comparison
from medseg.reports.run_log import read_run_log
from medseg.training.progress import Reporter, choose_reporter, describe_duration
from medseg.training.run_data import open_run_dataset
from medseg.training.run_folder import RunFolder, next_run_folder, write_json
from medseg.training.validation import ValidationCase, read_validation_case

_RUNS = Path("runs")
_COST = "cost.json"


@dataclass(frozen=True)
class ComparisonResult:
    """A finished comparison.

    Attributes:
        comparison: its rows.
        folder: where they, the report and the run folders lie.
    """

    comparison: NetworkComparison
    folder: Path


@dataclass(frozen=True)
class _Setting:
    """What all runs of a comparison have in common."""

    data_dir: Path | None
    device: str
    quiet: bool
    resume: bool


def compare(  # noqa: PLR0913 - the settings of one call
    recipe: Path | str,
    *,
    models: Sequence[str] = (),
    losses: Sequence[str] = (),
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    data_dir: Path | None = None,
    output: Path | None = None,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> ComparisonResult:
    """Train each network, variant and loss by one recipe, and write a table of costs and scores.

    One that fails is a row that says why; the others go on.

    Args:
        recipe: file, or name of a shipped recipe; its `compare` settings for a network are laid over for that one.
        models: names, or "all" for those that can learn what the recipe asks for; none takes the recipe's own.
        losses: names; none takes the recipe's own.
        variants: names in the file's section `variants`, or "all"; where nothing is chosen at all, all of them.
        seeds: each row is trained with each, its scores are their means; none takes the recipe's own.
        data_dir: folder of the data set; None lets the data set find or make it.
        output: folder to write; None takes the first free one of runs/compare_<recipe>-1, ...
        profile: one of the file's profiles; None takes that of the device, as in `medseg.jobs.train`.
        overrides: `key.path=value` each, laid over for every row.
        resume: go on in `output`; what is finished is not trained again.
        device: "auto", "cpu", "cuda" or "mps".
        quiet: say nothing on stderr.

    Raises:
        UnknownNameError: there is no such recipe, network, variant or loss.
        ConfigError: the recipe is wrong, or a network cannot have as many axes as it.
        InputError: the data or the device is not there, or the folder is taken or in use.
        Cancelled: the user stopped it; what is done is kept.
    """
    path = find_recipe(recipe)
    chosen = profile if profile is not None else default_profile(path, device=device)
    base = load_recipe(path, profile=chosen, overrides=overrides)
    dataset = open_run_dataset(base, data_dir=data_dir)
    compared, notes = compared_recipes(
        path,
        Choice(models, losses, variants),
        profile=chosen,
        overrides=overrides,
        foreground_classes=len(dataset.labels.foreground),
    )
    folder = _open_folder(output, base, resume=resume)
    setting = _Setting(data_dir, device, quiet, resume)
    repeats = {one.name: _repeats(one, seeds) for one in compared}
    reporter = choose_reporter(quiet=quiet)
    clock = _Clock(sum(map(len, repeats.values())), reporter)
    with one_run_at_a_time(folder, say=reporter.say):
        rows = [_row(one, repeats[one.name], folder, setting=setting, clock=clock) for one in compared]
        rows += _constant_answers(base, dataset)
        comparison = NetworkComparison(base.name, _budget(repeats, base), tuple(rows), notes)
        write_comparison(comparison, folder)
    return ComparisonResult(comparison, folder)


def _repeats(one: ComparedRecipe, seeds: Sequence[int]) -> dict[str, TrainingRecipe]:
    """Run folder -> recipe, one for each seed."""
    if not seeds:
        return {one.name: one.recipe}
    changed = {
        seed: one.recipe.replace(training=one.recipe.training.replace(seed=seed)) for seed in dict.fromkeys(seeds)
    }
    if len(changed) == 1:
        return dict.fromkeys([one.name], *changed.values())
    return {f"{one.name}-seed-{seed}": recipe for seed, recipe in changed.items()}


def _open_folder(output: Path | None, base: TrainingRecipe, *, resume: bool) -> Path:
    if output is None:
        if resume:
            message = "--resume: expected the folder of the comparison to go on with. Name it with --output."
            raise InputError(message)
        return next_run_folder(_RUNS, f"compare_{base.name}")
    folder = Path(output)
    if not resume:
        RunFolder(folder).check_new()
    elif not folder.is_dir():
        message = f"--resume: there is no folder {folder} to go on with. Leave --resume out to begin one."
        raise InputError(message)
    return folder


def _row(
    one: ComparedRecipe, repeats: Mapping[str, TrainingRecipe], folder: Path, *, setting: _Setting, clock: _Clock
) -> ComparedRow:
    """The row of a recipe, after training it where that is still to do."""
    patch_size = tuple(one.recipe.transforms.patch_size)
    row = ComparedRow(one.name, model=one.recipe.model.name, loss=one.recipe.loss.name, patch_size=patch_size)
    for name, recipe in repeats.items():
        run_dir = folder / name
        clock.begin(name, is_done=RunFolder(run_dir).is_finished)
        row = _with_run(row, recipe, run_dir, setting=setting)
        clock.end(row)
        if row.problem:
            return row
    return row


def _with_run(row: ComparedRow, recipe: TrainingRecipe, run_dir: Path, *, setting: _Setting) -> ComparedRow:
    """The row with one more training, or with the reason why there is none."""
    try:
        _train(recipe, run_dir, setting)
        cost = row.cost or _cost(recipe, run_dir, setting)
        run = RunFolder(run_dir)
        evaluation = Evaluation.from_json(run.metrics.read_text(encoding="utf-8"), source=str(run.metrics))
        pictures = sorted(run.validation.glob("*.png"))
        found = ComparedRun(recipe.training.seed, evaluation.summary, read_run_log(run.log))
        return replace(
            row, cost=cost, runs=(*row.runs, found), picture=row.picture or (pictures[0] if pictures else None)
        )
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one network fails of, the others go on, and the row names it
        kind = "" if isinstance(error, MedsegError) else f"{type(error).__name__}: "
        problem = " ".join(f"{kind}{error}".split()) or type(error).__name__
        return replace(row, problem=problem, runs=(), cost={}, picture=None)


def _train(recipe: TrainingRecipe, run_dir: Path, setting: _Setting) -> None:
    goes_on = setting.resume and run_dir.is_dir()
    train(
        recipe,
        data_dir=setting.data_dir,
        run_dir=run_dir,
        resume=goes_on,
        device=setting.device,
        quiet=setting.quiet,
    )


def _cost(recipe: TrainingRecipe, run_dir: Path, setting: _Setting) -> Mapping[str, Any]:
    """What the network costs; measured once."""
    path = run_dir / _COST
    if not path.exists():
        network = read_manifest(RunFolder(run_dir).package).architecture
        # What the recipe left open may have been decided by the data.
        measured = recipe.replace(model=recipe.model.replace(options=network.options))
        cost = measure_apart(
            measured, in_channels=network.in_channels, num_classes=network.num_classes, device=setting.device
        )
        write_json(path, asdict(cost))
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _constant_answers(base: TrainingRecipe, dataset: Dataset) -> list[ComparedRow]:
    """What answering one class everywhere would score: the background, and the class that scores best."""
    cases = {case.case_id: case for case in dataset.cases()}
    validation = [read_validation_case(cases[case_id]) for case_id in dataset.splits().validation]
    background, *others = (_constant_answer(base, dataset, validation, value) for value in dataset.labels.values)
    best = max(others, key=lambda row: np.nan_to_num(row.scores.get(base.training.monitor, 0.0)), default=background)
    return list({row.name: row for row in (background, best)}.values())


def _constant_answer(
    base: TrainingRecipe, dataset: Dataset, validation: Sequence[ValidationCase], value: int
) -> ComparedRow:
    scores = [
        score_pair(
            prediction=case.reference.replace(array=np.full_like(case.reference.array, value)),
            reference=case.reference,
            task=base.evaluation.task,
            case_id=case.case_id,
        )
        for case in validation
    ]
    name = dict(zip(dataset.labels.values, dataset.labels.names, strict=True))[value]
    return ComparedRow(f"all {name}", constant_scores=aggregate(scores).summary)


def _budget(repeats: Mapping[str, Mapping[str, TrainingRecipe]], base: TrainingRecipe) -> dict[str, str]:
    """What each row was given; ranges where they differ."""
    recipes = [recipe for of_row in repeats.values() for recipe in of_row.values()]
    trainings = [recipe.training for recipe in recipes]
    return {
        "data": base.data.dataset,
        "steps": _span([training.steps for training in trainings]),
        "batch": _span([training.batch_size for training in trainings]),
        "loss": ", ".join(dict.fromkeys(recipe.loss.name for recipe in recipes)),
        "seed": ", ".join(str(seed) for seed in dict.fromkeys(training.seed for training in trainings)),
    }


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


class _Clock:
    """Says which network is at work and how long the rest will take, at the mean time of those trained so far."""

    def __init__(self, total: int, reporter: Reporter) -> None:
        self._total = total
        self._reporter = reporter
        self._number = 0
        self._seconds: list[float] = []
        self._started = 0.0
        self._is_done = False

    def begin(self, name: str, *, is_done: bool) -> None:
        """A network's turn begins; `is_done` where it only has to be read."""
        left = self._total - self._number
        mean = sum(self._seconds) / len(self._seconds) if self._seconds else math.nan
        remaining = "ETA unknown" if math.isnan(mean) else f"ETA {describe_duration(mean * left)} for the {left} left"
        self._number += 1
        self._reporter.say(f"[{self._number}/{self._total}] {name}  {remaining}")
        self._started, self._is_done = time.monotonic(), is_done

    def end(self, row: ComparedRow) -> None:
        """Its turn ended."""
        if row.problem:
            self._reporter.say(f"{row.name} FAILED: {row.problem}")
        elif not self._is_done:
            self._seconds.append(time.monotonic() - self._started)
