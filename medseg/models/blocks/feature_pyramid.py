"""A residual network with a feature pyramid on top: the trunk of detection networks.

He 2016, doi 10.1109/CVPR.2016.90; ResNeXt: Xie 2017, doi 10.1109/CVPR.2017.634; the pyramid: Lin 2017,
doi 10.1109/CVPR.2017.106; group norm for training from scratch: Wu 2018, doi 10.1007/978-3-030-01261-8_1.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from medseg.errors import ConfigError

Trunk = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnext101_32x8d"]
TrunkNorm = Literal["batch", "frozen_batch", "group"]

MOST_LEVELS = 5
PYRAMID_LEVELS = ("0", "1", "2", "3")
"""Names of the levels of strides 4, 8, 16 and 32; "pool" has stride 64."""

_PLANES = (64, 128, 256, 512)
_STEM_WIDTH = 64
_MOST_GROUPS = 32


@dataclass(frozen=True)
class _Layers:
    """Blocks of a trunk: their class, how many a stage, and the groups and base width of their convolutions."""

    block: type[BasicBlock | Bottleneck]
    counts: tuple[int, int, int, int]
    groups: int = 1
    base_width: int = 64


_TRUNKS: Mapping[Trunk, _Layers] = {
    "resnet18": _Layers(BasicBlock, (2, 2, 2, 2)),
    "resnet34": _Layers(BasicBlock, (3, 4, 6, 3)),
    "resnet50": _Layers(Bottleneck, (3, 4, 6, 3)),
    "resnet101": _Layers(Bottleneck, (3, 4, 23, 3)),
    "resnext101_32x8d": _Layers(Bottleneck, (3, 4, 23, 3), groups=32, base_width=8),
}


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(math.gcd(_MOST_GROUPS, channels), channels)


_NORMS: Mapping[TrunkNorm, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "frozen_batch": FrozenBatchNorm2d,
    "group": _group_norm,
}


class ResNetTrunk(nn.Module):
    """ResNet without its classifier, with torchvision's names of weights.

    Attributes:
        widths: channels of the four stages.
        published_as: name of torchvision's builder.
    """

    def __init__(self, in_channels: int, *, name: Trunk, norm: TrunkNorm, width_factor: float) -> None:
        super().__init__()
        self.published_as: str = name
        self._norm = norm
        layers, norm_layer = _TRUNKS[name], _NORMS[norm]
        width = scaled(_STEM_WIDTH, width_factor)
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = []
        for stage, (planes, count) in enumerate(zip(_PLANES, layers.counts, strict=True), start=1):
            planes = scaled(planes, width_factor)  # noqa: PLW2901 - the same planes, as wide as asked for
            stride = 1 if stage == 1 else 2
            setattr(self, f"layer{stage}", _stage(layers, width, planes, count=count, stride=stride, norm=norm_layer))
            width = planes * layers.block.expansion
            widths.append(width)
        self.widths = tuple(widths)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Features of the stages, by the names in `PYRAMID_LEVELS`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features: OrderedDict[str, Tensor] = OrderedDict()
        for number, name in enumerate(PYRAMID_LEVELS, start=1):
            x = getattr(self, f"layer{number}")(x)
            features[name] = x
        return features

    def published_names(self) -> Mapping[str, str]:
        """Own names of weights -> torchvision's: the same.

        Raises:
            ConfigError: the trunk has group norm, in which published weights do not give the published features.
        """
        if self._norm == "group":
            message = (
                f"model.pretrained: weights of {self.published_as} are published for batch norm, this trunk has group "
                "norm. Set the model's option norm to frozen_batch, or leave pretrained out."
            )
            raise ConfigError(message)
        return {name: name for name in self.state_dict()}


def build_pyramid(widths: Sequence[int], *, out_channels: int, num_levels: int) -> FeaturePyramidNetwork:
    """Features of `out_channels` channels at strides 4, 8, 16, 32 and, with five levels, 64.

    Args:
        widths: channels of the trunk's stages.
        out_channels: channels of each level.
        num_levels: 5 for the level of stride 64; else there are four.
    """
    extra = LastLevelMaxPool() if num_levels == MOST_LEVELS else None
    return FeaturePyramidNetwork(list(widths), out_channels, extra_blocks=extra)


def scaled(width: int, factor: float) -> int:
    """`width` times `factor`, a multiple of 8."""
    return max(8, round(width * factor / 8) * 8)


def _stage(
    layers: _Layers, in_channels: int, planes: int, *, count: int, stride: int, norm: Callable[[int], nn.Module]
) -> nn.Sequential:
    width = planes * layers.block.expansion
    shortcut = None
    if stride != 1 or in_channels != width:
        shortcut = nn.Sequential(nn.Conv2d(in_channels, width, 1, stride=stride, bias=False), norm(width))
    blocks: list[nn.Module] = []
    for index in range(count):
        is_first = index == 0
        blocks.append(
            layers.block(
                in_channels if is_first else width,
                planes,
                stride=stride if is_first else 1,
                downsample=shortcut if is_first else None,
                groups=layers.groups,
                base_width=layers.base_width,
                norm_layer=norm,
            )
        )
    return nn.Sequential(*blocks)
