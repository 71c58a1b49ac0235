"""Fully convolutional networks.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015,
doi 10.1109/CVPR.2015.7298965; journal version with scaled skips: Shelhamer 2017, doi 10.1109/TPAMI.2016.2572683.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.bilinear import bilinear_deconvolution, initialise_bilinear
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.vgg import VGG16, Pooling
from medseg.models.blocks.width import WidthFactor, scale_width
from medseg.models.input_size import InputSizeRule

Padding = Literal["original", "same"]

_FC_WIDTH = 4096
_FC6_KERNEL = 7
_POOL4_CHANNELS, _POOL3_CHANNELS = 3, 2  # index into the widths of the trunk

# With 100 zeros around the image, row 0 of a grid lies in front of row 0 of the image. So many rows and columns are
# cut off a skip before it is added, and off the enlarged scores (by their stride) at the end.
_SKIP_OFFSET: Mapping[Padding, Mapping[str, int]] = {
    "original": {"pool4": 5, "pool3": 9},
    "same": {"pool4": 0, "pool3": 0},
}
_FINAL_OFFSET: Mapping[Padding, Mapping[int, int]] = {
    "original": {32: 19, 16: 27, 8: 31},
    "same": {32: 0, 16: 0, 8: 0},
}
_BORDER: Mapping[Padding, int] = {"original": 100, "same": 1}


class FCN32sOptions(Config):
    """What may differ from the paper."""

    width_factor: WidthFactor = 1.0
    """Channels over those of VGG16, of fc6 and fc7 too."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Probability that a feature of fc6 or fc7 is dropped."""
    padding: Padding = "original"
    """original surrounds the image with 100 zeros, so that fc6 need not be padded. same pads each convolution by
    itself: the same weights, far less work on small images."""


class FCN16sOptions(FCN32sOptions):
    """What may differ from the paper."""

    pool4_scale: PositiveFloat = 1.0
    """Factor in front of the scores of pool4. 1 is the plain sum of Long 2015. For training at once from the weights
    of an unnormalised VGG16 on grey values up to 255, Shelhamer 2017 balances its large activations with 0.01."""


class FCN8sOptions(FCN16sOptions):
    """What may differ from the paper."""

    pool3_scale: PositiveFloat = 1.0
    """Factor in front of the scores of pool3; 0.0001 goes with 0.01 for pool4. From random weights on normalised
    images, such small factors switch the skips off: the network stays as coarse as FCN-32s."""


class FCN(SegmentationNetwork):
    """VGG16 with its fully connected layers as convolutions, scores summed over several strides.

    Takes images of any size. Differs from the paper: all weights of the transposed convolutions are learnt, where the
    paper keeps those of the last one; the layer that scores fc7 starts from random weights instead of zeros, since
    the others may do so too.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int,
        options: FCN32sOptions,
        skip_scales: Mapping[str, float],
        generator: torch.Generator | None,
    ) -> None:
        """Build the network.

        Args:
            in_channels: channels of the images.
            num_classes: classes, background included.
            spatial_dims: 2.
            options: what may differ from the paper.
            skip_scales: poolings whose scores are added, coarsest first, and the factor of each.
            generator: source of the weights; None takes torch's global one.
        """
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=(1, 1), minimum=(1, 1)),
        )
        same = options.padding == "same"
        self.padding: Padding = options.padding
        self.skip_scales = dict(skip_scales)
        self.trunk = VGG16(
            in_channels,
            width_factor=options.width_factor,
            border=_BORDER[options.padding],
            pooling=Pooling(ceil_mode=True),
        )
        fc_width = scale_width(_FC_WIDTH, options.width_factor)
        self.fully_connected = nn.Sequential(
            nn.Conv2d(self.trunk.widths[-1], fc_width, _FC6_KERNEL, padding=_FC6_KERNEL // 2 if same else 0),
            nn.ReLU(inplace=True),
            nn.Dropout(options.dropout),
            nn.Conv2d(fc_width, fc_width, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(options.dropout),
        )
        self.score = nn.Conv2d(fc_width, num_classes, 1)
        widths = {"pool4": self.trunk.widths[_POOL4_CHANNELS], "pool3": self.trunk.widths[_POOL3_CHANNELS]}
        self.skip_scores = nn.ModuleDict({name: nn.Conv2d(widths[name], num_classes, 1) for name in skip_scales})
        self.up = nn.ModuleDict(
            {name: bilinear_deconvolution(num_classes, stride=2, padding=int(same)) for name in skip_scales}
        )
        self.score_stride = self.trunk.output_stride // 2 ** len(skip_scales)
        self.final_up = bilinear_deconvolution(
            num_classes, stride=self.score_stride, padding=self.score_stride // 2 if same else 0
        )
        self._initialise(generator)

    def _initialise(self, generator: torch.Generator | None) -> None:
        initialise_he(self, generator=generator)
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                initialise_bilinear(layer)
        # A skip starts without a say, so that training begins with the coarse scores (section 4.2).
        for weight in self.skip_scores.parameters():
            nn.init.zeros_(weight)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = self.trunk(to_channels_last(images))
        scores = self.score(self.fully_connected(features["pool5"]))
        for name, scale in self.skip_scales.items():
            skip = self.skip_scores[name](features[name] * scale)
            scores = _add_aligned(self.up[name](scores), skip, offset=_SKIP_OFFSET[self.padding][name])
        first = _FINAL_OFFSET[self.padding][self.score_stride]
        height, width = images.shape[2:]
        return SegmentationOutput(self.final_up(scores)[..., first : first + height, first : first + width], ())


def _add_aligned(scores: Tensor, skip: Tensor, *, offset: int) -> Tensor:
    """Sum of `scores` and of `skip` without its first `offset` rows and columns, as far as both reach."""
    skip = skip[..., offset:, offset:]
    height, width = (min(a, b) for a, b in zip(scores.shape[2:], skip.shape[2:], strict=True))
    return scores[..., :height, :width] + skip[..., :height, :width]


class FCN32s(FCN):
    """One scoring layer at stride 32, enlarged 32 times; 136,152,917 parameters for 3 channels and 21 classes."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: FCN32sOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or FCN32sOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            options=options,
            skip_scales={},
            generator=generator,
        )


class FCN16s(FCN):
    """FCN-32s with the scores of pool4 added; 134,815,994 parameters for 3 channels and 21 classes."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: FCN16sOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or FCN16sOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            options=options,
            skip_scales={"pool4": options.pool4_scale},
            generator=generator,
        )


class FCN8s(FCN):
    """FCN-16s with the scores of pool3 added; 134,489,759 parameters for 3 channels and 21 classes."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: FCN8sOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or FCN8sOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            options=options,
            skip_scales={"pool4": options.pool4_scale, "pool3": options.pool3_scale},
            generator=generator,
        )
