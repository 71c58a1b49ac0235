"""Two convolutions, plain or around a shortcut."""

from __future__ import annotations

from torch import Tensor, nn

from medseg.models.blocks.dimensions import CONVOLUTION
from medseg.models.blocks.normalisation import Norm, build_norm


class ConvolutionBlock(nn.Sequential):
    """Twice: 3-wide convolution, normalisation, ReLU. The size stays, or shrinks by 4 without padding."""

    def __init__(
        self, in_channels: int, out_channels: int, *, spatial_dims: int, norm: Norm, padded: bool = True
    ) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers += [
                _convolution(channels, out_channels, spatial_dims=spatial_dims, norm=norm, padded=padded),
                build_norm(norm, out_channels, spatial_dims=spatial_dims),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3-wide convolutions whose result is added to the input; a 1-wide one adapts its channels where needed.

    He 2016, fig. 2 with projection shortcut B, doi 10.1109/CVPR.2016.90.
    """

    def __init__(self, in_channels: int, out_channels: int, *, spatial_dims: int, norm: Norm) -> None:
        super().__init__()
        self.first = _convolution(in_channels, out_channels, spatial_dims=spatial_dims, norm=norm)
        self.first_norm = build_norm(norm, out_channels, spatial_dims=spatial_dims)
        self.second = _convolution(out_channels, out_channels, spatial_dims=spatial_dims, norm=norm)
        self.second_norm = build_norm(norm, out_channels, spatial_dims=spatial_dims)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(
                CONVOLUTION[spatial_dims](in_channels, out_channels, kernel_size=1, bias=norm == "none"),
                build_norm(norm, out_channels, spatial_dims=spatial_dims),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features with `out_channels` channels on the same grid."""
        inner = self.activation(self.first_norm(self.first(features)))
        result: Tensor = self.activation(self.second_norm(self.second(inner)) + self.shortcut(features))
        return result


def _convolution(
    in_channels: int, out_channels: int, *, spatial_dims: int, norm: Norm, padded: bool = True
) -> nn.Module:
    # A bias in front of a normalisation is subtracted again, so only unnormalised convolutions have one.
    return CONVOLUTION[spatial_dims](in_channels, out_channels, kernel_size=3, padding=int(padded), bias=norm == "none")
