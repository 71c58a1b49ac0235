"""SegNet.

Badrinarayanan, Kendall, Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation,
TPAMI 2017, doi 10.1109/TPAMI.2016.2644615.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.unpooling_decoder import UnpoolingDecoder
from medseg.models.blocks.vgg import STAGE_DEPTHS, VGG16
from medseg.models.blocks.width import WidthFactor
from medseg.models.input_size import InputSizeRule

# The classifier takes the place of the decoder's last convolution.
_DECODER_DEPTHS = (STAGE_DEPTHS[0] - 1, *STAGE_DEPTHS[1:])

# Five halvings have to leave one pixel; odd sizes in between come back because unpooling knows them.
_SIZES = InputSizeRule(divisor=(1, 1), minimum=(32, 32))


class SegNetOptions(Config):
    """What may differ from the paper."""

    width_factor: WidthFactor = 1.0
    """Channels over those of VGG16."""


class SegNet(SegmentationNetwork):
    """VGG16 and its mirror image: the decoder puts features back where the encoder's poolings found their maxima.

    26 convolutions with batch norm; 29,449,355 parameters for 3 channels and 11 classes, the last convolution being
    the 3-wide classifier. Takes images of any size from 32 x 32.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: SegNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or SegNetOptions()
        super().__init__(in_channels=in_channels, num_classes=num_classes, spatial_dims=spatial_dims, input_size=_SIZES)
        self.trunk = VGG16(in_channels, width_factor=options.width_factor, batch_norm=True)
        self.decoder = UnpoolingDecoder(
            widths=self.trunk.widths, depths=_DECODER_DEPTHS, convolution=nn.Conv2d, batch_norm=True
        )
        self.head = nn.Conv2d(self.trunk.widths[0], num_classes, kernel_size=3, padding=1)
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features, positions = self.trunk.forward_with_positions(to_channels_last(images))
        return SegmentationOutput(self.head(self.decoder(features, positions)), ())
