"""The head of two convolutions that PSPNet ends with and that auxiliary losses are read from.

Shelhamer 2017, doi 10.1109/TPAMI.2016.2572683; as an auxiliary head Zhao 2017, doi 10.1109/CVPR.2017.660.
"""

from __future__ import annotations

from torch import nn

from medseg.models.blocks.normalised_convolution import NormalisedConvolution


class FCNHead(nn.Sequential):
    """A normalised 3-wide convolution, dropout, and a 1-wide convolution to one channel a class."""

    def __init__(self, in_channels: int, inner_channels: int, num_classes: int, *, dropout: float = 0.1) -> None:
        super().__init__(
            NormalisedConvolution(in_channels, inner_channels),
            nn.Dropout(dropout),
            nn.Conv2d(inner_channels, num_classes, kernel_size=1),
        )
