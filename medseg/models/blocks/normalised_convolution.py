"""Convolution, batch norm and ReLU, as the heads of dilated networks have them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class NormalisedConvolution(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; the size stays.

    A separable convolution is one filter per channel, then a 1-wide convolution over the channels: Chollet 2017,
    doi 10.1109/CVPR.2017.195.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 3, dilation: int = 1, separable: bool = False
    ) -> None:
        filters = in_channels if separable else out_channels
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                filters,
                kernel_size=kernel_size,
                padding=dilation * (kernel_size // 2),
                dilation=dilation,
                groups=in_channels if separable else 1,
                bias=False,
            )
        ]
        if separable:
            layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False))
        super().__init__(*layers, PooledBatchNorm(out_channels), nn.ReLU(inplace=True))


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch norm that can be trained with one image that was pooled to a single cell.

    One value has no variance: it is normalised with the running statistics, as in evaluation, and leaves them alone.
    """

    def forward(self, features: Tensor) -> Tensor:
        """`features`, normalised."""
        if self.training and features.numel() == features.shape[1]:
            return F.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(features)
