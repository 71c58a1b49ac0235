"""Losses that compare regions."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor

from medseg.errors import ConfigError
from medseg.losses.base import LossOptions, NonNegative, SegmentationLoss, VoxelBatch


class DiceOptions(LossOptions):
    """Settings of the soft Dice loss."""

    include_background: bool = True
    """Whether class 0 is one of the classes whose Dice is averaged."""
    squared_denominator: bool = False
    """Square the probabilities and references of the denominator, as V-Net does."""
    per_image: bool = False
    """Average over one Dice per image and class. Otherwise all images of a batch are one region, which spares images
    without foreground from a loss that nothing but an empty prediction can lower."""
    smooth_numerator: NonNegative = 1e-5
    """Added to the numerator; in relation to `smooth_denominator` the Dice of a class that nobody has."""
    smooth_denominator: PositiveFloat = 1e-5
    """Added to the denominator; keeps it from being 0."""


class DiceLoss(SegmentationLoss):
    """Weighted mean over classes of 1 - Dice, with probabilities in place of a mask.

    For each class, with p the softmax of the logits, r = 1 where the reference has the class, and sums over voxels:

        Dice = (2 sum(p r) + smooth_numerator) / (sum(p^q) + sum(r^q) + smooth_denominator)

    q = 2 with `squared_denominator` (Milletari 2016, doi 10.1109/3DV.2016.79), else 1 (Drozdzal 2016,
    doi 10.1007/978-3-319-46976-8_19). The mean over classes is ours, as in later work; V-Net has one foreground class.
    """

    takes_pixel_weights = False
    averaging: Tensor

    def __init__(self, *, num_classes: int, options: DiceOptions | None = None) -> None:
        options = options or DiceOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.power = 2 if options.squared_denominator else 1
        self.per_image = options.per_image
        self.smooth_numerator = options.smooth_numerator
        self.smooth_denominator = options.smooth_denominator
        averaging = torch.ones(num_classes) if self.class_weights is None else self.class_weights.clone()
        if not options.include_background:
            averaging[0] = 0
        if not averaging.any():
            message = "loss.options.class_weights: without the background all are 0; at least one must be greater."
            raise ConfigError(message)
        self.register_buffer("averaging", averaging / averaging.sum(), persistent=False)

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        probabilities = batch.log_probabilities.exp()
        classes = torch.arange(self.num_classes, device=batch.target.device)
        reference = batch.target.unsqueeze(1) == classes.view(-1, *(1,) * (batch.target.ndim - 1))
        if batch.counted is not None:
            probabilities = torch.where(batch.counted.unsqueeze(1), probabilities, 0)
            reference = reference & batch.counted.unsqueeze(1)
        axes = tuple(range(2, probabilities.ndim))
        if not self.per_image:
            axes = (0, *axes)
        intersection = torch.where(reference, probabilities, 0).sum(axes)
        predicted = probabilities.pow(self.power).sum(axes) if self.power != 1 else probabilities.sum(axes)
        extent = predicted + reference.sum(axes)
        dice = (2 * intersection + self.smooth_numerator) / (extent + self.smooth_denominator)
        return ((1 - dice) * self.averaging.to(dice.dtype)).sum(-1).mean()
