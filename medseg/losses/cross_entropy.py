"""Losses that compare voxel by voxel: cross entropy and its focal relatives."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from medseg.losses.base import LossOptions, NonNegative, SegmentationLoss, weighted_mean
from medseg.losses.voxel_batch import VoxelBatch

Share = Annotated[float, Field(ge=0, le=1)]


class CrossEntropyOptions(LossOptions):
    """Settings of the cross entropy."""


class FocalOptions(LossOptions):
    """Settings of the focal losses."""

    gamma: NonNegative = 2.0
    """How much less a voxel counts the surer its class is; 0 is the cross entropy."""
    alpha: Share | tuple[NonNegative, ...] | None = None
    """One number: what foreground counts, the background counts the rest to 1. Several: one for each class. Unlike
    `class_weights` it is no part of the mean's denominator, as in the paper."""


class CrossEntropyLoss(SegmentationLoss):
    """Weighted mean over voxels of -log p_t, p_t the softmax probability of the voxel's own class.

    A voxel's weight is that of its class times its own: the energy of Ronneberger 2015, eq. 1,
    doi 10.1007/978-3-319-24574-4_28, divided by the sum of the weights, so that the loss does not depend on their
    scale.
    """

    def __init__(self, *, num_classes: int, options: CrossEntropyOptions | None = None) -> None:
        super().__init__(num_classes=num_classes, options=options or CrossEntropyOptions())

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments."""
        return weighted_mean(-batch.log_probability_of_target, batch.voxel_weights(self.class_weights))


class FocalLoss(SegmentationLoss):
    """Weighted mean over voxels of -alpha_t (1 - p_t)^gamma log p_t, p_t the *softmax* probability of the own class.

    Lin 2017, eq. 5, doi 10.1109/ICCV.2017.324, carried from two classes to several exclusive ones. The mean is over
    voxels, so gamma 0 is the cross entropy; MONAI's `FocalLoss(use_softmax=True)` also divides by the number of
    classes.
    """

    alpha: Tensor | None

    def __init__(self, *, num_classes: int, options: FocalOptions | None = None) -> None:
        options = options or FocalOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.gamma = options.gamma
        alpha = options.alpha
        if isinstance(alpha, float):
            alpha = (1 - alpha, *(alpha for _ in range(num_classes - 1)))
        self.register_buffer("alpha", self.per_class("alpha", alpha), persistent=False)

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments."""
        losses = _focal(batch.log_probability_of_target, gamma=self.gamma)
        if self.alpha is not None:
            losses = losses * self.alpha.to(losses.dtype)[batch.target]
        return weighted_mean(losses, batch.voxel_weights(self.class_weights))


class SigmoidFocalLoss(SegmentationLoss):
    """Mean over voxels and classes of -alpha_t (1 - p_t)^gamma log p_t, each class a yes-no question of its own.

    p_t is the *sigmoid* of the class's logit where the voxel has the class, and 1 minus it elsewhere: Lin 2017, eq. 5,
    doi 10.1109/ICCV.2017.324, class by class. One `alpha` is what a yes counts, a no counts the rest to 1; several are
    one for each class's yes. For exclusive classes that are predicted by softmax, `FocalLoss` is the consistent
    choice.
    """

    alpha: Tensor | None

    def __init__(self, *, num_classes: int, options: FocalOptions | None = None) -> None:
        options = options or FocalOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.gamma = options.gamma
        alpha = options.alpha
        self.alpha_of_no = 1 - alpha if isinstance(alpha, float) else 1.0
        yes = (alpha,) * num_classes if isinstance(alpha, float) else alpha
        self.register_buffer("alpha", self.per_class("alpha", yes), persistent=False)

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments."""
        along_classes = (-1, *(1,) * (batch.target.ndim - 1))
        classes = torch.arange(self.num_classes, device=batch.target.device).view(along_classes)
        yes = batch.target.unsqueeze(1) == classes
        losses = _focal(F.logsigmoid(torch.where(yes, batch.logits, -batch.logits)), gamma=self.gamma)
        if self.alpha is not None:
            losses = losses * torch.where(yes, self.alpha.to(losses.dtype).view(along_classes), self.alpha_of_no)
        if self.class_weights is None:
            per_voxel = losses.mean(dim=1)
        else:
            shares = self.class_weights / self.class_weights.sum()
            per_voxel = (losses * shares.to(losses.dtype).view(along_classes)).sum(dim=1)
        return weighted_mean(per_voxel, batch.voxel_weights(None))


def _focal(log_probability: Tensor, *, gamma: float) -> Tensor:
    """-(1 - p)^gamma log p, voxel by voxel."""
    if gamma == 0:
        return -log_probability
    # A gamma below 1 has an infinite slope at 1 - p = 0: stay just off it.
    doubt = (1 - log_probability.exp()).clamp_min(torch.finfo(log_probability.dtype).eps)
    return -doubt.pow(gamma) * log_probability
