"""What DeepLab v3 and v3+ share: a dilated residual trunk, chosen by the same options."""

from __future__ import annotations

from medseg.config import Config
from medseg.models.base import SegmentationNetwork
from medseg.models.blocks.alignment import any_size_above
from medseg.models.blocks.resnet import MULTI_GRID, DilatedResNet, OutputStride, ResNetDepth
from medseg.models.blocks.width import WidthFactor


class AtrousOptions(Config):
    """Shape of the trunk."""

    width_factor: WidthFactor = 1.0
    backbone: ResNetDepth = "resnet101"
    output_stride: OutputStride = 16
    """Input pixels between the trunk's features. The paper trains with 16 and predicts with 8; the weights are the same
    for both."""
    multi_grid: bool = True
    """Dilate the blocks of the last stage by a further 1, 2 and 4."""


class AtrousNetwork(SegmentationNetwork):
    """A network of any size above its output stride, whose features come from `trunk`."""

    def __init__(self, *, in_channels: int, num_classes: int, spatial_dims: int, options: AtrousOptions) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=any_size_above(options.output_stride),
        )
        self.output_stride = options.output_stride
        self.trunk = DilatedResNet(
            in_channels,
            depth=options.backbone,
            width_factor=options.width_factor,
            output_stride=options.output_stride,
            multi_grid=MULTI_GRID if options.multi_grid else None,
        )
