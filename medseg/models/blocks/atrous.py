"""Atrous spatial pyramid pooling: several fields of view of the same features.

Chen 2018, doi 10.1109/TPAMI.2017.2699184; with image pooling Chen 2017, arXiv 1706.05587.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medseg.models.blocks.normalised_convolution import NormalisedConvolution

RATES: Mapping[int, tuple[int, ...]] = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Dilation of the branches by output stride: the same fields of view in pixels."""


class AtrousPyramid(nn.Module):
    """A 1-wide convolution, three dilated ones and the mean of the whole image, joined by a 1-wide convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        rates: Sequence[int],
        separable: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                NormalisedConvolution(in_channels, out_channels, kernel_size=1),
                *(
                    NormalisedConvolution(in_channels, out_channels, dilation=rate, separable=separable)
                    for rate in rates
                ),
            ]
        )
        self.image = NormalisedConvolution(in_channels, out_channels, kernel_size=1)
        self.join = NormalisedConvolution((len(rates) + 2) * out_channels, out_channels, kernel_size=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels on the same grid."""
        seen = [branch(features) for branch in self.branches]
        # Upsampling a single cell repeats it.
        whole = self.image(features.mean(dim=(2, 3), keepdim=True)).expand_as(seen[0])
        joined: Tensor = self.dropout(self.join(torch.cat([*seen, whole], dim=1)))
        return joined
