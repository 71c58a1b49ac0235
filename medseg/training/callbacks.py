"""What happens beside the optimisation: watching the loss, averaging weights, and the end of each epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from medseg.config import TrainingConfig
from medseg.config.recipe import EarlyStopping
from medseg.errors import Cancelled, ConfigError, MedsegError
from medseg.training.checkpoints import Checkpoint, RunState, keep_as_previous, save_checkpoint
from medseg.training.determinism import generator_states, restore_generators, seed_torch
from medseg.training.ema import WeightAverage, weights_applied
from medseg.training.module import SegmentationModule, is_finite
from medseg.training.run import Run
from medseg.training.run_folder import RunFolder, recipe_values

_STEPS_BETWEEN_LOSS_READS = 20
"""On a GPU, reading a loss waits for the step; so several are read together."""


class DivergedError(MedsegError, ArithmeticError):
    """The loss or the weights are no longer finite numbers."""


class SeedEachEpoch(Callback):
    """Seeds dropout from (seed, epoch), so that an epoch draws the same whether or not the run was resumed before.

    Args:
        seed: of the run.
        state: where it stands.
        generators: from which an epoch that was broken off goes on.
    """

    def __init__(self, *, seed: int, state: RunState, generators: Sequence[Tensor] = ()) -> None:
        self._seed = seed
        self._state = state
        self._generators = generators

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed, or go on."""
        generators, self._generators = self._generators, ()
        if generators:
            restore_generators(generators)
        else:
            # Stream 0 gives the first weights.
            seed_torch(self._seed, stream=self._state.epoch + 1)


class AverageWeights(Callback):
    """Takes the weights after each step into their running mean."""

    def __init__(self, average: WeightAverage) -> None:
        self._average = average

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the mean."""
        module = cast("SegmentationModule", pl_module)
        self._average.update(module.network, step=module.step - 1)


class WatchSteps(Callback):
    """Reports each step, and ends the run when the loss is no number or the user asks for it.

    Args:
        run: the run.
        epoch_so_far: of the checkpoint that it goes on from.

    Attributes:
        mean_loss: over the steps of the epoch so far; nan where there were none.
        mean_parts: the same of each part of the loss that the objective names.
    """

    def __init__(self, run: Run, *, epoch_so_far: Mapping[str, Any]) -> None:
        self._run = run
        self._before = epoch_so_far
        self._unread: list[tuple[int, float, Tensor]] = []
        self._losses: list[float] = []
        self._parts: dict[str, Tensor] = {}

    @property
    def mean_loss(self) -> float:
        """Mean over the steps of the epoch so far; nan where there were none."""
        return math.fsum(self._losses) / len(self._losses) if self._losses else math.nan

    @property
    def mean_parts(self) -> dict[str, float]:
        """Means over the steps of the epoch so far."""
        return {name: float(total) / max(1, len(self._losses)) for name, total in self._parts.items()}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the epoch before, or go on with the one that was broken off."""
        before, self._before = self._before, {}
        self._losses = list(before.get("losses", ()))
        self._parts = dict(before.get("parts", {}))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the loss, at once on a CPU and now and then on a GPU.

        Raises:
            Cancelled: the user wants to stop.
            DivergedError: the loss is no finite number.
        """
        module = cast("SegmentationModule", pl_module)
        self._unread.append((module.step, module.lr, outputs["loss"].detach()))
        for name, part in outputs["parts"].items():
            self._parts[name] = self._parts[name] + part if name in self._parts else part
        if module.device.type == "cpu" or len(self._unread) >= _STEPS_BETWEEN_LOSS_READS:
            self.read_losses()
        if self._run.cancelled():
            self.keep(trainer, module)
            raise cancelled_at(module.step, self._run.folder)

    def keep(self, trainer: Trainer, module: SegmentationModule) -> None:
        """Write a checkpoint in the middle of the epoch, from which the next step can be done.

        After the last step of a run, where only the judgement is missing, the checkpoint of the epoch before stays.

        Raises:
            DivergedError: a loss is no finite number.
            StorageError: the file could not be written.
        """
        self.read_losses()
        if module.step < self._run.recipe.training.steps and is_finite(module.network.state_dict()):
            so_far = {"losses": self._losses, "parts": self._parts, "generators": generator_states()}
            keep_last(checkpoint_of(self._run, trainer, module, epoch_so_far=so_far), self._run.folder)

    def read_losses(self) -> None:
        """Read the losses that were not read yet.

        Raises:
            DivergedError: one is no finite number.
        """
        if not self._unread:
            return
        values = torch.stack([loss for _, _, loss in self._unread]).tolist()
        for (step, lr, _), value in zip(self._unread, values, strict=True):
            if not math.isfinite(value):
                raise diverged_at(step, what=f"the loss is {value}", lr=lr, folder=self._run.folder)
        self._losses += values
        step, lr, _ = self._unread[-1]
        self._unread.clear()
        self._run.reporter.on_step(step, loss=values[-1], lr=lr)


class EndOfEpoch(Callback):
    """Validates, logs, draws, writes checkpoints and decides whether to go on, in this order.

    The last checkpoint is written last: what a kill leaves in the other files belongs to steps after it, and a
    resumed run drops or repeats that.
    """

    def __init__(self, run: Run, *, steps: WatchSteps) -> None:
        self._run = run
        self._steps = steps

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch.

        Raises:
            Cancelled: the user stopped the validation.
            DivergedError: a weight is no finite number.
            StorageError: a file could not be written.
        """
        run, state, module = self._run, self._run.state, cast("SegmentationModule", pl_module)
        self._steps.read_losses()
        if not is_finite(module.network.state_dict()):
            raise diverged_at(module.step, what="a weight is not finite", lr=module.lr, folder=run.folder)
        scores = self._validate(trainer, module)
        state.step = module.step
        state.epoch += 1
        is_best = judge(scores[run.recipe.training.monitor], state=state, stopping=run.recipe.training.early_stopping)
        loss, lr = self._steps.mean_loss, module.lr
        parts = self._steps.mean_parts
        run.log.add(step=state.step, epoch=state.epoch, lr=lr, train_loss=loss, parts=parts, scores=scores)
        self._write_checkpoints(trainer, module, is_best=is_best)
        run.reporter.on_epoch(state.step, loss=loss, lr=lr, scores=scores, is_best=is_best)
        if state.stopped_early:
            monitor = run.recipe.training.monitor
            run.reporter.say(f"{monitor} has not risen for {state.stale_validations} validations: stopping early.")
            trainer.should_stop = True

    def _validate(self, trainer: Trainer, module: SegmentationModule) -> dict[str, float]:
        run = self._run
        try:
            if run.average is None:
                result = run.validation.run(module.network)
            else:
                with weights_applied(module.network, run.average.state):
                    result = run.validation.run(module.network)
        except Cancelled as error:
            self._steps.keep(trainer, module)
            raise cancelled_at(module.step, run.folder) from error
        run.previews.draw(epoch=run.state.epoch + 1, predictions=result.predictions)
        return dict(result.evaluation.summary)

    def _write_checkpoints(self, trainer: Trainer, module: SegmentationModule, *, is_best: bool) -> None:
        complete = checkpoint_of(self._run, trainer, module, epoch_so_far={})
        if is_best:
            weights_only = replace(complete, network=complete.validated_weights, optimiser={}, average={})
            save_checkpoint(weights_only, self._run.folder.best)
        keep_last(complete, self._run.folder)


