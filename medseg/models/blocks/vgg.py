"""The 13 convolutions of VGG16, which FCN, SegNet, DeconvNet, DeepLab and ParseNet start from.

Simonyan 2015, configuration D, arXiv 1409.1556.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn

from medseg.models.blocks.unpooling import PooledPositions, pool_with_positions
from medseg.models.blocks.width import scale_width

STAGE_WIDTHS = (64, 128, 256, 512, 512)
STAGE_DEPTHS = (2, 2, 3, 3, 3)
LAST_CONVOLUTIONS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
POOLS = ("pool1", "pool2", "pool3", "pool4", "pool5")


class Pooling(NamedTuple):
    """How features are pooled after each stage.

    Attributes:
        kernel: width of the windows; an odd one is padded by half of it (DeepLab's 3).
        strides: one for each stage; DeepLab's last ones are 1.
        ceil_mode: whether an incomplete last window counts, as in Caffe.
    """

    kernel: int = 2
    strides: Sequence[int] = (2, 2, 2, 2, 2)
    ceil_mode: bool = False

    def build(self, stage: int) -> nn.MaxPool2d:
        """The layer behind `stage`, counted from 0."""
        padding = (self.kernel - 1) // 2
        return nn.MaxPool2d(self.kernel, self.strides[stage], padding=padding, ceil_mode=self.ceil_mode)


HALVING = Pooling()


class VGG16(nn.Module):
    """The trunk of VGG16: five stages of 3-wide convolutions with ReLU, a max-pooling after each; 14,714,688 weights.

    Every convolution has a bias, with batch norm too, as in the networks' published definitions.

    Attributes:
        widths: channels of each stage.
        output_stride: input pixels from one pixel of `pool5` to the next.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width_factor: float = 1.0,
        batch_norm: bool = False,
        border: int = 1,
        pooling: Pooling = HALVING,
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
    ) -> None:
        """Build the trunk.

        Args:
            in_channels: channels of the images.
            width_factor: channels over those of the paper.
            batch_norm: normalise after every convolution.
            border: zeros around the image in front of the first convolution; FCN's 100.
            pooling: how the features are pooled after each stage.
            dilations: rate of the convolutions of each stage.
        """
        super().__init__()
        self.widths = tuple(scale_width(width, width_factor) for width in STAGE_WIDTHS)
        stages, pools = [], []
        entering = in_channels
        for stage, (depth, width) in enumerate(zip(STAGE_DEPTHS, self.widths, strict=True)):
            layers: list[nn.Module] = []
            for index in range(depth):
                rate = dilations[stage]
                padding = border if stage == index == 0 else rate
                layers.append(nn.Conv2d(entering, width, kernel_size=3, padding=padding, dilation=rate))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                entering = width
            stages.append(nn.Sequential(*layers))
            pools.append(pooling.build(stage))
        self.output_stride = math.prod(pooling.strides)
        self.published_as = "vgg16_bn" if batch_norm else "vgg16"
        self.stages = nn.ModuleList(stages)
        self.pools = nn.ModuleList(pools)

    def published_names(self) -> dict[str, str]:
        """Name of each weight -> its name in torchvision's file, which counts layers and poolings through."""
        names: dict[str, str] = {}
        place = 0
        for number, stage in enumerate(cast("Iterable[nn.Sequential]", self.stages)):
            for index, layer in enumerate(stage):
                names |= {f"stages.{number}.{index}.{key}": f"features.{place}.{key}" for key in layer.state_dict()}
                place += 1
            place += 1
        return names

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features by layer, in order: "conv1_2", "pool1", ..., "conv5_3", "pool5"."""
        features: dict[str, Tensor] = {}
        current = images
        for convolution, name, stage, pool in zip(LAST_CONVOLUTIONS, POOLS, self.stages, self.pools, strict=True):
            features[convolution] = stage(current)
            features[name] = current = pool(features[convolution])
        return features

    def forward_with_positions(self, images: Tensor) -> tuple[Tensor, list[PooledPositions]]:
        """The features "pool5", and where the maxima of each pooling were, finest first."""
        positions: list[PooledPositions] = []
        current = images
        for stage, pool in zip(self.stages, self.pools, strict=True):
            current = stage(current)
            current, position = pool_with_positions(current, cast("nn.MaxPool2d", pool))
            positions.append(position)
        return current, positions
