"""DeconvNet.

Noh, Hong, Han: Learning Deconvolution Network for Semantic Segmentation, ICCV 2015, doi 10.1109/ICCV.2015.178.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg.config import Config
from medseg.errors import GeometryError
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.unpooling_decoder import UnpoolingDecoder
from medseg.models.blocks.vgg import STAGE_DEPTHS, VGG16
from medseg.models.blocks.width import WidthFactor, scale_width
from medseg.models.input_size import InputSizeRule

_FC_WIDTH = 4096


class DeconvNetOptions(Config):
    """What may differ from the paper."""

    width_factor: WidthFactor = 1.0
    """Channels over those of VGG16, of fc6 and fc7 too."""
    batch_norm: bool = True
    bottleneck_kernel: Annotated[int, Field(ge=1, le=7)] = 7
    """Width of fc6 and of its deconvolution. The smallest input is 32 times it: 224 for the paper's 7; smaller ones are
    for smaller images."""


class DeconvNet(SegmentationNetwork):
    """VGG16 down to one vector for 224 x 224 pixels, and its mirror image of unpoolings and deconvolutions back.

    251,805,653 parameters for 3 channels and 21 classes. Differs from the paper, which classifies object proposals of
    224 x 224 pixels, in one thing: any size from that on is taken, with a vector for each window of 224 pixels, 32
    pixels apart.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DeconvNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DeconvNetOptions()
        trunk = VGG16(in_channels, width_factor=options.width_factor, batch_norm=options.batch_norm)
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=(1, 1), minimum=(trunk.output_stride * options.bottleneck_kernel,) * 2),
        )
        self.trunk = trunk
        self.batch_norm = options.batch_norm
        deepest, fc_width = trunk.widths[-1], scale_width(_FC_WIDTH, options.width_factor)
        self.bottleneck_kernel = kernel = options.bottleneck_kernel
        self.fc6 = self._normalised(nn.Conv2d(deepest, fc_width, kernel))
        self.fc7 = self._normalised(nn.Conv2d(fc_width, fc_width, 1))
        self.fc6_deconvolution = self._normalised(nn.ConvTranspose2d(fc_width, deepest, kernel))
        self.decoder = UnpoolingDecoder(
            widths=trunk.widths,
            depths=STAGE_DEPTHS,
            convolution=nn.ConvTranspose2d,
            batch_norm=options.batch_norm,
        )
        self.head = nn.Conv2d(trunk.widths[0], num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def _normalised(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
        norm = [nn.BatchNorm2d(layer.out_channels)] if self.batch_norm else []
        return nn.Sequential(layer, *norm, nn.ReLU(inplace=True))

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`.

        Raises:
            GeometryError: in training, the whole batch has a single vector at the bottleneck: batch norm needs two.
        """
        pooled, positions = self.trunk.forward_with_positions(to_channels_last(images))
        self._check_batch(pooled)
        features = self.fc6_deconvolution(self.fc7(self.fc6(pooled)))
        return SegmentationOutput(self.head(self.decoder(features, positions)), ())

    def _check_batch(self, pooled: Tensor) -> None:
        vectors = len(pooled) * math.prod(size - self.bottleneck_kernel + 1 for size in pooled.shape[2:])
        if self.training and self.batch_norm and vectors == 1:
            larger = self.input_size.minimum[0] + self.trunk.output_stride
            message = (
                "DeconvNet: one image of this size leaves a single vector, too few for batch norm to be trained. "
                f"Take two images a batch, a patch size of {larger} x {larger}, or batch_norm: false."
            )
            raise GeometryError(message)
