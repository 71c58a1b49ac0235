"""Losses for segmentation, by name."""

from medseg.losses.base import SegmentationLoss
from medseg.losses.class_weights import ClassWeighting, class_weights_from_counts
from medseg.losses.deep_supervision import deep_supervision_loss
from medseg.losses.factory import LossDescription, available_losses, build_loss

__all__ = [
    "ClassWeighting",
    "LossDescription",
    "SegmentationLoss",
    "available_losses",
    "build_loss",
    "class_weights_from_counts",
    "deep_supervision_loss",
]
