"""Residual networks whose last stages are dilated instead of strided.

He 2016, doi 10.1109/CVPR.2016.90; dilation after Chen 2018, doi 10.1109/TPAMI.2017.2699184.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from medseg.models.blocks.width import scale_width

ResNetDepth = Literal["resnet50", "resnet101"]
OutputStride = Literal[8, 16]

MULTI_GRID = (1, 2, 4)
"""Further dilation of the three blocks of the last stage: Chen 2017, arXiv 1706.05587."""

_BLOCKS: Mapping[ResNetDepth, tuple[int, ...]] = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
_PLANES = (64, 128, 256, 512)
_STRIDES = (1, 2, 2, 2)
_STEM_STRIDE = 4


class DilatedResNet(nn.Module):
    """ResNet without its classifier, with features every `output_stride` pixels.

    Where a stride is left out, all later convolutions are dilated by it instead, so that with the same weights the
    features are those of the strided network, computed in between as well. The stride of a block is that of its 3-wide
    convolution, as in torchvision (the paper's is in front of it). Weights have torchvision's names and load from its
    files for 3 channels and the plain stem.

    Attributes:
        widths: channels of each stage.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        depth: ResNetDepth,
        width_factor: float = 1.0,
        output_stride: int = 8,
        deep_stem: bool = False,
        multi_grid: Sequence[int] | None = None,
    ) -> None:
        """Build the network.

        Args:
            in_channels: channels of the images.
            depth: which layer list.
            width_factor: channels over those of the paper.
            output_stride: input pixels from one cell of the last stage to the next: 8, 16 or 32.
            deep_stem: three 3-wide convolutions in place of the 7-wide one, with 128 channels at their end.
            multi_grid: further factor on the dilation of each block of the last stage.
        """
        super().__init__()
        self.published_as: str = depth
        planes = [scale_width(width, width_factor) for width in _PLANES]
        entering = 2 * planes[0] if deep_stem else planes[0]
        self.conv1 = _deep_stem(in_channels, planes[0]) if deep_stem else _plain_stem(in_channels, planes[0])
        self.bn1 = nn.BatchNorm2d(entering)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages: list[nn.Sequential] = []
        reached, rate = _STEM_STRIDE, 1
        for width, blocks, wanted in zip(planes, _BLOCKS[depth], _STRIDES, strict=True):
            stride = wanted if reached * wanted <= output_stride else 1
            # The first block still sees the grid of the stage before.
            rates = [rate] + [rate * wanted // stride] * (blocks - 1)
            reached, rate = reached * stride, rates[-1]
            if multi_grid is not None and len(stages) == len(planes) - 1:
                rates = [rate * factor for factor in multi_grid]
            stages.append(_stage(entering, width, stride=stride, rates=rates))
            entering = width * Bottleneck.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.widths = tuple(width * Bottleneck.expansion for width in planes)

    def published_names(self) -> dict[str, str]:
        """Name of each weight -> the same: it is that of torchvision's file."""
        return {name: name for name in self.state_dict()}

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of the four stages, the first one every 4 pixels; cell i lies on pixel i * stride."""
        current = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features: list[Tensor] = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            current = stage(current)
            features.append(current)
        return features


def _plain_stem(in_channels: int, width: int) -> nn.Module:
    return nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3, bias=False)


def _deep_stem(in_channels: int, width: int) -> nn.Module:
    """Three convolutions, with everything but the normalisation and ReLU behind the last one."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 2 * width, kernel_size=3, padding=1, bias=False),
    )


def _stage(entering: int, planes: int, *, stride: int, rates: Sequence[int]) -> nn.Sequential:
    leaving = planes * Bottleneck.expansion
    shortcut = nn.Sequential(
        nn.Conv2d(entering, leaving, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(leaving)
    )
    first = Bottleneck(entering, planes, stride=stride, downsample=shortcut, dilation=rates[0])
    return nn.Sequential(first, *(Bottleneck(leaving, planes, dilation=rate) for rate in rates[1:]))
