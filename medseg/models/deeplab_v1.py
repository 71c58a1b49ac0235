"""DeepLab: VGG16 with holes.

Chen, Papandreou, Kokkinos, Murphy, Yuille: Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected
CRFs, ICLR 2015, arXiv 1412.7062; journal version doi 10.1109/TPAMI.2017.2699184.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.alignment import any_size_above, upsample_aligned
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.large_field import DENSE_LAYERS, OUTPUT_STRIDE, FieldOfView, FullyConnected, atrous_vgg16
from medseg.models.blocks.width import WidthFactor


class DeepLabV1Options(Config):
    """Shape of the network."""

    width_factor: WidthFactor = 1.0
    field_of_view: FieldOfView = "large"
    """The paper's versions of the first fully connected layer: large (3x3, dilated by 12, 1024 channels), 7x7 and 4x4
    (dilated by 4, 4096 channels)."""


class DeepLabV1(SegmentationNetwork):
    """DeepLab-LargeFOV: 20,505,429 parameters for 3 channels and 21 classes.

    Scores every 8 pixels (321 x 321 gives 41 x 41), upsampled bilinearly inside to the input's size. The paper's
    training compares the coarse scores with a coarse reference; here they are upsampled in training too. Its dense CRF
    is a step after the network.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DeepLabV1Options | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DeepLabV1Options()
        layers = DENSE_LAYERS[options.field_of_view]
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            # On fewer cells than that no weight of the 4x4 convolution would meet one.
            input_size=any_size_above(OUTPUT_STRIDE * max(1, layers.cells_to_nearest_weight)),
        )
        factor = options.width_factor
        self.trunk = atrous_vgg16(in_channels, width_factor=factor)
        self.connected = FullyConnected(self.trunk.widths[-1], layers, width_factor=factor)
        self.head = nn.Conv2d(self.connected.out_channels, num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = self.trunk(to_channels_last(images))["pool5"]
        scores = self.head(self.connected(features))
        return SegmentationOutput(upsample_aligned(scores, stride=OUTPUT_STRIDE, size=images.shape[2:]), ())
