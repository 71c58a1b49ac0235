"""Layers by number of spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

CONVOLUTION: Mapping[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONVOLUTION: Mapping[int, Callable[..., nn.Module]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
MAX_POOLING: Mapping[int, Callable[..., nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE_POOLING: Mapping[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
LINEAR_INTERPOLATION: Mapping[int, str] = {2: "bilinear", 3: "trilinear"}

_CHANNELS_LAST: Mapping[int, torch.memory_format] = {2: torch.channels_last, 3: torch.channels_last_3d}

_CHANNELS_LAST_DEVICES = frozenset({"cpu", "cuda"})
"""Devices whose convolutions are known to compute rightly and faster in that order."""


def to_channels_last(images: Tensor) -> Tensor:
    """`images`, shape (N, C, *spatial), with the channels of a voxel side by side in memory where that is faster.

    The layers after it keep that order. On a CPU a step of a batch-normed U-Net then takes two thirds to four fifths
    of its time, because the convolutions need not reorder their input. `Tensor.contiguous` would not do: for one
    channel it sees nothing to change and leaves strides that the next layer takes for the usual order.
    """
    if images.device.type not in _CHANNELS_LAST_DEVICES:
        return images
    return images.clone(memory_format=_CHANNELS_LAST[images.ndim - 2])
