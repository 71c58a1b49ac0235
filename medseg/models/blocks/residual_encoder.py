"""Levels of nnU-Net's residual U-Net, with leaky ReLU and instance norm.

Isensee 2024, doi 10.1007/978-3-031-72114-4_47; the shortcut of a coarser level pools before it projects, after
He 2019, doi 10.1109/CVPR.2019.00065.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medseg.models.blocks.dimensions import AVERAGE_POOLING, CONVOLUTION, TRANSPOSED_CONVOLUTION
from medseg.models.blocks.normalisation import build_norm

LEAK = 0.01
"""Slope of the activation for negative values, as in nnU-Net."""

Axes = tuple[int, ...]


class ResidualStage(nn.Sequential):
    """`blocks` residual blocks; the first one goes to a grid coarser by `stride`."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: Axes, stride: Axes, blocks: int) -> None:
        same = (1,) * len(stride)
        super().__init__(
            LeakyResidualBlock(in_channels, out_channels, kernel=kernel, stride=stride),
            *(LeakyResidualBlock(out_channels, out_channels, kernel=kernel, stride=same) for _ in range(blocks - 1)),
        )


class LeakyResidualBlock(nn.Module):
    """Two convolutions whose result is added to the input, which is pooled and projected where it has to be."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: Axes, stride: Axes) -> None:
        super().__init__()
        dims = len(kernel)
        self.first = LeakyConvolution(in_channels, out_channels, kernel=kernel, stride=stride)
        self.second = LeakyConvolution(out_channels, out_channels, kernel=kernel, activated=False)
        shortcut: list[nn.Module] = []
        if math.prod(stride) > 1:
            shortcut.append(AVERAGE_POOLING[dims](stride))
        if in_channels != out_channels:
            shortcut.append(CONVOLUTION[dims](in_channels, out_channels, kernel_size=1, bias=False))
            shortcut.append(build_norm("instance", out_channels, spatial_dims=dims))
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = nn.LeakyReLU(LEAK, inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels on the coarser grid."""
        result: Tensor = self.activation(self.second(self.first(features)) + self.shortcut(features))
        return result


class ExpandingStage(nn.Module):
    """Transposed convolution, the skip connection beside it, one convolution."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: Axes, stride: Axes) -> None:
        super().__init__()
        self.up = TRANSPOSED_CONVOLUTION[len(stride)](in_channels, out_channels, kernel_size=stride, stride=stride)
        self.convolution = LeakyConvolution(2 * out_channels, out_channels, kernel=kernel)

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """Features on the grid of `skipped`."""
        result: Tensor = self.convolution(torch.cat([self.up(features), skipped], dim=1))
        return result


class LeakyConvolution(nn.Sequential):
    """Padded convolution with bias, instance norm and, if `activated`, leaky ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: Axes, stride: Axes | None = None, activated: bool = True
    ) -> None:
        dims = len(kernel)
        # nnU-Net keeps the biases that the normalisation takes out again; its published counts hold them.
        layers: list[nn.Module] = [
            CONVOLUTION[dims](
                in_channels,
                out_channels,
                kernel_size=kernel,
                stride=stride or (1,) * dims,
                padding=tuple(size // 2 for size in kernel),
            ),
            build_norm("instance", out_channels, spatial_dims=dims),
        ]
        if activated:
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        super().__init__(*layers)
