"""DeepLab v3: an atrous pyramid with the mean of the whole image.

Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution for Semantic Image Segmentation, 2017, arXiv 1706.05587
(doi 10.48550/arXiv.1706.05587).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medseg.models.base import SegmentationOutput
from medseg.models.blocks.alignment import upsample_aligned
from medseg.models.blocks.atrous import RATES, AtrousPyramid
from medseg.models.blocks.atrous_network import AtrousNetwork, AtrousOptions
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.fcn_head import FCNHead
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.normalised_convolution import NormalisedConvolution
from medseg.models.blocks.width import scale_width

_HEAD_WIDTH = 256


class DeepLabV3Options(AtrousOptions):
    """Shape of the network."""

    auxiliary_head: bool = False
    """Train a head of its own on the third stage, as torchvision does."""


class DeepLabV3(AtrousNetwork):
    """DeepLab v3: 58,630,997 parameters on ResNet-101 for 3 channels and 21 classes.

    Scores every 16 (or 8) pixels, upsampled bilinearly inside to the input's size, those of the auxiliary head too.

    Differs from the paper: one more 3-wide convolution between pyramid and classifier, as in torchvision, so that the
    count is that of its published weights.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DeepLabV3Options | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DeepLabV3Options()
        super().__init__(in_channels=in_channels, num_classes=num_classes, spatial_dims=spatial_dims, options=options)
        third, last = self.trunk.widths[2:]
        width = scale_width(_HEAD_WIDTH, options.width_factor)
        self.head = nn.Sequential(
            AtrousPyramid(last, width, rates=RATES[options.output_stride]),
            NormalisedConvolution(width, width),
            nn.Conv2d(width, num_classes, kernel_size=1),
        )
        self.auxiliary_head = FCNHead(third, width, num_classes) if options.auxiliary_head else None
        initialise_he(self, generator=generator)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return self.auxiliary_head is not None

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        *_, third, last = self.trunk(to_channels_last(images))
        scores = [self.head(last)]
        if with_auxiliary and self.auxiliary_head is not None:
            scores.append(self.auxiliary_head(third))
        logits, *auxiliary = (
            upsample_aligned(coarse, stride=self.output_stride, size=images.shape[2:]) for coarse in scores
        )
        return SegmentationOutput(logits, tuple(auxiliary))
