"""The Dice loss whose classes weigh by the inverse of their size."""

from __future__ import annotations

import torch
from torch import Tensor

from medseg.losses.overlap import OverlapLoss, OverlapOptions
from medseg.losses.voxel_batch import VoxelBatch


class GeneralisedDiceOptions(OverlapOptions):
    """Settings of the generalised Dice loss; `class_weights` multiply the weights of the sizes."""


class GeneralisedDiceLoss(OverlapLoss):
    """1 - generalised Dice: one ratio over all classes, in which a small class counts as much as a large one.

    Sudre 2017, doi 10.1007/978-3-319-67558-9_28. With p the softmax of the logits, r = 1 where the reference has the
    class, inner sums over voxels and outer ones over classes:

        GD = (2 sum(w sum(p r)) + smooth_numerator) / (sum(w (sum(p) + sum(r))) + smooth_denominator)

    w = 1 / sum(r)^2, scaled so that the largest is 1: else the smooth terms would outweigh the sums of large regions.
    A class that the reference does not have weighs as much as the smallest that it has, as in MONAI; the paper leaves
    it open.
    """

    def __init__(self, *, num_classes: int, options: GeneralisedDiceOptions | None = None) -> None:
        super().__init__(num_classes=num_classes, options=options or GeneralisedDiceOptions())

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        sums = self.regions(batch)
        there = (sums.reference > 0) & (self.averaging > 0)
        smallest = torch.where(there, sums.reference, torch.inf).amin(1, keepdim=True)
        weights = torch.where(there, (smallest / sums.reference.clamp_min(1)).square(), 1) * self.averaging
        intersection = (weights * sums.intersection).sum(1)
        extent = (weights * (sums.predicted + sums.reference)).sum(1)
        ratio = (2 * intersection + self.smooth_numerator) / (extent + self.smooth_denominator)
        return (1 - ratio).mean()
