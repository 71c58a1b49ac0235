"""Handing a run to Lightning, which knows devices, precisions and the order of things within a step."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader

from medseg.inference.device import Precision
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.training.callbacks import AverageWeights, EndOfEpoch, SeedEachEpoch, WatchSteps
from medseg.training.checkpoints import Checkpoint
from medseg.training.module import SegmentationModule
from medseg.training.objectives import Objective
from medseg.training.run import Run

_PRECISIONS: dict[Precision, Literal["bf16-mixed", "32-true"]] = {"bf16": "bf16-mixed", "fp32": "32-true"}
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


class EpochBatches:
    """The batches of a run, handed out an epoch at a time.

    One loader serves the whole run, so its workers live on and prepare the next epoch while the validation runs.

    Args:
        loader: gives the batch of each step that is left.
        steps_per_epoch: of a whole epoch.
        steps_done: of the first epoch, where that was broken off.
    """

    def __init__(self, loader: DataLoader[Any], *, steps_per_epoch: int, steps_done: int = 0) -> None:
        self._loader = loader
        self._steps = steps_per_epoch
        self._steps_done = steps_done
        self._batches: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        if self._batches is None:
            self._batches = iter(self._loader)
        return self._epoch(self._batches)

    def _epoch(self, batches: Iterator[Any]) -> Iterator[Any]:
        steps, self._steps_done = self._steps - self._steps_done, 0  # not before: Lightning tries `iter` as well
        yield from itertools.islice(batches, steps)

    def __len__(self) -> int:
        """Number of steps of a whole epoch."""
        return self._steps


def run_steps(
    run: Run,
    *,
    network: SegmentationNetwork | DetectionNetwork,
    objective: Objective,
    loader: DataLoader[Any],
    checkpoint: Checkpoint | None,
) -> None:
    """Do the steps of a run from where it stands to its end.

    Lightning's own checkpoints and the state of its loops are not used: a run stands where its step says, and
    everything that a step needs follows from it.

    Args:
        run: the run.
        network: with the weights to go on from.
        objective: what is minimised.
        loader: gives the batch of each remaining step.
        checkpoint: holds the optimiser's state to go on from; None at the beginning.

    Raises:
        DivergedError: the loss or a weight is no finite number.
        Cancelled: the user wants to stop.
        StorageError: a file could not be written.
    """
    config = run.recipe.training
    module = SegmentationModule(
        network=network,
        objective=objective,
        config=config,
        first_step=run.state.step,
    )
    if checkpoint is not None:
        module.resume_optimiser(checkpoint.optimiser)
    so_far = {} if checkpoint is None else checkpoint.epoch_so_far
    seeds = SeedEachEpoch(seed=config.seed, state=run.state, generators=so_far.get("generators", ()))
    steps = WatchSteps(run, epoch_so_far=so_far)
    callbacks: list[Callback] = [seeds, steps, EndOfEpoch(run, steps=steps)]
    if run.average is not None:
        callbacks.insert(0, AverageWeights(run.average))
    run.reporter.begin(step=run.state.step, total_steps=config.steps)
    try:
        with _quiet_lightning():
            trainer = _trainer(run, callbacks)
            module.train()
            done = len(so_far.get("losses", ()))
            batches = EpochBatches(loader, steps_per_epoch=config.steps_per_epoch, steps_done=done)
            trainer.fit(module, train_dataloaders=batches)
    finally:
        run.reporter.end()


def _trainer(run: Run, callbacks: list[Callback]) -> Trainer:
    config = run.recipe.training
    return Trainer(
        accelerator=_ACCELERATORS[run.device.type],
        devices=[run.device.index or 0] if run.device.type == "cuda" else 1,
        # One process on one device, also inside a batch system that Lightning would otherwise take its ranks from.
        plugins=[LightningEnvironment()],
        precision=_PRECISIONS[run.environment.precision],
        max_epochs=-1,
        max_steps=config.steps - run.state.step,
        gradient_clip_val=config.gradient_clip_norm,
        callbacks=callbacks,
        default_root_dir=run.folder.root,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice (which devices there are, which product to try) from the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # The user chose the CPU with --device cpu and knows.
        warnings.filterwarnings("ignore", message="GPU available but not used", category=UserWarning)
        # Lightning 2.6 builds a class that torch 2.14 has deprecated; nothing here can change that.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*deprecated", category=FutureWarning)
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
