"""SegResNet: a residual encoder with group norm and a light decoder.

Myronenko 2018 (winner of BraTS 2018), doi 10.1007/978-3-030-11726-9_28.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

import torch
from pydantic import Field, PositiveInt

from medseg.config import Config
from medseg.models.blocks.monai_network import MonaiNetwork
from medseg.models.blocks.normalisation import MAX_GROUPS


class SegResNetOptions(Config):
    """Shape of the network."""

    width: Annotated[int, Field(ge=2)] = 8
    """Channels of the finest level; each coarser one has twice as many. 8 as in MONAI, 32 in the paper."""
    blocks_down: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=7)] = (1, 2, 2, 4)
    """Residual blocks of each level of the encoder, finest first."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a feature is dropped after the first convolution; 0.2 in the paper."""


class SegResNet(MonaiNetwork):
    """Residual blocks of group norm, ReLU and convolution; skips are added; 1,176,186 parameters for volumes, 1 to 2.

    MONAI's `SegResNet`. Differs from the paper: without the variational autoencoder that regularises the training
    there, and with 8 channels on the finest level; `width=32` is the paper's.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: SegResNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        from monai.networks.nets import SegResNet as MonaiSegResNet

        options = options or SegResNetOptions()
        levels = len(options.blocks_down)
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            divisor=(2 ** (levels - 1),) * spatial_dims,
            norm="group",
            generator=generator,
            build=partial(
                MonaiSegResNet,
                spatial_dims=spatial_dims,
                init_filters=options.width,
                in_channels=in_channels,
                out_channels=num_classes,
                dropout_prob=options.dropout or None,
                norm=("group", {"num_groups": math.gcd(options.width, MAX_GROUPS)}),
                blocks_down=options.blocks_down,
                blocks_up=(1,) * (levels - 1),
            ),
        )
