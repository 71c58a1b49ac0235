"""The original U-Net.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
doi 10.1007/978-3-319-24574-4_28.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.convolution import ConvolutionBlock
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.input_size import InputSizeRule

_LEVELS = 5
_DIVISOR = 2 ** (_LEVELS - 1)

# Each of the two unpadded convolutions of a level costs one voxel a side: 2, 4, 8, 16 input voxels on the way down at
# levels 0..3 and again on the way up, and 32 at the bottom: 2 * (2 + 4 + 8 + 16) + 32 = 92. Four voxels of output
# are the fewest that leave something on every level: 4 + 2 * 92 = 188.
_VALID_SIZES = InputSizeRule(divisor=(_DIVISOR,) * 2, minimum=(188,) * 2, context_voxels=92)
_PADDED_SIZES = InputSizeRule(divisor=(_DIVISOR,) * 2, minimum=(_DIVISOR,) * 2)


class UNet2015Options(Config):
    """What may differ from the paper."""

    width: PositiveInt = 64
    """Channels of the finest level; each coarser one has twice as many."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Probability that a feature is dropped at the end of the contracting path (the last two levels). The paper names
    no rate; its published network has this one."""
    padding: Literal["valid", "same"] = "valid"
    """same pads every convolution with zeros, so that the logits cover the whole input."""


class UNet2015(SegmentationNetwork):
    """The U-Net of the paper: 23 convolutions, none padded, 31,030,658 parameters for 1 channel and 2 classes.

    An input of 572 x 572 gives logits of 388 x 388: the border of 92 pixels a side is context, to be filled by
    mirroring the image. Allowed sizes are 188, 204, ..., 572, ... .

    Differs from the paper in nothing but its options.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: UNet2015Options | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or UNet2015Options()
        padded = options.padding == "same"
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=_PADDED_SIZES if padded else _VALID_SIZES,
        )
        channels = [options.width * 2**level for level in range(_LEVELS)]
        below = list(itertools.pairwise(channels))

        def block(entering: int, leaving: int) -> ConvolutionBlock:
            return ConvolutionBlock(entering, leaving, spatial_dims=2, norm="none", padded=padded)

        self.contracting = nn.ModuleList(
            [block(in_channels, channels[0]), *(block(fine, coarse) for fine, coarse in below)]
        )
        self.dropout = nn.Dropout(options.dropout)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in below])
        self.expanding = nn.ModuleList([block(2 * fine, fine) for fine in channels[:-1]])
        self.head = nn.Conv2d(channels[0], num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = to_channels_last(images)
        skipped: list[Tensor] = []
        for level, block in enumerate(self.contracting):
            if level > 0:
                features = self.pool(features)
            features = block(features)
            if level >= _LEVELS - 2:
                features = self.dropout(features)
            skipped.append(features)
        for level in reversed(range(_LEVELS - 1)):
            features = self.up[level](features)
            features = torch.cat([_centre(skipped[level], features), features], dim=1)
            features = self.expanding[level](features)
        return SegmentationOutput(self.head(features), ())


def _centre(features: Tensor, like: Tensor) -> Tensor:
    """The middle of `features` that has the size of `like`."""
    return F.pad(
        features,
        [border for axis in (-1, -2) for border in [(like.shape[axis] - features.shape[axis]) // 2] * 2],
    )
