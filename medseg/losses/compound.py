"""Sums of a loss that compares regions and one that compares voxels."""

from __future__ import annotations

from torch import Tensor

from medseg.errors import ConfigError
from medseg.losses.base import NonNegative, SegmentationLoss
from medseg.losses.boundary import BoundaryLoss, BoundaryOptions
from medseg.losses.cross_entropy import CrossEntropyLoss, CrossEntropyOptions, FocalLoss, FocalOptions
from medseg.losses.overlap import DiceLoss, DiceOptions
from medseg.losses.voxel_batch import VoxelBatch


class DiceFocalOptions(DiceOptions, FocalOptions):
    """Settings of both parts; `class_weights` and `ignore_index` are for both."""

    dice_weight: NonNegative = 1.0
    focal_weight: NonNegative = 1.0


class DiceCrossEntropyOptions(DiceOptions, CrossEntropyOptions):
    """Settings of both parts; `class_weights` and `ignore_index` are for both."""

    dice_weight: NonNegative = 1.0
    cross_entropy_weight: NonNegative = 1.0


class DiceBoundaryOptions(DiceOptions, BoundaryOptions):
    """Settings of both parts; `class_weights`, `include_background` and `ignore_index` are for both."""

    dice_weight: NonNegative = 1.0
    boundary_weight: NonNegative = 0.01


class _DicePlus(SegmentationLoss):
    """dice_weight * Dice loss + other_weight * another loss, over one softmax."""

    def __init__(self, *, dice: DiceLoss, dice_weight: float, other: SegmentationLoss, other_weight: float) -> None:
        # The parts hold the class weights; this one only checks the arguments for both.
        super().__init__(num_classes=dice.num_classes, options=DiceOptions(ignore_index=dice.ignore_index))
        if dice_weight + other_weight == 0:
            message = "loss.options: the weights of both parts are 0; at least one must be greater."
            raise ConfigError(message)
        self.batch_type = dice.batch_type
        self.dice, self.dice_weight = dice, dice_weight
        self.other, self.other_weight = other, other_weight

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` are for the part that compares voxels."""
        return self.dice_weight * self.dice.compute(batch) + self.other_weight * self.other.compute(batch)


class DiceFocalLoss(_DicePlus):
    """dice_weight * Dice loss + focal_weight * focal loss, both over the softmax of the logits.

    Zhu 2019 (AnatomyNet), doi 10.1002/mp.13300, with the parts of `DiceLoss` and `FocalLoss`. MONAI's
    `DiceFocalLoss(softmax=True)` takes a sigmoid in its focal part, and so asks something else of the logits there.
    """

    def __init__(self, *, num_classes: int, options: DiceFocalOptions | None = None) -> None:
        options = options or DiceFocalOptions()
        super().__init__(
            dice=DiceLoss(num_classes=num_classes, options=options),
            dice_weight=options.dice_weight,
            other=FocalLoss(num_classes=num_classes, options=options),
            other_weight=options.focal_weight,
        )


class DiceCrossEntropyLoss(_DicePlus):
    """dice_weight * Dice loss + cross_entropy_weight * cross entropy, both over the softmax of the logits.

    The sum that nnU-Net trains with: Isensee 2021, doi 10.1038/s41592-020-01008-z.
    """

    def __init__(self, *, num_classes: int, options: DiceCrossEntropyOptions | None = None) -> None:
        options = options or DiceCrossEntropyOptions()
        super().__init__(
            dice=DiceLoss(num_classes=num_classes, options=options),
            dice_weight=options.dice_weight,
            other=CrossEntropyLoss(num_classes=num_classes, options=options),
            other_weight=options.cross_entropy_weight,
        )


class DiceBoundaryLoss(_DicePlus):
    """dice_weight * Dice loss + boundary_weight * boundary loss, both over the softmax of the logits.

    Kervadec 2021, doi 10.1016/j.media.2020.101851, with the Dice loss in place of the generalised one. The paper
    begins with a weight of 0.01 and raises it during the training; here it is constant.
    """

    takes_pixel_weights = False

    def __init__(self, *, num_classes: int, options: DiceBoundaryOptions | None = None) -> None:
        options = options or DiceBoundaryOptions()
        super().__init__(
            dice=DiceLoss(num_classes=num_classes, options=options),
            dice_weight=options.dice_weight,
            other=BoundaryLoss(num_classes=num_classes, options=options),
            other_weight=options.boundary_weight,
        )
        # The boundary needs the probabilities themselves, from which their sums come at once.
        self.batch_type = self.other.batch_type
