"""DeepLab v3+: a decoder behind the atrous pyramid.

Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation,
ECCV 2018, doi 10.1007/978-3-030-01234-2_49.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medseg.models.base import SegmentationOutput
from medseg.models.blocks.alignment import upsample_aligned
from medseg.models.blocks.atrous import RATES, AtrousPyramid
from medseg.models.blocks.atrous_network import AtrousNetwork, AtrousOptions
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.normalised_convolution import NormalisedConvolution
from medseg.models.blocks.width import scale_width

_HEAD_WIDTH = 256
_DETAIL_WIDTH = 48
_DETAIL_STRIDE = 4


class DeepLabV3PlusOptions(AtrousOptions):
    """Shape of the network."""

    separable: bool = True
    """Separable convolutions in pyramid and decoder."""


class DeepLabV3Plus(AtrousNetwork):
    """DeepLab v3+: 45,674,853 parameters on ResNet-101, 26,682,725 on ResNet-50, for 3 channels and 21 classes.

    The pyramid's features are brought to every 4 pixels, joined with 48 channels of the first stage and refined by two
    3-wide convolutions. The scores are upsampled bilinearly inside from there to the input's size.

    Differs from the paper: no batch norm between the two parts of a separable convolution.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DeepLabV3PlusOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DeepLabV3PlusOptions()
        super().__init__(in_channels=in_channels, num_classes=num_classes, spatial_dims=spatial_dims, options=options)
        first, *_, last = self.trunk.widths
        width = scale_width(_HEAD_WIDTH, options.width_factor)
        detail = scale_width(_DETAIL_WIDTH, options.width_factor)
        separable = options.separable
        self.pyramid = AtrousPyramid(last, width, rates=RATES[options.output_stride], separable=separable)
        self.detail = NormalisedConvolution(first, detail, kernel_size=1)
        self.decoder = nn.Sequential(
            NormalisedConvolution(width + detail, width, separable=separable),
            NormalisedConvolution(width, width, separable=separable),
        )
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        first, *_, last = self.trunk(to_channels_last(images))
        detail = self.detail(first)
        seen = upsample_aligned(self.pyramid(last), stride=self.output_stride // _DETAIL_STRIDE, size=detail.shape[2:])
        scores = self.head(self.decoder(torch.cat([seen, detail], dim=1)))
        return SegmentationOutput(upsample_aligned(scores, stride=_DETAIL_STRIDE, size=images.shape[2:]), ())
