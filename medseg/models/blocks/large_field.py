"""VGG16 for dense prediction: the last two strides left out, the fully connected layers as dilated convolutions.

Chen 2015, arXiv 1412.7062.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import nn

from medseg.models.blocks.vgg import VGG16, Pooling
from medseg.models.blocks.width import scale_width

FieldOfView = Literal["large", "7x7", "4x4"]


class DenseLayers(NamedTuple):
    """The first fully connected layer as a convolution, and the channels of both."""

    kernel_size: int
    dilation: int
    channels: int

    @property
    def cells_to_nearest_weight(self) -> int:
        """Cells from the centre of the convolution to its nearest weight: none for an odd kernel."""
        return 0 if self.kernel_size % 2 else self.dilation // 2


DENSE_LAYERS: Mapping[FieldOfView, DenseLayers] = {
    "large": DenseLayers(3, 12, 1024),
    "7x7": DenseLayers(7, 4, 4096),
    "4x4": DenseLayers(4, 4, 4096),
}

OUTPUT_STRIDE = 8


def atrous_vgg16(in_channels: int, *, width_factor: float) -> VGG16:
    """VGG16 with features every 8 pixels, cell i on pixel 8 * i: pool4 and pool5 keep the size, conv5 is dilated."""
    return VGG16(
        in_channels,
        width_factor=width_factor,
        pooling=Pooling(kernel=3, strides=(2, 2, 2, 1, 1)),
        dilations=(1, 1, 1, 1, 2),
    )


class FullyConnected(nn.Sequential):
    """fc6 and fc7 as convolutions, with ReLU and dropout; the size stays.

    Attributes:
        out_channels: channels of fc7.
    """

    def __init__(self, in_channels: int, layers: DenseLayers, *, width_factor: float, dropout: float = 0.5) -> None:
        channels = scale_width(layers.channels, width_factor)
        border = layers.dilation * (layers.kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(in_channels, channels, layers.kernel_size, padding=border, dilation=layers.dilation),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.out_channels = channels
