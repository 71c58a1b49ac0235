"""GoogLeNet without its classifiers: nine modules of parallel convolutions.

Szegedy 2015, doi 10.1109/CVPR.2015.7298594.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d, Inception

from medseg.models.blocks.width import scale_width

_STEM = (64, 64, 192)

# Channels of the branches 1x1; 3x3 after its reduction; 5x5 after its reduction; and after pooling (table 1).
_MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
_LEAVING = (0, 2, 4, 5)
"""Which of those channels a module puts side by side."""

_POOLED_AFTER = {"inception3b": "maxpool3", "inception4e": "maxpool4"}


class GoogLeNet(nn.Module):
    """The trunk of GoogLeNet, every 32 pixels; 5,599,904 weights. Weights have torchvision's names.

    torchvision's modules: with batch norm, and with 3-wide convolutions in the branch that is 5 wide in the paper.

    Attributes:
        widths: channels of the last module.
        output_stride: input pixels from one pixel of `pool5` to the next.
    """

    output_stride = 32
    published_as = "googlenet"

    def __init__(self, in_channels: int, *, width_factor: float = 1.0, border: int = 3) -> None:
        """Build the trunk.

        Args:
            in_channels: channels of the images.
            width_factor: channels over those of the paper.
            border: zeros around the image in front of the first convolution; torchvision has 3.
        """
        super().__init__()
        first, second, entering = (scale_width(width, width_factor) for width in _STEM)
        self.conv1 = BasicConv2d(in_channels, first, kernel_size=7, stride=2, padding=border)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(first, second, kernel_size=1)
        self.conv3 = BasicConv2d(second, entering, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, paper_channels in _MODULES.items():
            channels = [scale_width(width, width_factor) for width in paper_channels]
            setattr(self, name, Inception(entering, *channels))
            entering = sum(channels[index] for index in _LEAVING)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.widths = (entering,)

    def published_names(self) -> dict[str, str]:
        """Name of each weight -> the same: it is that of torchvision's file."""
        return {name: name for name in self.state_dict()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The last features, called "pool5" as in the other trunks, although nothing is pooled there."""
        features = self.maxpool1(self.conv1(images))
        features = self.maxpool2(self.conv3(self.conv2(features)))
        for name in _MODULES:
            features = getattr(self, name)(features)
            if name in _POOLED_AFTER:
                features = getattr(self, _POOLED_AFTER[name])(features)
        return {"pool5": features}
