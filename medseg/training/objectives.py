"""What is minimised: from a network and a batch to a number, one class for each kind of answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from medseg.losses import deep_supervision_loss
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.training.object_targets import object_targets


@dataclass(frozen=True, eq=False)
class ObjectiveValue:
    """The loss of a batch.

    Attributes:
        total: what is minimised.
        parts: its summands by name; empty where it has none worth a curve of their own.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """The loss of a network on a batch of `medseg.training.data_module.build_train_loader`.

    Attributes:
        part_names: names of the parts, in the order in which they are logged.
    """

    part_names: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, network: Any, batch: Mapping[str, Tensor]) -> ObjectiveValue:
        """The loss of the batch; each objective takes its own kind of network."""


class ClassObjective(Objective):
    """A loss of logits against a class for each voxel, with the network's auxiliary heads."""

    def __init__(self, loss: nn.Module, *, auxiliary_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self._loss = loss
        self._auxiliary_weights = auxiliary_weights

    def forward(self, network: SegmentationNetwork, batch: Mapping[str, Tensor]) -> ObjectiveValue:
        """The loss of the batch: `image` (N, C, *spatial), `label` (N, *spatial) and, optionally, `weights`."""
        output = network.forward_with_auxiliary(batch["image"])
        target = network.crop_to_output(batch["label"])
        weights = network.crop_to_output(batch["weights"]) if "weights" in batch else None
        # The loss sums over many pixels, for which bf16 has too few digits.
        with torch.autocast(device_type=batch["image"].device.type, enabled=False):
            logits = output.logits.float()
            auxiliary = tuple(extra.float() for extra in output.auxiliary)
            total = deep_supervision_loss(
                self._loss, logits, auxiliary, target, weights, weights=self._auxiliary_weights
            )
        return ObjectiveValue(total)


class ObjectObjective(Objective):
    """The sum of a detection network's own losses; targets are made of the object codes in `label`."""

    def __init__(self, network: DetectionNetwork) -> None:
        super().__init__()
        self.part_names = network.loss_parts

    def forward(self, network: DetectionNetwork, batch: Mapping[str, Tensor]) -> ObjectiveValue:
        """The loss of the batch: `image` (N, C, height, width) and `label` (N, height, width) object codes."""
        targets = object_targets(batch["label"], num_classes=network.num_classes)
        parts = network.losses(batch["image"], targets)
        return ObjectiveValue(torch.stack([part.float() for part in parts.values()]).sum(), parts)
