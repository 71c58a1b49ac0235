"""The winner of ISBI 2012: a classifier of patches that labels the centre pixel, and the same weights at every pixel.

Ciresan, Giusti, Gambardella, Schmidhuber: Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
Images, NIPS 25, 2012, pages 2843-2851 (network N4). Every window at once: Giusti 2013,
doi 10.48550/arXiv.1302.1700, there by fragments; here by dilation as in Yu and Koltun 2016,
doi 10.48550/arXiv.1511.07122. The challenge: Arganda-Carreras 2015, doi 10.3389/fnana.2015.00142.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from medseg.config import Config
from medseg.errors import GeometryError
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.input_size import InputSizeRule

WINDOW = 95
"""Edge of the square window whose centre pixel is labelled."""

_KERNELS = (4, 5, 4, 4)
"""Each convolution is followed by pooling over 2 x 2: 95 -> 92 -> 46 -> 42 -> 21 -> 18 -> 9 -> 6 -> 3."""
_LAST = 3
_POOL = 2
_CONTEXT = WINDOW // 2
_SIZES = {
    "valid": InputSizeRule(divisor=(1, 1), minimum=(WINDOW,) * 2, context_voxels=_CONTEXT),
    # A border of n pixels can be mirrored from n + 1.
    "mirror": InputSizeRule(divisor=(1, 1), minimum=(_CONTEXT + 1,) * 2),
}


class SlidingWindowCNNOptions(Config):
    """What may differ from the paper."""

    width: PositiveInt = 48
    """Maps of every convolution."""
    hidden: PositiveInt = 200
    """Neurons of the fully connected layer."""
    padding: Literal["valid", "mirror"] = "valid"
    """mirror fills the border of the image with its mirror image, as the paper does, so that the logits cover it all;
    with valid that is the inference's work, and tiles see their true neighbours."""


class SlidingWindowCNN(SegmentationNetwork):
    """Four convolutions with max pooling and two fully connected layers; 219,290 parameters for 1 channel, 2 classes.

    `classify_patches` works as the paper's: one window, one answer for its centre. `forward` gives the same numbers
    for all windows of an image: where the classifier halves its grid, the later layers are spread by a factor of 2
    instead, so that work common to neighbouring windows is done once.

    Differs from the paper: ReLU; one network in place of the mean of four; neither foveation nor nonuniform sampling
    of the window, and no calibration of the probabilities afterwards.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: SlidingWindowCNNOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or SlidingWindowCNNOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=_SIZES[options.padding],
        )
        self.mirrored = options.padding == "mirror"
        entering = (in_channels, *[options.width] * (len(_KERNELS) - 1))
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(channels, options.width, kernel_size=kernel)
                for channels, kernel in zip(entering, _KERNELS, strict=True)
            ]
        )
        # A fully connected layer is a convolution that is as wide as what it sees.
        self.hidden = nn.Conv2d(options.width, options.hidden, kernel_size=_LAST)
        self.head = nn.Conv2d(options.hidden, num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def classify_patches(self, patches: Tensor) -> Tensor:
        """Logits, shape (N, num_classes), of the centre pixels of `patches`, shape (N, in_channels, 95, 95).

        Raises:
            GeometryError: the patches have another size.
        """
        if patches.shape[2:] != (WINDOW, WINDOW):
            given = " x ".join(str(size) for size in patches.shape[2:])
            message = f"SlidingWindowCNN: expected patches of {WINDOW} x {WINDOW} pixels, got {given}."
            raise GeometryError(message)
        features = to_channels_last(patches)
        for convolution in self.convolutions:
            features = F.max_pool2d(F.relu(convolution(features)), _POOL)
        logits: Tensor = self.head(F.relu(self.hidden(features)))
        return logits.flatten(1)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`: for each window's centre what `classify_patches` gives for the window."""
        if self.mirrored:
            images = F.pad(images, (_CONTEXT,) * 4, mode="reflect")
        features = to_channels_last(images)
        spread = 1
        for layer in cast("Iterable[nn.Conv2d]", self.convolutions):
            features = F.relu(F.conv2d(features, layer.weight, layer.bias, dilation=spread))
            features = F.max_pool2d(features, _POOL, stride=1, dilation=spread)
            spread *= _POOL
        features = F.relu(F.conv2d(features, self.hidden.weight, self.hidden.bias, dilation=spread))
        return SegmentationOutput(self.head(features), ())
