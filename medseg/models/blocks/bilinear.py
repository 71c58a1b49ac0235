"""Transposed convolutions that start as bilinear interpolation.

Long 2015, section 3.3, doi 10.1109/CVPR.2015.7298965.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bilinear_kernel(size: int) -> Tensor:
    """Weights of bilinear interpolation by (size + 1) // 2, shape (size, size): one tent times another."""
    factor = (size + 1) // 2
    centre = (size - 1) / 2
    tent = 1 - (torch.arange(size) - centre).abs() / factor
    return tent[:, None] * tent[None, :]


def bilinear_deconvolution(channels: int, *, stride: int, padding: int = 0, odd: bool = False) -> nn.ConvTranspose2d:
    """A transposed convolution without bias, two strides wide, whose weights `initialise_bilinear` still has to set.

    An `odd` one is narrower by 1, so that its inputs lie on outputs and not between them.
    """
    width = 2 * stride - int(odd)
    return nn.ConvTranspose2d(channels, channels, width, stride=stride, padding=padding, bias=False)


def initialise_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Make `layer`, with as many channels in as out, interpolate each channel by itself."""
    with torch.no_grad():
        layer.weight.zero_()
        kernel = bilinear_kernel(layer.kernel_size[0]).to(layer.weight)
        for channel in range(layer.in_channels):
            layer.weight[channel, channel] = kernel
