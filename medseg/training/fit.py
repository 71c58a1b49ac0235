"""From a recipe to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

import medseg
from medseg.config import TrainingRecipe
from medseg.folder_lock import one_run_at_a_time
from medseg.inference.device import choose_device, choose_precision
from medseg.inference.manifest import PackageManifest
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.training.callbacks import check_monitor
from medseg.training.checkpoints import Checkpoint, RunState, load_checkpoint
from medseg.training.data_module import PatchDataset, build_train_loader
from medseg.training.determinism import reproducible
from medseg.training.ema import WeightAverage
from medseg.training.interruption import stop_requests
from medseg.training.lightning_loop import run_steps
from medseg.training.logs import RunLog
from medseg.training.packaging import describe_model, finish_run
from medseg.training.parent_scores import score_parent
from medseg.training.previews import Previews, WriteOverlay
from medseg.training.progress import Reporter, choose_reporter
from medseg.training.run import Environment, Run
from medseg.training.run_data import RunData, choose_splits, open_run_dataset, read_run_data
from medseg.training.run_folder import RunFolder, write_json
from medseg.training.starting_weights import Parent, find_parent, start_network
from medseg.training.tasks import Learner, training_task
from medseg.training.validation import Validation


def fit(  # noqa: PLR0913 - the settings of one call
    recipe: TrainingRecipe,
    *,
    data_dir: Path | None,
    run_dir: Path,
    resume: bool = False,
    device: str = "auto",
    write_preview: WriteOverlay | None = None,
    quiet: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Train by a recipe and return the run folder, which then holds weights, scores and pictures.

    On a CPU the weights at the end depend on the recipe, the data and the number of threads alone: a run that was
    killed at any moment and resumed ends with the same bytes as an unbroken one.

    Args:
        recipe: what to do.
        data_dir: folder of the data set; None lets the data set find or make it.
        run_dir: folder to write; must be new, or with `resume` hold a run of the same recipe.
        resume: go on from the last checkpoint.
        device: "auto", "cpu", "cuda" or "mps".
        write_preview: `medseg.reports.write_overlay`; None draws nothing.
        quiet: say nothing.
        cancelled: asked after each step whether to stop; Ctrl-C is heard anyway.

    Raises:
        InputError: the folder is taken, another run writes there, or the device is not there.
        ConfigError: the recipe is not that of the run, or asks for what data or networks do not have.
        ModelPackageError: a checkpoint is damaged.
        StorageError: a file could not be written.
        DivergedError: the loss became infinite or no number; the last good checkpoint is kept.
        Cancelled: the user stopped the run; its last checkpoint is kept.
    """
    folder = RunFolder(Path(run_dir))
    reporter = choose_reporter(quiet=quiet)
    torch_device = choose_device(device)
    _check_folder(folder, recipe, resume=resume)
    with stop_requests(cancelled) as is_cancelled, one_run_at_a_time(folder.root, say=reporter.say):
        # Once more, now that nobody else can write there.
        _check_folder(folder, recipe, resume=resume)
        checkpoint = _last_checkpoint(folder, reporter=reporter) if resume else None
        if checkpoint is not None and folder.is_finished and _is_complete(checkpoint.state, recipe):
            reporter.say(f"{folder.root}: this run is finished at step {checkpoint.state.step}; nothing was done.")
            return folder.root
        environment = _environment(recipe, device=torch_device, checkpoint=checkpoint)
        with reproducible(torch_device, num_threads=environment.num_threads):
            parts = _parts(recipe, data_dir=data_dir, folder=folder, reporter=reporter)
            start = _Start(recipe, folder, environment, torch_device, checkpoint, reporter, is_cancelled)
            _train(start, parts, write_preview=write_preview)
    return folder.root


@dataclass(frozen=True)
class _Start:
    """What is known of a run before its data are read; see `Run`."""

    recipe: TrainingRecipe
    folder: RunFolder
    environment: Environment
    device: torch.device
    checkpoint: Checkpoint | None
    reporter: Reporter
    cancelled: Callable[[], bool]


@dataclass(frozen=True)
class _Parts:
    """What a recipe and its data come to."""

    learner: Learner
    data: RunData
    manifest: PackageManifest
    parent: Parent | None


