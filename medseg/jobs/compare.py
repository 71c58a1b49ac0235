"""The same small budget for several networks or losses, and one table of what came out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from medseg.config import TrainingRecipe, load_recipe
from medseg.datasets.case import Dataset
from medseg.errors import Cancelled, ConfigError, InputError, MedsegError
from medseg.evaluation import Evaluation, aggregate, score_pair
from medseg.jobs.network_cost import measure_apart
from medseg.jobs.train import default_profile, find_recipe, train
from medseg.losses import available_losses
from medseg.models import available_models
from medseg.registry import look_up
from medseg.reports.network_comparison import ComparedRow, NetworkComparison, write_comparison
from medseg.training.progress import Reporter, choose_reporter, describe_duration
from medseg.training.run_data import open_run_dataset
from medseg.training.run_folder import RunFolder, next_run_folder, write_json
from medseg.training.validation import ValidationCase, read_validation_case

ALL_MODELS = "all"

_RUNS = Path("runs")
_COST = "cost.json"


@dataclass(frozen=True)
class ComparisonResult:
    """A finished comparison.

    Attributes:
        comparison: its rows.
        folder: where they, the report and each network's run folder lie.
    """

    comparison: NetworkComparison
    folder: Path


@dataclass(frozen=True)
class _Member:
    """A network with a loss: its name, which is that of its run folder, and what it is trained by."""

    name: str
    recipe: TrainingRecipe


def compare(  # noqa: PLR0913 - the settings of one call
    recipe: Path | str,
    *,
    models: Sequence[str] = (),
    losses: Sequence[str] = (),
    data_dir: Path | None = None,
    output: Path | None = None,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
) -> ComparisonResult:
    """Train each network with each loss by one recipe, and write a table of costs and scores.

    A network that fails is a row that says why; the others go on.

    Args:
        recipe: file, or name of a shipped recipe; its `compare` settings for a network are laid over for that one.
        models: names, or "all" for those that have as many axes as the recipe; none takes the recipe's own.
        losses: names; none takes the recipe's own.
        data_dir: folder of the data set; None lets the data set find or make it.
        output: folder to write; None takes the first free one of runs/compare_<recipe>-1, ...
        profile: one of the file's profiles; None takes that of the device, as in `medseg.jobs.train`.
        overrides: `key.path=value` each, laid over for every network.
        resume: go on in `output`; networks that are finished are not trained again.
        device: "auto", "cpu", "cuda" or "mps".
        quiet: say nothing on stderr.

    Raises:
        UnknownNameError: there is no such recipe, network or loss.
        ConfigError: the recipe is wrong, or a network cannot have as many axes as it.
        InputError: the data or the device is not there, or the folder is taken.
        Cancelled: the user stopped it; what is done is kept.
    """
    path = find_recipe(recipe)
    chosen = profile if profile is not None else default_profile(path, device=device)
    base = load_recipe(path, profile=chosen, overrides=overrides)
    names, notes = _chosen_models(models, base)
    members = _members(path, names, losses, profile=chosen, overrides=overrides)
    folder = _open_folder(output, base, resume=resume)
    reporter = choose_reporter(quiet=quiet)
    dataset = open_run_dataset(base, data_dir=data_dir)
    rows: list[ComparedRow] = []
    clock = _Clock(len(members), reporter)
    for member in members:
        run_dir = folder / member.name
        clock.begin(member.name, is_done=RunFolder(run_dir).is_finished)
        row = _row(member, run_dir, dataset=dataset, data_dir=data_dir, device=device, quiet=quiet, resume=resume)
        clock.end(row)
        rows.append(row)
    rows += _constant_answers(base, dataset)
    comparison = NetworkComparison(base.name, _budget(members, base), tuple(rows), notes)
    write_comparison(comparison, folder)
    return ComparisonResult(comparison, folder)


def _chosen_models(models: Sequence[str], base: TrainingRecipe) -> tuple[list[str], tuple[str, ...]]:
    """Names of the networks, and what is left out."""
    known = available_models()
    dims = base.transforms.spatial_dims
    if ALL_MODELS in models:
        fitting = [name for name, description in sorted(known.items()) if dims in description.spatial_dims]
        others = ", ".join(sorted(set(known) - set(fitting)))
        note = f"Left out, since they are not for {dims} spatial axes: {others}."
        return fitting, (note,) if others else ()
    names = list(dict.fromkeys(models)) or [base.model.name]
    for name in names:
        if dims not in look_up(known, name, kind="model").spatial_dims:
            message = f"model {name!r} is not for the {dims} spatial axes of recipe {base.name}. Leave it out."
            raise ConfigError(message)
    return names, ()


def _members(
    path: Path, models: Sequence[str], losses: Sequence[str], *, profile: str | None, overrides: tuple[str, ...]
) -> list[_Member]:
    if any(override.partition("=")[0] in {"model", "model.name"} for override in overrides):
        message = "--set model.name: the networks of a comparison are named by --models."
        raise ConfigError(message)
    wanted = tuple(dict.fromkeys(losses))
    for loss in wanted:
        look_up(available_losses(), loss, kind="loss")
    choices = tuple((f"loss.name={loss}",) for loss in wanted) or ((),)
    members = []
    for model in models:
        for choice in choices:
            recipe = load_recipe(path, profile=profile, overrides=(*overrides, *choice), compared_model=model)
            members.append(_Member(model if len(choices) < 2 else f"{model}-{recipe.loss.name}", recipe))
    return members


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
    member: _Member,
    run_dir: Path,
    *,
    dataset: Dataset,
    data_dir: Path | None,
    device: str,
    quiet: bool,
    resume: bool,
) -> ComparedRow:
    """The row of a network, after training it where that is still to do."""
    recipe = member.recipe
    named = ComparedRow(
        member.name, model=recipe.model.name, loss=recipe.loss.name, patch_size=tuple(recipe.transforms.patch_size)
    )
    try:
        goes_on = resume and run_dir.is_dir()
        train(recipe, data_dir=data_dir, run_dir=run_dir, resume=goes_on, device=device, quiet=quiet)
        if not (run_dir / _COST).exists():
            cost = measure_apart(
                recipe, in_channels=dataset.num_channels, num_classes=len(dataset.labels), device=device
            )
            write_json(run_dir / _COST, asdict(cost))
        return _measured(named, run_dir)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one network fails of, the others go on, and the row names it
        kind = "" if isinstance(error, MedsegError) else f"{type(error).__name__}: "
        return replace(named, problem=" ".join(f"{kind}{error}".split()) or type(error).__name__)


def _measured(row: ComparedRow, run_dir: Path) -> ComparedRow:
    """The row with what the run folder holds."""
    run = RunFolder(run_dir)
    evaluation = Evaluation.from_json(run.metrics.read_text(encoding="utf-8"), source=str(run.metrics))
    pictures = sorted(run.validation.glob("*.png"))
    cost = json.loads((run_dir / _COST).read_text(encoding="utf-8"))
    return replace(row, scores=evaluation.summary, cost=cost, picture=pictures[0] if pictures else None)


def _constant_answers(base: TrainingRecipe, dataset: Dataset) -> list[ComparedRow]:
    """What answering the background, or the commonest class, everywhere would score."""
    cases = {case.case_id: case for case in dataset.cases()}
    validation = [read_validation_case(cases[case_id]) for case_id in dataset.splits().validation]
    counts = {
        value: sum(int(np.count_nonzero(case.reference.array == value)) for case in validation)
        for value in dataset.labels.values
    }
    commonest = max(counts, key=counts.__getitem__)
    return [
        _constant_answer(base, dataset, validation, value)
        for value in dict.fromkeys((dataset.labels.values[0], commonest))
    ]


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
    return ComparedRow(f"all {name}", scores=aggregate(scores).summary)


def _budget(members: Sequence[_Member], base: TrainingRecipe) -> dict[str, str]:
    """What the networks were given; ranges where they differ."""
    trainings = [member.recipe.training for member in members]
    return {
        "data": base.data.dataset,
        "steps": _span([training.steps for training in trainings]),
        "batch": _span([training.batch_size for training in trainings]),
        "loss": ", ".join(dict.fromkeys(member.recipe.loss.name for member in members)),
        "seed": _span([training.seed for training in trainings]),
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
