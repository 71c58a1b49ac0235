"""Going to a finer grid, by name.

Each method by itself, as in the lectures; max-unpooling, which needs the positions of a pooling, is in `unpooling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from medseg.models.blocks.dimensions import CONVOLUTION, LINEAR_INTERPOLATION, TRANSPOSED_CONVOLUTION

Upsample = Literal["transposed", "linear", "nearest", "bed_of_nails"]


def nearest(features: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Each value repeated `stride` times along each axis."""
    return F.interpolate(features, scale_factor=_factors(stride), mode="nearest")


def bed_of_nails(features: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Each value in the first corner of its `stride`-sized box, zeros elsewhere."""
    sizes = [size * factor for size, factor in zip(features.shape[2:], stride, strict=True)]
    enlarged = features.new_zeros(*features.shape[:2], *sizes)
    corners = (slice(None), slice(None), *(slice(None, None, factor) for factor in stride))
    enlarged[corners] = features
    return enlarged


def linear(features: Tensor, stride: tuple[int, ...]) -> Tensor:
    """(Bi-, tri-) linear interpolation between the centres of the voxels; no checkerboard."""
    mode = LINEAR_INTERPOLATION[len(stride)]
    return F.interpolate(features, scale_factor=_factors(stride), mode=mode, align_corners=False)


def _factors(stride: tuple[int, ...]) -> tuple[float, ...]:
    return tuple(float(factor) for factor in stride)


class FixedUpsampling(nn.Module):
    """A 1-wide convolution on the coarse grid, then a method that has nothing to learn."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: tuple[int, ...],
        method: Callable[[Tensor, tuple[int, ...]], Tensor],
    ) -> None:
        super().__init__()
        self.project = CONVOLUTION[len(stride)](in_channels, out_channels, kernel_size=1)
        self.stride = stride
        self.method = method

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels, `stride` times as large."""
        return self.method(self.project(features), self.stride)


def build_upsampling(upsample: Upsample, in_channels: int, out_channels: int, *, stride: tuple[int, ...]) -> nn.Module:
    """The layer that brings `in_channels` channels to `out_channels` on a grid `stride` times as fine."""
    return _UPSAMPLING[upsample](in_channels, out_channels, stride)


def _transposed(in_channels: int, out_channels: int, stride: tuple[int, ...]) -> nn.Module:
    return TRANSPOSED_CONVOLUTION[len(stride)](in_channels, out_channels, kernel_size=stride, stride=stride)


def _fixed(method: Callable[[Tensor, tuple[int, ...]], Tensor]) -> Callable[[int, int, tuple[int, ...]], nn.Module]:
    def build(in_channels: int, out_channels: int, stride: tuple[int, ...]) -> nn.Module:
        return FixedUpsampling(in_channels, out_channels, stride=stride, method=method)

    return build


_UPSAMPLING: Mapping[Upsample, Callable[[int, int, tuple[int, ...]], nn.Module]] = {
    "transposed": _transposed,
    "linear": _fixed(linear),
    "nearest": _fixed(nearest),
    "bed_of_nails": _fixed(bed_of_nails),
}