def _train(start: _Start, parts: _Parts, *, write_preview: WriteOverlay | None) -> None:
    """From the parts to the finished run folder."""
    recipe, folder, checkpoint = start.recipe, start.folder, start.checkpoint
    validation = Validation(
        cases=parts.data.validation,
        manifest=parts.manifest,
        device=start.device,
        precision=start.environment.precision,
        task=recipe.evaluation.task,
        cancelled=start.cancelled,
    )
    check_monitor(recipe.training, score_keys=validation.score_keys)
    _write_description(folder, recipe, parts, start.environment)
    if parts.parent is not None:
        score_parent(parts.parent, folder=folder, validation=validation, device=start.device, say=start.reporter.say)
    learner = parts.learner
    names = learner.objective.part_names
    with RunLog(folder, score_keys=validation.score_keys, part_names=names, after_step=_step_of(checkpoint)) as log:
        run = Run(
            recipe=recipe,
            folder=folder,
            environment=start.environment,
            device=start.device,
            state=RunState() if checkpoint is None else checkpoint.state,
            average=_restore(learner.network, recipe, device=start.device, checkpoint=checkpoint),
            validation=validation,
            log=log,
            previews=_previews(recipe, folder, parts.data, write_preview),
            reporter=start.reporter,
            cancelled=start.cancelled,
        )
        if not _is_complete(run.state, recipe):
            loader = _loader(recipe, parts.data, first_step=run.state.step)
            run_steps(run, network=learner.network, objective=learner.objective, loader=loader, checkpoint=checkpoint)
    finish_run(run, network=learner.network, manifest=parts.manifest, write_overlay=write_preview)


def _parts(recipe: TrainingRecipe, *, data_dir: Path | None, folder: RunFolder, reporter: Reporter) -> _Parts:
    dataset = open_run_dataset(recipe, data_dir=data_dir)
    parent = find_parent(recipe, dataset=dataset)
    task = training_task(recipe, dataset=dataset)
    splits = choose_splits(dataset, folder)
    data = read_run_data(recipe, dataset=dataset, splits=splits, reporter=reporter, objects=task.objects)
    learner = task.learner(data)
    manifest = describe_model(
        recipe, dataset=dataset, splits=splits, fingerprint=data.fingerprint, model_options=learner.options
    )
    manifest = start_network(learner.network, recipe=recipe, manifest=manifest, parent=parent)
    return _Parts(learner, data, manifest, parent)


def _previews(recipe: TrainingRecipe, folder: RunFolder, data: RunData, write: WriteOverlay | None) -> Previews:
    every_epochs = recipe.training.preview_every_epochs
    return Previews(folder=folder.previews, cases=data.validation, write=write, every_epochs=every_epochs)


def _check_folder(folder: RunFolder, recipe: TrainingRecipe, *, resume: bool) -> None:
    """Pass when the run may use its folder."""
    if resume:
        folder.check_resumable(recipe)
    else:
        folder.check_new()


def _last_checkpoint(folder: RunFolder, *, reporter: Reporter) -> Checkpoint | None:
    """The checkpoint to go on from; None where the run was stopped before its first."""
    folder.remove_left_overs()
    for path in (folder.last, folder.previous):
        if path.exists():
            checkpoint = load_checkpoint(path)
            reporter.say(f"{folder.root}: going on from step {checkpoint.state.step} ({path.name})")
            return checkpoint
    reporter.say(f"{folder.root}: there is no checkpoint yet, beginning anew")
    return None


def _environment(recipe: TrainingRecipe, *, device: torch.device, checkpoint: Checkpoint | None) -> Environment:
    """What beside the recipe decides the bits; a resumed run keeps its threads and, on the same device, precision."""
    before = checkpoint.environment if checkpoint is not None else {}
    precision = choose_precision(device, recipe.training.precision)
    if before.get("device") == device.type:
        precision = before["precision"]
    return Environment(
        device=device.type,
        precision=precision,
        num_threads=int(before.get("num_threads", torch.get_num_threads())),
        torch_version=str(torch.__version__),
        medseg_version=medseg.__version__,
    )


def _restore(
    network: SegmentationNetwork | DetectionNetwork,
    recipe: TrainingRecipe,
    *,
    device: torch.device,
    checkpoint: Checkpoint | None,
) -> WeightAverage | None:
    """Give the network the checkpoint's weights; returns the running mean that goes with them, where there is one."""
    if checkpoint is not None:
        network.load_state_dict(checkpoint.network)
    network.to(device)
    decay = recipe.training.ema_decay
    if decay is None:
        return None
    average = WeightAverage(network, decay=decay)
    if checkpoint is not None:
        average.load(checkpoint.average)
    return average


def _loader(recipe: TrainingRecipe, data: RunData, *, first_step: int) -> DataLoader[Any]:
    config = recipe.training
    return build_train_loader(
        PatchDataset(data.training, recipe.transforms, seed=config.seed),
        batch_size=config.batch_size,
        start_step=first_step,
        steps=config.steps - first_step,
        num_workers=config.num_workers,
    )


def _write_description(folder: RunFolder, recipe: TrainingRecipe, parts: _Parts, environment: Environment) -> None:
    """Write what the run is; from here on the folder is its own."""
    folder.write_config(recipe)
    write_json(folder.splits, asdict(parts.data.splits))
    write_json(folder.environment, asdict(environment))
    found = parts.learner.found
    write_json(folder.fingerprint, {**parts.data.fingerprint.to_json(), **({"objects": found} if found else {})})


def _is_complete(state: RunState, recipe: TrainingRecipe) -> bool:
    return state.stopped_early or state.step >= recipe.training.steps


def _step_of(checkpoint: Checkpoint | None) -> int:
    return 0 if checkpoint is None else checkpoint.state.step
