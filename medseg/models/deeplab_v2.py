"""DeepLab with a pyramid of dilated classifiers, on several scales of the image.

Chen, Papandreou, Kokkinos, Murphy, Yuille: DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous
Convolution, and Fully Connected CRFs, TPAMI 2018, doi 10.1109/TPAMI.2017.2699184.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.alignment import any_size_above, upsample_aligned
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.large_field import DENSE_LAYERS, OUTPUT_STRIDE, FullyConnected, atrous_vgg16
from medseg.models.blocks.resnet import DilatedResNet
from medseg.models.blocks.vgg import VGG16
from medseg.models.blocks.width import WidthFactor

_RATES = (6, 12, 18, 24)

Scale = Annotated[float, Field(gt=0, le=2)]


class DeepLabV2Options(Config):
    """Shape of the network."""

    width_factor: WidthFactor = 1.0
    backbone: Literal["resnet101", "resnet50", "vgg16"] = "resnet101"
    """vgg16 is the paper's ASPP-L, whose four branches each have both fully connected layers."""
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] = (0.5, 0.75, 1.0)
    """Sizes, over that of the image, on which the same weights look at it; the largest score counts. [1.0] takes about
    half the time. With several, each scale's own scores are the auxiliary logits."""


class DeepLabV2(SegmentationNetwork):
    """DeepLab-ASPP on ResNet-101: 44,048,532 parameters for 3 channels and 21 classes.

    Scores every 8 pixels, upsampled bilinearly inside to the input's size; the scales are fused there, where the paper
    fuses them on the coarse grid. The dense CRF is a step after the network. Batch norm is trained, where the paper
    keeps its ImageNet statistics.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DeepLabV2Options | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DeepLabV2Options()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=any_size_above(math.floor(OUTPUT_STRIDE / min(1.0, *options.scales))),
        )
        # Largest first, so that the auxiliary logits are the finest first.
        self.scales = tuple(sorted(options.scales, reverse=True))
        factor = options.width_factor
        self.trunk: VGG16 | DilatedResNet
        if options.backbone == "vgg16":
            self.trunk = atrous_vgg16(in_channels, width_factor=factor)
            build_branch = _large_branch
        else:
            self.trunk = DilatedResNet(in_channels, depth=options.backbone, width_factor=factor)
            build_branch = _small_branch
        entering = self.trunk.widths[-1]
        self.branches = nn.ModuleList(
            [build_branch(entering, num_classes, rate=rate, width_factor=factor) for rate in _RATES]
        )
        initialise_he(self, generator=generator)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return len(self.scales) > 1

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`; the auxiliary ones are those of each scale, at the input's size."""
        images = to_channels_last(images)
        seen = [self._at_scale(images, scale) for scale in self.scales]
        logits = seen[0]
        for other in seen[1:]:
            logits = torch.maximum(logits, other)
        return SegmentationOutput(logits, tuple(seen) if with_auxiliary and self.has_auxiliary_heads else ())

    def _at_scale(self, images: Tensor, scale: float) -> Tensor:
        """Logits from `images` resized by `scale`, at the images' own size."""
        if scale == 1:
            return self._at_own_size(images)
        size = [math.ceil(length * scale) for length in images.shape[2:]]
        logits = self._at_own_size(_resize(images, size))
        return _resize(logits, images.shape[2:])

    def _at_own_size(self, images: Tensor) -> Tensor:
        features = self.trunk(images)
        last = features["pool5"] if isinstance(features, dict) else features[-1]
        scores = torch.stack([branch(last) for branch in self.branches]).sum(dim=0)
        return upsample_aligned(scores, stride=OUTPUT_STRIDE, size=images.shape[2:])


def _small_branch(in_channels: int, num_classes: int, *, rate: int, width_factor: float) -> nn.Module:
    return nn.Conv2d(in_channels, num_classes, kernel_size=3, padding=rate, dilation=rate)


def _large_branch(in_channels: int, num_classes: int, *, rate: int, width_factor: float) -> nn.Module:
    layers = DENSE_LAYERS["large"]._replace(dilation=rate)
    connected = FullyConnected(in_channels, layers, width_factor=width_factor)
    return nn.Sequential(connected, nn.Conv2d(connected.out_channels, num_classes, kernel_size=1))


def _resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Corner pixels stay corner pixels, as the cells of `upsample_aligned` stay on theirs."""
    return F.interpolate(images, size=tuple(size), mode="bilinear", align_corners=True)
