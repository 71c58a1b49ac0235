"""One training step: network, loss, learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from medseg.config import TrainingConfig
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.training.objectives import Objective
from medseg.training.optimisers import build_optimiser
from medseg.training.schedules import lr_factor


class SegmentationModule(LightningModule):
    """What Lightning needs to know to train a network.

    Attributes:
        network: the network.
        lr: learning rate of the step at hand, or of the last one that was done.
    """

    def __init__(
        self,
        *,
        network: SegmentationNetwork | DetectionNetwork,
        objective: Objective,
        config: TrainingConfig,
        first_step: int,
    ) -> None:
        super().__init__()
        self.network = network
        self._objective = objective
        self._config = config
        self._first_step = first_step
        self.lr = self._lr_of(max(0, first_step - 1))
        self._optimiser_state: Mapping[str, Any] = {}

    @property
    def step(self) -> int:
        """Steps done by this run, those before a resumption included."""
        return self._first_step + (self.trainer.global_step if self._trainer is not None else 0)

    def resume_optimiser(self, state: Mapping[str, Any]) -> None:
        """Continue with an optimiser's state from a checkpoint."""
        self._optimiser_state = state

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser, in the state that it was resumed with."""
        optimiser = build_optimiser(self._config.optimiser, self.network)
        if self._optimiser_state:
            optimiser.load_state_dict(dict(self._optimiser_state))
        return optimiser

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate, which is a function of the step alone."""
        self.lr = self._lr_of(self.step)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.lr

    def _lr_of(self, step: int) -> float:
        factor = lr_factor(step, schedule=self._config.schedule, total_steps=self._config.steps)
        return self._config.optimiser.lr * factor

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> dict[str, Any]:
        """The loss of a batch under "loss", and its parts by name under "parts".

        Args:
            batch: as `medseg.training.data_module.build_train_loader` makes it.
            batch_idx: Lightning's count.
        """
        value = self._objective(self.network, batch)
        return {"loss": value.total, "parts": {name: part.detach() for name, part in value.parts.items()}}


def is_finite(state: Mapping[str, Tensor]) -> bool:
    """Whether all weights are finite numbers."""
    return all(math.isfinite(float(value.sum())) for value in state.values() if value.is_floating_point())
