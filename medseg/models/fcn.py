"""Fully convolutional networks.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015,
doi 10.1109/CVPR.2015.7298965; journal version with scaled skips: Shelhamer 2017, doi 10.1109/TPAMI.2016.2572683.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.alexnet import AlexNet
from medseg.models.blocks.bilinear import bilinear_deconvolution, initialise_bilinear
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.googlenet import GoogLeNet
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.vgg import VGG16, Pooling
from medseg.models.blocks.width import WidthFactor, scale_width
from medseg.models.input_size import InputSizeRule

Padding = Literal["original", "same"]
Trunk = Literal["vgg16", "alexnet", "googlenet"]

_FC_WIDTH = 4096
_POOL4_CHANNELS, _POOL3_CHANNELS = 3, 2  # index into the widths of VGG16


class _TrunkPlan(NamedTuple):
    """How a network goes on behind a trunk.

    With 100 zeros around the image, row 0 of a grid lies in front of row 0 of the image. So many rows and columns are
    cut off the enlarged scores (by their stride). The last transposed convolution is twice its stride wide, one less
    where the scores of the trunk lie on pixels, not between them. Where they lie between pixels and nothing but
    padding surrounds the image, half a stride of its padding cuts the same off both ends.

    Attributes:
        build: the trunk, from the input's channels.
        fc6_kernel: width of fc6; None scores the trunk's features as they are.
        published_layers: fc6 and fc7 -> their names in torchvision's file.
        border: zeros in front of the first convolution.
        minimum: smallest image, in pixels, of which something is left behind the last pooling; two cells of it where
            batch norm is trained on them.
        offset: rows and columns to cut off, by stride.
        scores_on_pixels: whether the last kernel is odd.
    """

    build: Callable[..., VGG16 | AlexNet | GoogLeNet]
    fc6_kernel: int | None
    published_layers: Mapping[str, str]
    border: Mapping[Padding, int]
    minimum: Mapping[Padding, int]
    offset: Mapping[Padding, Mapping[int, int]]
    scores_on_pixels: bool


_TRUNKS: Mapping[Trunk, _TrunkPlan] = {
    "vgg16": _TrunkPlan(
        build=partial(VGG16, pooling=Pooling(ceil_mode=True)),
        fc6_kernel=7,
        published_layers={"fully_connected.0": "classifier.0", "fully_connected.3": "classifier.3"},
        border={"original": 100, "same": 1},
        minimum={"original": 1, "same": 1},
        offset={"original": {32: 19, 16: 27, 8: 31}, "same": {32: 0, 16: 0, 8: 0}},
        scores_on_pixels=False,
    ),
    "alexnet": _TrunkPlan(
        build=AlexNet,
        fc6_kernel=6,
        published_layers={"fully_connected.0": "classifier.1", "fully_connected.3": "classifier.4"},
        border={"original": 100, "same": 2},
        minimum={"original": 1, "same": 35},
        offset={"original": {32: 18}, "same": {32: 16}},
        scores_on_pixels=True,
    ),
    "googlenet": _TrunkPlan(
        build=GoogLeNet,
        fc6_kernel=None,
        published_layers={},
        border={"original": 100, "same": 3},
        minimum={"original": 1, "same": 47},
        offset={"original": {32: 106}, "same": {32: 9}},
        scores_on_pixels=True,
    ),
}

_SKIP_OFFSET: Mapping[Padding, Mapping[str, int]] = {
    "original": {"pool4": 5, "pool3": 9},
    "same": {"pool4": 0, "pool3": 0},
}
"""Rows and columns that are cut off a skip before it is added."""


class FCNOptions(Config):
    """What may differ from the paper."""

    width_factor: WidthFactor = 1.0
    """Channels over those of the trunk, of fc6 and fc7 too."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Probability that a feature of fc6 or fc7 is dropped."""
    padding: Padding = "original"
    """original surrounds the image with 100 zeros, so that fc6 need not be padded. same pads each convolution by
    itself: the same weights, far less work on small images."""


class FCN32sOptions(FCNOptions):
    """What may differ from the paper."""

    trunk: Trunk = "vgg16"
    """alexnet and googlenet are the paper's FCN-AlexNet (57,089,877 parameters and those of its last layer) and
    FCN-GoogLeNet (5,621,429); both are torchvision's, the latter with batch norm."""


