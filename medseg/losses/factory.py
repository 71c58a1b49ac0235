"""The table of losses, and building one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from medseg.config.options import parse_options
from medseg.losses.base import LossOptions, SegmentationLoss
from medseg.losses.boundary import BoundaryLoss, BoundaryOptions, HausdorffLoss, HausdorffOptions
from medseg.losses.class_weights import ClassWeighting, class_weights_from_counts
from medseg.losses.compound import (
    DiceBoundaryLoss,
    DiceBoundaryOptions,
    DiceCrossEntropyLoss,
    DiceCrossEntropyOptions,
    DiceFocalLoss,
    DiceFocalOptions,
)
from medseg.losses.cross_entropy import (
    CrossEntropyLoss,
    CrossEntropyOptions,
    FocalLoss,
    FocalOptions,
    SigmoidFocalLoss,
)
from medseg.losses.generalised_dice import GeneralisedDiceLoss, GeneralisedDiceOptions
from medseg.losses.lovasz import LovaszOptions, LovaszSoftmaxLoss
from medseg.losses.overlap import DiceLoss, DiceOptions
from medseg.losses.tversky import FocalTverskyLoss, FocalTverskyOptions, TverskyLoss, TverskyOptions
from medseg.registry import look_up


class LossClass(Protocol):
    """How every loss is built."""

    def __call__(self, *, num_classes: int, options: Any = None) -> SegmentationLoss:
        """The loss for `num_classes` classes."""
        ...


@dataclass(frozen=True)
class LossDescription:
    """A loss that `build_loss` knows.

    Attributes:
        summary: what it measures, in one line.
        citation: the paper and its DOI.
        loss: its class.
        options: class of its options; their fields are what `build_loss` takes.
    """

    summary: str
    citation: str
    loss: LossClass
    options: type[LossOptions]


_LOSSES: Mapping[str, LossDescription] = {
    "boundary": LossDescription(
        summary="mean over voxels of the error times its distance from the reference's boundary",
        citation="Kervadec 2021, doi 10.1016/j.media.2020.101851",
        loss=BoundaryLoss,
        options=BoundaryOptions,
    ),
    "cross_entropy": LossDescription(
        summary="mean of -log p over voxels, p the softmax probability of the own class",
        citation="Ronneberger 2015, eq. 1, doi 10.1007/978-3-319-24574-4_28",
        loss=CrossEntropyLoss,
        options=CrossEntropyOptions,
    ),
    "dice": LossDescription(
        summary="1 - soft Dice, mean over classes",
        citation="Milletari 2016, doi 10.1109/3DV.2016.79",
        loss=DiceLoss,
        options=DiceOptions,
    ),
    "dice_boundary": LossDescription(
        summary="dice + 0.01 boundary",
        citation="Kervadec 2021, doi 10.1016/j.media.2020.101851",
        loss=DiceBoundaryLoss,
        options=DiceBoundaryOptions,
    ),
    "dice_cross_entropy": LossDescription(
        summary="dice + cross_entropy",
        citation="Isensee 2021, doi 10.1038/s41592-020-01008-z",
        loss=DiceCrossEntropyLoss,
        options=DiceCrossEntropyOptions,
    ),
    "dice_focal": LossDescription(
        summary="dice + focal, both over the softmax",
        citation="Zhu 2019, doi 10.1002/mp.13300",
        loss=DiceFocalLoss,
        options=DiceFocalOptions,
    ),
    "focal": LossDescription(
        summary="cross entropy in which sure voxels count less; softmax, for exclusive classes",
        citation="Lin 2017, doi 10.1109/ICCV.2017.324",
        loss=FocalLoss,
        options=FocalOptions,
    ),
    "focal_tversky": LossDescription(
        summary="(1 - Tversky index) to a power, mean over classes",
        citation="Abraham 2019, doi 10.1109/ISBI.2019.8759329",
        loss=FocalTverskyLoss,
        options=FocalTverskyOptions,
    ),
    "generalised_dice": LossDescription(
        summary="1 - Dice over all classes together, each weighed by the inverse of its squared size",
        citation="Sudre 2017, doi 10.1007/978-3-319-67558-9_28",
        loss=GeneralisedDiceLoss,
        options=GeneralisedDiceOptions,
    ),
    "hausdorff": LossDescription(
        summary="mean over voxels of the squared error times its squared distances from both boundaries",
        citation="Karimi 2020, doi 10.1109/TMI.2019.2930068",
        loss=HausdorffLoss,
        options=HausdorffOptions,
    ),
    "lovasz_softmax": LossDescription(
        summary="1 - IoU carried from masks to probabilities by its Lovasz extension, mean over the classes present",
        citation="Berman 2018, doi 10.1109/CVPR.2018.00464",
        loss=LovaszSoftmaxLoss,
        options=LovaszOptions,
    ),
    "sigmoid_focal": LossDescription(
        summary="focal loss of a yes-no question for each class",
        citation="Lin 2017, doi 10.1109/ICCV.2017.324",
        loss=SigmoidFocalLoss,
        options=FocalOptions,
    ),
    "tversky": LossDescription(
        summary="1 - Tversky index, which weighs false positives and false negatives apart; mean over classes",
        citation="Salehi 2017, doi 10.1007/978-3-319-67389-9_44",
        loss=TverskyLoss,
        options=TverskyOptions,
    ),
}


def available_losses() -> Mapping[str, LossDescription]:
    """Name -> description of every loss that `build_loss` knows."""
    return _LOSSES


def build_loss(
    name: str, *, num_classes: int, class_counts: Callable[[], ArrayLike] | None = None, **options: Any
) -> SegmentationLoss:
    """The loss called `name`.

    Args:
        name: one of `available_losses`.
        num_classes: classes of the logits, background included.
        class_counts: gives the voxels of each class in each training image, shape (images, classes); called only where
            `class_weights` is the name of a rule.
        options: what the loss's options class holds.

    Raises:
        UnknownNameError: there is no such loss.
        ConfigError: an unknown option, or a value that is wrong or does not fit the number of classes.
        InputError: no voxel was counted.
    """
    description = look_up(_LOSSES, name, kind="loss")
    parsed = parse_options(description.options, options, path="loss.options")
    if isinstance(parsed.class_weights, ClassWeighting) and class_counts is not None:
        counts = np.array(class_counts())
        if parsed.ignore_index in range(num_classes):
            counts[:, parsed.ignore_index] = 0
        weights = class_weights_from_counts(counts, weighting=parsed.class_weights)
        parsed = parsed.replace(class_weights=weights)
    return description.loss(num_classes=num_classes, options=parsed)
