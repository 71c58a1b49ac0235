"""ParseNet: the mean of the whole image beside every pixel.

Liu, Rabinovich, Berg: ParseNet: Looking Wider to See Better, 2015, arXiv 1506.04579 (doi 10.48550/arXiv.1506.04579).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.alignment import any_size_above, upsample_aligned
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.large_field import DENSE_LAYERS, OUTPUT_STRIDE, FullyConnected, atrous_vgg16
from medseg.models.blocks.width import WidthFactor

_INITIAL_SCALE = 10.0
"""Length that the features start with; the paper finds 10 or 20 to train well where 1 does not."""


class ParseNetOptions(Config):
    """Shape of the network."""

    width_factor: WidthFactor = 1.0
    fusion: Literal["late", "early"] = "late"
    """late: a classifier each for the pixel and for the image, whose scores are added; early: one classifier of both
    side by side. With these linear classifiers both have as many weights and can say the same."""


class LengthNormalisation(nn.Module):
    """Features of length 1 at every pixel, times a learnt scale for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), _INITIAL_SCALE))

    def forward(self, features: Tensor) -> Tensor:
        """`features`, shape (N, C, h, w), normalised over C."""
        return F.normalize(features, dim=1) * self.scale.view(1, -1, 1, 1)


class ParseNet(SegmentationNetwork):
    """DeepLab-LargeFOV with global context: 20,528,981 parameters for 3 channels and 21 classes.

    The features of fc7 and their mean over the image are each brought to the same length before they are fused;
    otherwise the larger of the two would decide. Scores every 8 pixels, upsampled bilinearly inside to the input's
    size.

    Differs from the paper: context is taken at fc7 only, not from earlier layers too. The classifier of the image has
    no bias, since scores that are added need only one.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: ParseNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or ParseNetOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=any_size_above(OUTPUT_STRIDE),
        )
        factor = options.width_factor
        self.trunk = atrous_vgg16(in_channels, width_factor=factor)
        self.connected = FullyConnected(self.trunk.widths[-1], DENSE_LAYERS["large"], width_factor=factor)
        channels = self.connected.out_channels
        self.normalise_pixels = LengthNormalisation(channels)
        self.normalise_image = LengthNormalisation(channels)
        late = options.fusion == "late"
        self.head = nn.Conv2d(channels if late else 2 * channels, num_classes, kernel_size=1)
        self.image_head = nn.Conv2d(channels, num_classes, kernel_size=1, bias=False) if late else None
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = self.connected(self.trunk(to_channels_last(images))["pool5"])
        pixels = self.normalise_pixels(features)
        context = self.normalise_image(features.mean(dim=(2, 3), keepdim=True))
        if self.image_head is None:
            scores = self.head(torch.cat([pixels, context.expand_as(pixels)], dim=1))
        else:
            scores = self.head(pixels) + self.image_head(context)
        return SegmentationOutput(upsample_aligned(scores, stride=OUTPUT_STRIDE, size=images.shape[2:]), ())
