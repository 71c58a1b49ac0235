"""Losses that weigh false positives and false negatives apart."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor

from medseg.errors import ConfigError
from medseg.losses.base import NonNegative
from medseg.losses.overlap import OverlapLoss, OverlapOptions
from medseg.losses.voxel_batch import VoxelBatch


class TverskyOptions(OverlapOptions):
    """Settings of the Tversky loss. Papers disagree on which of the two is called alpha, so neither is."""

    false_positive_weight: NonNegative = 0.3
    """What a voxel counts that is predicted and not there: alpha of Salehi 2017, beta of Abraham 2019."""
    false_negative_weight: NonNegative = 0.7
    """What a voxel counts that is there and not predicted. Both 0.5: the Dice loss; both 1: the Jaccard loss."""


class FocalTverskyOptions(TverskyOptions):
    """Settings of the focal Tversky loss."""

    gamma: PositiveFloat = 4 / 3
    """The loss of a class is raised to 1 / gamma; above 1 nearly right classes are still worth an effort."""


class TverskyLoss(OverlapLoss):
    """Weighted mean over classes of 1 - Tversky index.

    Salehi 2017, doi 10.1007/978-3-319-67389-9_44. For each class, with p the softmax of the logits, r = 1 where the
    reference has the class, and sums over voxels:

        TI = (sum(p r) + smooth_numerator) / (sum(p r) + a sum(p (1 - r)) + b sum((1 - p) r) + smooth_denominator)

    a is `false_positive_weight`, b `false_negative_weight`; the defaults are the paper's best. The mean over classes
    is ours, the paper has one foreground class.
    """

    def __init__(self, *, num_classes: int, options: TverskyOptions | None = None) -> None:
        options = options or TverskyOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.false_positive_weight = options.false_positive_weight
        self.false_negative_weight = options.false_negative_weight
        if self.false_positive_weight + self.false_negative_weight == 0:
            message = (
                "loss.options.false_positive_weight, false_negative_weight: both are 0; at least one must be greater."
            )
            raise ConfigError(message)

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        return self.mean(self._per_class(batch))

    def _per_class(self, batch: VoxelBatch) -> Tensor:
        """1 - Tversky index of each region and class, shape (regions, K)."""
        sums = self.regions(batch)
        hit = sums.intersection
        false = self.false_positive_weight * (sums.predicted - hit) + self.false_negative_weight * (
            sums.reference - hit
        )
        return 1 - (hit + self.smooth_numerator) / (hit + false + self.smooth_denominator)


class FocalTverskyLoss(TverskyLoss):
    """Weighted mean over classes of (1 - Tversky index)^(1 / gamma).

    Abraham 2019, doi 10.1109/ISBI.2019.8759329, who sum over classes; the index is that of `TverskyLoss`.
    """

    def __init__(self, *, num_classes: int, options: FocalTverskyOptions | None = None) -> None:
        options = options or FocalTverskyOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.power = 1 / options.gamma

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        missing = self._per_class(batch)
        # The slope at 0 is infinite where gamma is above 1.
        least = torch.finfo(missing.dtype).eps
        return self.mean(torch.where(missing > least, missing.clamp_min(least).pow(self.power), 0))
