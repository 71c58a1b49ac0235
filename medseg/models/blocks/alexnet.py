"""The five convolutions of AlexNet.

Krizhevsky 2012, NIPS 25, p. 1097-1105; in one piece, without groups and normalisation: Krizhevsky 2014,
doi 10.48550/arXiv.1404.5997.
"""

from __future__ import annotations

from torch import Tensor, nn

from medseg.models.blocks.width import scale_width

_WIDTHS = (64, 192, 384, 256, 256)


class AlexNet(nn.Module):
    """The trunk of AlexNet, every 32 pixels; 2,469,696 weights. Weights have torchvision's names.

    Attributes:
        widths: channels of each convolution.
        output_stride: input pixels from one pixel of `pool5` to the next.
    """

    output_stride = 32
    published_as = "alexnet"

    def __init__(self, in_channels: int, *, width_factor: float = 1.0, border: int = 2) -> None:
        """Build the trunk.

        Args:
            in_channels: channels of the images.
            width_factor: channels over those of the paper.
            border: zeros around the image in front of the first convolution; torchvision has 2, FCN 100.
        """
        super().__init__()
        self.widths = tuple(scale_width(width, width_factor) for width in _WIDTHS)
        first, second, third, fourth, fifth = self.widths
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, first, kernel_size=11, stride=4, padding=border),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Conv2d(first, second, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Conv2d(second, third, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, fourth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fourth, fifth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
        )

    def published_names(self) -> dict[str, str]:
        """Name of each weight -> the same: it is that of torchvision's file."""
        return {name: name for name in self.state_dict()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The last features, called "pool5"."""
        return {"pool5": self.features(images)}
