"""PSPNet: means over a pyramid of regions.

Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network, CVPR 2017, doi 10.1109/CVPR.2017.660.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.alignment import any_size_above, upsample_aligned
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.fcn_head import FCNHead
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.normalised_convolution import NormalisedConvolution
from medseg.models.blocks.resnet import DilatedResNet, ResNetDepth
from medseg.models.blocks.width import WidthFactor, scale_width

_OUTPUT_STRIDE = 8
_BINS = (1, 2, 3, 6)
_HEAD_WIDTH = 512
_AUXILIARY_WIDTH = 256


class PSPNetOptions(Config):
    """Shape of the network."""

    width_factor: WidthFactor = 1.0
    backbone: ResNetDepth = "resnet50"
    deep_stem: bool = True
    """Start with three 3-wide convolutions, as the authors do, in place of ResNet's 7-wide one."""
    auxiliary_head: bool = True
    """Train a head of its own on the third stage."""


class PyramidPooling(nn.Module):
    """The features and, beside them, their means over 1, 4, 9 and 36 regions of the image."""

    def __init__(self, in_channels: int, bin_channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(bins), NormalisedConvolution(in_channels, bin_channels, kernel_size=1)
                )
                for bins in _BINS
            ]
        )
        self.out_channels = in_channels + len(_BINS) * bin_channels

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels on the same grid."""
        size = features.shape[2:]
        pooled = (
            F.interpolate(branch(features), size=size, mode="bilinear", align_corners=False) for branch in self.branches
        )
        return torch.cat([features, *pooled], dim=1)


class PSPNet(SegmentationNetwork):
    """PSPNet: 49,081,578 parameters on ResNet-50, 68,073,706 on ResNet-101, for 3 channels and 21 classes.

    Without the auxiliary head they are 46,716,373 and 65,708,501; with the plain stem too, 46,592,597 and 65,584,725.
    Scores every 8 pixels, upsampled bilinearly inside to the input's size, those of the auxiliary head too.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: PSPNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or PSPNetOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=any_size_above(_OUTPUT_STRIDE),
        )
        factor = options.width_factor
        self.trunk = DilatedResNet(
            in_channels,
            depth=options.backbone,
            width_factor=factor,
            output_stride=_OUTPUT_STRIDE,
            deep_stem=options.deep_stem,
        )
        third, last = self.trunk.widths[2:]
        self.pyramid = PyramidPooling(last, max(1, last // len(_BINS)))
        self.head = FCNHead(self.pyramid.out_channels, scale_width(_HEAD_WIDTH, factor), num_classes)
        self.auxiliary_head = (
            FCNHead(third, scale_width(_AUXILIARY_WIDTH, factor), num_classes) if options.auxiliary_head else None
        )
        initialise_he(self, generator=generator)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return self.auxiliary_head is not None

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        *_, third, last = self.trunk(to_channels_last(images))
        scores = [self.head(self.pyramid(last))]
        if with_auxiliary and self.auxiliary_head is not None:
            scores.append(self.auxiliary_head(third))
        logits, *auxiliary = (
            upsample_aligned(coarse, stride=_OUTPUT_STRIDE, size=images.shape[2:]) for coarse in scores
        )
        return SegmentationOutput(logits, tuple(auxiliary))
