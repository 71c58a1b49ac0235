"""Losses for segmentation, by name."""

from medseg.losses.base import SegmentationLoss
from medseg.losses.deep_supervision import deep_supervision_loss
from medseg.losses.factory import LossDescription, available_losses, build_loss

__all__ = ["LossDescription", "SegmentationLoss", "available_losses", "build_loss", "deep_supervision_loss"]
