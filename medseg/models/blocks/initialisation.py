"""Weights to start a training from."""

from __future__ import annotations

import math

import torch
from torch import nn

_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


def initialise_he(network: nn.Module, *, generator: torch.Generator | None) -> None:
    """Draw the weights of all convolutions from a normal distribution of variance 2 / N; biases become 0.

    N is the number of inputs that one output voxel sums over. He 2015, doi 10.1109/ICCV.2015.123; the U-Net paper
    asks for it in section 3.

    Args:
        network: changed in place.
        generator: source of the weights; None takes torch's global one.
    """
    for layer in network.modules():
        if not isinstance(layer, _CONVOLUTIONS):
            continue
        summed = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
        if isinstance(layer, _TRANSPOSED):
            # Only every stride-th position of the kernel meets an input voxel.
            summed //= math.prod(layer.stride)
        nn.init.normal_(layer.weight, std=math.sqrt(2 / summed), generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
