"""The 3-D U-Net.

Cicek, Abdulkadir, Lienkamp, Brox, Ronneberger: 3D U-Net: Learning Dense Volumetric Segmentation from Sparse
Annotation, MICCAI 2016, doi 10.1007/978-3-319-46723-8_49.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.normalisation import Norm, build_norm
from medseg.models.input_size import InputSizeRule

_LEVELS = 4
_DIVISOR = 2 ** (_LEVELS - 1)

# Two unpadded convolutions cost two voxels a side: 2, 4, 8 input voxels on the way down and again on the way up, 16
# at the bottom: 2 * (2 + 4 + 8) + 16 = 44. Four voxels of output are the fewest that leave something on every level.
_VALID_SIZES = InputSizeRule(divisor=(_DIVISOR,) * 3, minimum=(92,) * 3, context_voxels=44)
# With padding, eight voxels would leave one on the coarsest level, which batch norm cannot take in training.
_PADDED_SIZES = InputSizeRule(divisor=(_DIVISOR,) * 3, minimum=(2 * _DIVISOR,) * 3)


class UNet3DOptions(Config):
    """What may differ from the paper."""

    width: PositiveInt = 32
    """Channels of the very first convolution; each level ends with 2, 4, 8 and 16 times as many."""
    norm: Literal["none", "batch"] = "none"
    """The paper trains without and with batch norm before each ReLU; the number that it prints is of the former."""
    padding: Literal["valid", "same"] = "valid"
    """same pads every convolution with zeros, so that the logits cover the whole input."""


class UNet3D(SegmentationNetwork):
    """The 3-D U-Net of the paper: 19,069,955 parameters for 3 channels and 3 classes.

    An input of 132 x 132 x 116 gives logits of 44 x 44 x 28: the border of 44 voxels a side is context. The channels
    double before each pooling, so that it loses nothing. The up-convolutions have no bias; with one the paper's
    number would not come out. Training from sparse annotation is a matter of the loss: ignored voxels.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 3,
        options: UNet3DOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or UNet3DOptions()
        padded = options.padding == "same"
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=_PADDED_SIZES if padded else _VALID_SIZES,
        )
        widths = [options.width * 2**level for level in range(_LEVELS + 1)]
        leaving = widths[1:]

        def block(*channels: int) -> nn.Sequential:
            return _block(channels, norm=options.norm, padded=padded)

        self.contracting = nn.ModuleList(
            [
                block(in_channels, *widths[:2]),
                *(block(fine, fine, coarse) for fine, coarse in itertools.pairwise(leaving)),
            ]
        )
        self.pool = nn.MaxPool3d(2)
        self.up = nn.ModuleList([nn.ConvTranspose3d(width, width, 2, stride=2, bias=False) for width in leaving[1:]])
        self.expanding = nn.ModuleList(
            [block(fine + coarse, fine, fine) for fine, coarse in itertools.pairwise(leaving)]
        )
        self.head = nn.Conv3d(leaving[0], num_classes, kernel_size=1)
        initialise_he(self, generator=generator)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = to_channels_last(images)
        skipped: list[Tensor] = []
        for level, block in enumerate(self.contracting):
            features = block(self.pool(features) if level > 0 else features)
            skipped.append(features)
        for level in reversed(range(_LEVELS - 1)):
            features = self.up[level](features)
            features = self.expanding[level](torch.cat([_centre(skipped[level], features), features], dim=1))
        return SegmentationOutput(self.head(features), ())


def _block(channels: tuple[int, ...], *, norm: Norm, padded: bool) -> nn.Sequential:
    """Convolution with bias, norm, ReLU for each pair of neighbours in `channels`."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(channels):
        layers += [
            nn.Conv3d(before, after, kernel_size=3, padding=int(padded)),
            build_norm(norm, after, spatial_dims=3),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _centre(features: Tensor, like: Tensor) -> Tensor:
    """The middle of `features` that has the size of `like`."""
    for axis in (-3, -2, -1):
        size = like.shape[axis]
        features = features.narrow(axis, (features.shape[axis] - size) // 2, size)
    return features
