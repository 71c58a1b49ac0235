"""Losses that compare regions."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor

from medseg.errors import ConfigError
from medseg.losses.base import LossOptions, NonNegative, SegmentationLoss
from medseg.losses.voxel_batch import RegionSums, VoxelBatch, batch_type_for


class RegionOptions(LossOptions):
    """What all losses that compare regions have in common."""

    include_background: bool = True
    """Whether class 0 is one of the classes over which is averaged."""


class OverlapOptions(RegionOptions):
    """What all losses over the overlap of regions have in common."""

    per_image: bool = False
    """Average over one value per image and class. Otherwise all images of a batch are one region, which spares images
    without foreground from a loss that nothing but an empty prediction can lower."""
    smooth_numerator: NonNegative = 1e-5
    """Added to the numerator; in relation to `smooth_denominator` the overlap of a class that nobody has."""
    smooth_denominator: PositiveFloat = 1e-5
    """Added to the denominator; keeps it from being 0."""


class DiceOptions(OverlapOptions):
    """Settings of the soft Dice loss."""

    squared_denominator: bool = False
    """Square the probabilities and references of the denominator, as V-Net does."""


class RegionLoss(SegmentationLoss):
    """A mean over classes; it cannot weigh single voxels.

    Attributes:
        averaging: share of each class in the mean over classes, shape (K,); their sum is 1.
    """

    takes_pixel_weights = False
    averaging: Tensor

    def __init__(self, *, num_classes: int, options: RegionOptions) -> None:
        super().__init__(num_classes=num_classes, options=options)
        averaging = torch.ones(num_classes) if self.class_weights is None else self.class_weights.clone()
        if not options.include_background:
            averaging[0] = 0
        if not averaging.any():
            message = "loss.options.class_weights: without the background all are 0; at least one must be greater."
            raise ConfigError(message)
        self.register_buffer("averaging", averaging / averaging.sum(), persistent=False)

    def mean(self, per_class: Tensor) -> Tensor:
        """Mean of values of shape (regions, K), weighted over classes."""
        return (per_class * self.averaging.to(per_class.dtype)).sum(-1).mean()


class OverlapLoss(RegionLoss):
    """A loss over the sums of probabilities of each class."""

    def __init__(self, *, num_classes: int, options: OverlapOptions) -> None:
        super().__init__(num_classes=num_classes, options=options)
        self.batch_type = batch_type_for(power=1)
        self.per_image = options.per_image
        self.smooth_numerator = options.smooth_numerator
        self.smooth_denominator = options.smooth_denominator

    def regions(self, batch: VoxelBatch, *, power: int = 1) -> RegionSums:
        """Sums of each region and class, shapes (regions, K): one region an image, or one for the batch."""
        sums = batch.region_sums(power=power)
        return sums if self.per_image else sums.over_batch()


class DiceLoss(OverlapLoss):
    """Weighted mean over classes of 1 - Dice, with probabilities in place of a mask.

    For each class, with p the softmax of the logits, r = 1 where the reference has the class, and sums over voxels:

        Dice = (2 sum(p r) + smooth_numerator) / (sum(p^q) + sum(r^q) + smooth_denominator)

    q = 2 with `squared_denominator` (Milletari 2016, doi 10.1109/3DV.2016.79), else 1 (Drozdzal 2016,
    doi 10.1007/978-3-319-46976-8_19). The mean over classes is ours, as in later work; V-Net has one foreground class.
    """

    def __init__(self, *, num_classes: int, options: DiceOptions | None = None) -> None:
        options = options or DiceOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.power = 2 if options.squared_denominator else 1
        self.batch_type = batch_type_for(self.power)

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        sums = self.regions(batch, power=self.power)
        extent = sums.predicted + sums.reference
        dice = (2 * sums.intersection + self.smooth_numerator) / (extent + self.smooth_denominator)
        return self.mean(1 - dice)