class FCN16sOptions(FCNOptions):
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
    """A classifier with its fully connected layers as convolutions, scores summed over several strides.

    Takes images of any size. Differs from the paper: all weights of the transposed convolutions are learnt, where the
    paper keeps those of the last one; the layer that scores fc7 starts from random weights instead of zeros, since
    the others may do so too.

    Attributes:
        default_options: of the variant.
        skips: poolings whose scores are added, coarsest first.
    """

    default_options: ClassVar[FCNOptions]
    skips: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: FCNOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or self.default_options
        plan = _TRUNKS[options.trunk if isinstance(options, FCN32sOptions) else "vgg16"]
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=(1, 1), minimum=(plan.minimum[options.padding],) * 2),
        )
        self.padding: Padding = options.padding
        self.published_layers = plan.published_layers
        self.skip_scales = {name: float(getattr(options, f"{name}_scale")) for name in self.skips}
        self.trunk = plan.build(in_channels, width_factor=options.width_factor, border=plan.border[options.padding])
        entering = self.trunk.widths[-1]
        fc_width = entering if plan.fc6_kernel is None else scale_width(_FC_WIDTH, options.width_factor)
        self.fully_connected = _fully_connected(entering, fc_width, kernel=plan.fc6_kernel, options=options)
        self.score = nn.Conv2d(fc_width, num_classes, 1)
        widths = dict(zip(("pool3", "pool4"), self.trunk.widths[_POOL3_CHANNELS:], strict=False))
        self.skip_scores = nn.ModuleDict({name: nn.Conv2d(widths[name], num_classes, 1) for name in self.skips})
        same = int(options.padding == "same")
        self.up = nn.ModuleDict(
            {name: bilinear_deconvolution(num_classes, stride=2, padding=same) for name in self.skips}
        )
        stride = self.trunk.output_stride // 2 ** len(self.skips)
        self.final_up = bilinear_deconvolution(
            num_classes,
            stride=stride,
            padding=stride // 2 if same and not plan.scores_on_pixels else 0,
            odd=plan.scores_on_pixels,
        )
        self.final_offset = plan.offset[options.padding][stride]
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
        first = self.final_offset
        height, width = images.shape[2:]
        return SegmentationOutput(self.final_up(scores)[..., first : first + height, first : first + width], ())


def _add_aligned(scores: Tensor, skip: Tensor, *, offset: int) -> Tensor:
    """Sum of `scores` and of `skip` without its first `offset` rows and columns, as far as both reach."""
    skip = skip[..., offset:, offset:]
    height, width = (min(a, b) for a, b in zip(scores.shape[2:], skip.shape[2:], strict=True))
    return scores[..., :height, :width] + skip[..., :height, :width]


def _fully_connected(entering: int, leaving: int, *, kernel: int | None, options: FCNOptions) -> nn.Sequential:
    """fc6 and fc7 as convolutions; without a kernel only the dropout in front of the scores."""
    if kernel is None:
        return nn.Sequential(nn.Dropout(options.dropout))
    return nn.Sequential(
        nn.Conv2d(entering, leaving, kernel, padding=kernel // 2 if options.padding == "same" else 0),
        nn.ReLU(inplace=True),
        nn.Dropout(options.dropout),
        nn.Conv2d(leaving, leaving, 1),
        nn.ReLU(inplace=True),
        nn.Dropout(options.dropout),
    )


class FCN32s(FCN):
    """One scoring layer at stride 32, enlarged 32 times; 136,152,917 parameters for 3 channels and 21 classes."""

    default_options = FCN32sOptions()
    skips = ()


class FCN16s(FCN):
    """FCN-32s with the scores of pool4 added; 134,815,994 parameters for 3 channels and 21 classes."""

    default_options = FCN16sOptions()
    skips = ("pool4",)


class FCN8s(FCN):
    """FCN-16s with the scores of pool3 added; 134,489,759 parameters for 3 channels and 21 classes."""

    default_options = FCN8sOptions()
    skips = ("pool4", "pool3")
