"""Going to a finer grid, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from medseg.models.blocks.dimensions import CONVOLUTION, LINEAR_INTERPOLATION, TRANSPOSED_CONVOLUTION

Upsample = Literal["transposed", "linear"]


class LinearUpsampling(nn.Module):
    """A 1-wide convolution on the coarse grid, then (bi-, tri-) linear interpolation: no checkerboard."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.project = CONVOLUTION[len(stride)](in_channels, out_channels, kernel_size=1)
        self.stride = tuple(float(factor) for factor in stride)
        self.mode = LINEAR_INTERPOLATION[len(stride)]

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels, `stride` times as large."""
        return F.interpolate(self.project(features), scale_factor=self.stride, mode=self.mode, align_corners=False)


def build_upsampling(upsample: Upsample, in_channels: int, out_channels: int, *, stride: tuple[int, ...]) -> nn.Module:
    """The layer that brings `in_channels` channels to `out_channels` on a grid `stride` times as fine."""
    return _UPSAMPLING[upsample](in_channels, out_channels, stride)


def _transposed(in_channels: int, out_channels: int, stride: tuple[int, ...]) -> nn.Module:
    return TRANSPOSED_CONVOLUTION[len(stride)](in_channels, out_channels, kernel_size=stride, stride=stride)


def _linear(in_channels: int, out_channels: int, stride: tuple[int, ...]) -> nn.Module:
    return LinearUpsampling(in_channels, out_channels, stride=stride)


_UPSAMPLING: Mapping[Upsample, Callable[[int, int, tuple[int, ...]], nn.Module]] = {
    "transposed": _transposed,
    "linear": _linear,
}
