"""The U-Net whose skip connections are weighted by attention.

Oktay 2018, doi 10.48550/arXiv.1804.03999; Schlemper 2019, doi 10.1016/j.media.2019.01.012.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field

from medseg.config import Config
from medseg.models.blocks.monai_network import MonaiNetwork


class AttentionUNetOptions(Config):
    """Shape of the network."""

    width: Annotated[int, Field(ge=2)] = 64
    """Channels of the finest level; each coarser one has twice as many."""
    depth: Annotated[int, Field(ge=2, le=8)] = 5
    """Levels, the finest one included."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class AttentionUNet(MonaiNetwork):
    """A U-Net in which features from below say which voxels of a skip connection count.

    MONAI's `AttentionUnet`. Differs from the paper: strided convolutions in place of pooling, and the gate is the
    upsampled coarser level, so that the attention is computed on the grid of the skip and is not interpolated.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: AttentionUNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        from monai.networks.nets import AttentionUnet

        options = options or AttentionUNetOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            divisor=(2 ** (options.depth - 1),) * spatial_dims,
            norm="batch",
            generator=generator,
            build=partial(
                AttentionUnet,
                spatial_dims=spatial_dims,
                in_channels=in_channels,
                out_channels=num_classes,
                channels=[options.width * 2**level for level in range(options.depth)],
                strides=(2,) * (options.depth - 1),
                dropout=options.dropout,
            ),
        )
