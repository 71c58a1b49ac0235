"""What every loss of medseg takes and promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg.config import Config
from medseg.errors import ConfigError, GeometryError, InputError, LabelError
from medseg.losses.class_weights import ClassWeighting
from medseg.losses.voxel_batch import VoxelBatch

NonNegative = Annotated[float, Field(ge=0)]


class LossOptions(Config):
    """What all losses have in common."""

    class_weights: tuple[NonNegative, ...] | ClassWeighting | None = None
    """How much each class counts, background first; only their ratios matter. "inverse_frequency" and
    "median_frequency" take them from the training cases. Absent: all the same."""
    ignore_index: int | None = None
    """Target value of voxels that count for nothing, as if they were not there."""


class SegmentationLoss(nn.Module, ABC):
    """A loss for exclusive classes.

    Contract: `loss(logits, target, pixel_weights=None)` is a scalar, at least 0, near 0 for a perfect prediction, in
    float32 (float64 for float64 logits) whatever the precision of the network. It and its gradient are finite for
    every finite input, also without foreground and where every voxel is ignored (then both are 0). Leaving a voxel
    out and giving it `ignore_index` are the same.

    Args:
        num_classes: classes of the logits, background included.
        options: settings.

    Attributes:
        batch_type: how softmax and sums over voxels are computed.
        class_weights: shape (K,), or None.

    Raises:
        ConfigError: the settings do not fit the number of classes.
    """

    takes_pixel_weights = True
    batch_type: type[VoxelBatch] = VoxelBatch
    class_weights: Tensor | None

    def __init__(self, *, num_classes: int, options: LossOptions) -> None:
        super().__init__()
        if num_classes < 2:
            message = f"a loss needs 2 classes or more, background included, got {num_classes}."
            raise ConfigError(message)
        self.num_classes = num_classes
        self.ignore_index = options.ignore_index
        self.register_buffer("class_weights", self.per_class("class_weights", options.class_weights), persistent=False)

    def per_class(self, option: str, values: Sequence[float] | ClassWeighting | None) -> Tensor | None:
        """`values` as a tensor.

        Raises:
            ConfigError: they are not one for each class, all are 0, or nobody has counted the voxels yet.
        """
        if values is None:
            return None
        if isinstance(values, ClassWeighting):
            message = (
                f"loss.options.{option}: {values.value} needs the voxels of each class counted. Hand them to "
                f"build_loss as class_counts, or give one number for each class."
            )
            raise ConfigError(message)
        if len(values) != self.num_classes:
            message = (
                f"loss.options.{option}: expected {self.num_classes} numbers, one for each class with the background "
                f"first, got {len(values)}."
            )
            raise ConfigError(message)
        if not any(values):
            message = f"loss.options.{option}: at least one must be greater than 0, got {list(values)!r}."
            raise ConfigError(message)
        return torch.tensor(values, dtype=torch.float32)

    @abstractmethod
    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments."""

    def forward(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: shape (N, K, *spatial).
            target: class indices, shape (N, *spatial).
            pixel_weights: how much each voxel counts, shape (N, *spatial); only their ratios matter.

        Raises:
            InputError: the arguments are of the wrong kind, or the loss cannot weigh voxels.
            GeometryError: their shapes do not fit.
            LabelError: a target value is no class (looked for on the CPU only).
        """
        self._check(logits, target, pixel_weights)
        # bf16 keeps three digits: sums over voxels and logarithms near 0 need more.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        counted = None if self.ignore_index is None else target != self.ignore_index
        known = target if counted is None else torch.where(counted, target, 0)
        self._check_classes(known)
        weights = None if pixel_weights is None else pixel_weights.to(logits.dtype)
        return self.compute(self.batch_type(logits=logits, target=known.long(), counted=counted, pixel_weights=weights))

    def _check(self, logits: Tensor, target: Tensor, pixel_weights: Tensor | None) -> None:
        if logits.ndim < 3 or logits.shape[1] != self.num_classes:
            message = (
                f"{type(self).__name__}: expected logits of shape (batch, {self.num_classes}, *spatial), "
                f"got {tuple(logits.shape)}."
            )
            raise GeometryError(message)
        expected = (logits.shape[0], *logits.shape[2:])
        for name, values in (("target", target), ("pixel_weights", pixel_weights)):
            if values is not None and tuple(values.shape) != expected:
                message = (
                    f"{type(self).__name__}: expected {name} of shape {expected} for logits of shape "
                    f"{tuple(logits.shape)}, got {tuple(values.shape)}. Drop a channel axis, or crop it with the "
                    f"network's crop_to_output."
                )
                raise GeometryError(message)
        if target.is_floating_point():
            message = f"{type(self).__name__}: expected whole numbers as target, got {target.dtype}."
            raise InputError(message)
        if pixel_weights is not None and not self.takes_pixel_weights:
            message = (
                f"{type(self).__name__} compares regions and cannot weigh voxels. Leave the weights out "
                f"(transforms.border_weights) or choose a loss with a cross entropy or focal part."
            )
            raise InputError(message)

    def _check_classes(self, target: Tensor) -> None:
        # On a GPU this look would make every step wait; torch reports such a target there by itself.
        if target.device.type != "cpu" or target.numel() == 0:
            return
        low, high = int(target.min()), int(target.max())
        if low < 0 or high >= self.num_classes:
            wrong = low if low < 0 else high
            message = (
                f"{type(self).__name__}: expected class indices from 0 to {self.num_classes - 1}, got {wrong}. "
                f"Map the labels to classes, or set loss.options.ignore_index."
            )
            raise LabelError(message)


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of `values`, weighted; 0 where all weights are 0."""
    if weights is None:
        return values.mean()
    total = weights.sum()
    return (values * weights).sum() / total.clamp_min(torch.finfo(total.dtype).tiny)