def checkpoint_of(
    run: Run, trainer: Trainer, module: SegmentationModule, *, epoch_so_far: dict[str, Any]
) -> Checkpoint:
    """Everything that the run needs to go on after the step that was done last."""
    return Checkpoint(
        state=replace(run.state, step=module.step),
        network=dict(module.network.state_dict()),
        optimiser=trainer.optimizers[0].state_dict(),
        average={} if run.average is None else dict(run.average.state),
        recipe=recipe_values(run.recipe),
        environment=asdict(run.environment),
        epoch_so_far=epoch_so_far,
    )


def keep_last(checkpoint: Checkpoint, folder: RunFolder) -> None:
    """Write the checkpoint that a run goes on from; the one before it stays as well."""
    keep_as_previous(folder.last, folder.previous)
    save_checkpoint(checkpoint, folder.last)


def judge(score: float, *, state: RunState, stopping: EarlyStopping | None) -> bool:
    """Whether a validation's score is the best so far; keeps the best and the count for early stopping in `state`.

    An undefined score (nan) is never better than a defined one; the first validation is the best until another is.
    """
    is_first = state.best_step == 0
    has_risen = not math.isnan(score) and (state.best_score is None or score > state.best_score)
    if has_risen:
        state.best_score = score
    if is_first or has_risen:
        state.best_step, state.stale_validations = state.step, 0
    else:
        state.stale_validations += 1
    state.stopped_early = stopping is not None and state.stale_validations >= stopping.patience
    return is_first or has_risen


def check_monitor(config: TrainingConfig, *, score_keys: tuple[str, ...]) -> None:
    """Pass when the validation gives the score that chooses the best checkpoint.

    Raises:
        ConfigError: it does not; the message lists those that it gives.
    """
    if config.monitor not in score_keys:
        message = f"training.monitor: the validation gives no score {config.monitor!r}. Known: {', '.join(score_keys)}."
        raise ConfigError(message)


def cancelled_at(step: int, folder: RunFolder) -> Cancelled:
    """What to raise when the user stops a run."""
    kept = "There was no checkpoint yet; --resume begins anew."
    if folder.last.exists():
        kept = f"The last checkpoint is kept: {folder.last}; --resume goes on from there."
    message = f"stopped at step {step}. {kept}"
    return Cancelled(message)


def diverged_at(step: int, *, what: str, lr: float, folder: RunFolder) -> DivergedError:
    """What to raise when a run diverged."""
    message = (
        f"{folder.root}: {what} at step {step} (learning rate {lr:.3g}), so the run was stopped. "
        f"Lower training.optimiser.lr, or set training.precision=fp32, and start a new run."
    )
    if folder.last.exists():
        message += f" The last good checkpoint is kept: {folder.last}."
    return DivergedError(message)
