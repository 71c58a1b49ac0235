"""The residual U-Net of MONAI.

Kerfoot 2019, doi 10.1007/978-3-030-12029-0_40; residual units after He 2016, doi 10.1109/CVPR.2016.90; the U-Net after
Ronneberger 2015, doi 10.1007/978-3-319-24574-4_28.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt

from medseg.config import Config
from medseg.models.blocks.monai_network import MONAI_NORM, MonaiNetwork


class ResidualUNetOptions(Config):
    """Shape of the network."""

    width: PositiveInt = 16
    """Channels of the finest level; each coarser one has twice as many."""
    depth: Annotated[int, Field(ge=2, le=8)] = 5
    """Levels, the finest one included."""
    residual_units: PositiveInt = 2
    """Convolutions in each contracting residual unit."""
    norm: Literal["batch", "instance"] = "batch"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ResidualUNet(MonaiNetwork):
    """A U-Net of residual units with strided convolutions and PReLU; 4,808,917 parameters for volumes, 1 to 2.

    That is MONAI's `UNet` with the channels of its spleen example (16 to 256). Every level, the finest too, halves
    the grid once: five levels step by 16 voxels. `unet` with `residual` has pooling and ReLU in their place.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: ResidualUNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        from monai.networks.nets import UNet

        options = options or ResidualUNetOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            divisor=(2 ** (options.depth - 1),) * spatial_dims,
            norm=options.norm,
            generator=generator,
            build=partial(
                UNet,
                spatial_dims=spatial_dims,
                in_channels=in_channels,
                out_channels=num_classes,
                channels=[options.width * 2**level for level in range(options.depth)],
                strides=(2,) * (options.depth - 1),
                num_res_units=options.residual_units,
                norm=MONAI_NORM[options.norm],
                dropout=options.dropout,
            ),
        )
