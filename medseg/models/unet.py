"""The U-Net as it is used today: padded and normalised, for images and volumes.

Ronneberger 2015, doi 10.1007/978-3-319-24574-4_28; in 3-D Cicek 2016, doi 10.1007/978-3-319-46723-8_49; the residual
variant after Zhang 2018, doi 10.1109/LGRS.2018.2802944; training through heads on several levels after Dou 2017,
doi 10.1016/j.media.2017.05.001.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from medseg.config import Config
from medseg.errors import ConfigError
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.convolution import ConvolutionBlock, ResidualBlock
from medseg.models.blocks.dimensions import CONVOLUTION, MAX_POOLING, to_channels_last
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.normalisation import KEEPS_CHANNELS_LAST, Norm
from medseg.models.blocks.upsampling import Upsample, build_upsampling
from medseg.models.input_size import InputSizeRule

_SHAPE_OPTIONS = ("width", "depth", "max_width")
_BLOCKS: Mapping[bool, Callable[..., nn.Module]] = {False: ConvolutionBlock, True: ResidualBlock}


class UNetOptions(Config):
    """Shape of the network."""

    width: PositiveInt = 32
    """Channels of the finest level; each coarser one has twice as many, up to `max_width`."""
    depth: Annotated[int, Field(ge=2, le=8)] = 5
    """Levels, the finest one included."""
    max_width: PositiveInt = 512
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=8)] | None = None
    """Channels of each level, finest first, in place of `width`, `depth` and `max_width`."""
    strides: tuple[PositiveInt | tuple[PositiveInt, ...], ...] | None = None
    """Factor from each level to the next coarser one, one entry fewer than there are levels; an entry is one factor
    for all axes or one for each. Volumes with thick slices take [1, 2, 2] or [2, 2, 1] first. Absent: 2 throughout."""
    residual: bool = False
    """Add each level's input to its output."""
    norm: Norm = "batch"
    """batch is by far the fastest on a CPU; instance suits volumes that are trained one or two at a time."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a feature of the two coarsest levels is dropped."""
    upsample: Upsample = "transposed"
    deep_supervision: bool = False
    """Train a head of its own on each level of the expanding path but the finest."""

    @model_validator(mode="after")
    def _agree(self) -> UNetOptions:
        shaped = any(getattr(self, name) != type(self).model_fields[name].default for name in _SHAPE_OPTIONS)
        if self.channels is not None and shaped:
            message = f"give either channels or {', '.join(_SHAPE_OPTIONS)}, not both"
            raise ValueError(message)
        levels = len(self.level_channels)
        if self.strides is not None and len(self.strides) != levels - 1:
            message = f"strides must have {levels - 1} entries for {levels} levels, not {len(self.strides)}"
            raise ValueError(message)
        if self.deep_supervision and levels < 3:
            message = f"deep_supervision needs 3 levels or more, not {levels}"
            raise ValueError(message)
        return self

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        if self.channels is not None:
            return self.channels
        return tuple(min(self.width * 2**level, self.max_width) for level in range(self.depth))

    def level_strides(self, spatial_dims: int) -> tuple[tuple[int, ...], ...]:
        """Factors from each level to the next, one per axis.

        Raises:
            ConfigError: an entry of `strides` has another number of axes.
        """
        given = self.strides or (2,) * (len(self.level_channels) - 1)
        strides = tuple((entry,) * spatial_dims if isinstance(entry, int) else entry for entry in given)
        if any(len(entry) != spatial_dims for entry in strides):
            message = (
                f"model.options.strides: expected one factor or {spatial_dims} for each level, got {list(given)!r}."
            )
            raise ConfigError(message)
        return strides


class UNet(SegmentationNetwork):
    """A U-Net whose logits cover the whole input.

    Differs from the original in its padding, its normalisation and its options; `width=64, norm="none"` has the
    original's weights. The auxiliary logits of `deep_supervision` come from the levels above the bottom one, finest
    first, at the size of their level.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: UNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or UNetOptions()
        channels, strides = options.level_channels, options.level_strides(spatial_dims)
        divisor = tuple(math.prod(factors) for factors in zip(*strides, strict=True))
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=divisor, minimum=divisor),
            coarsest_norm=options.norm,
        )
        below = list(itertools.pairwise(channels))

        def block(entering: int, leaving: int) -> nn.Module:
            return _BLOCKS[options.residual](entering, leaving, spatial_dims=spatial_dims, norm=options.norm)

        def head(entering: int) -> nn.Module:
            return CONVOLUTION[spatial_dims](entering, num_classes, kernel_size=1)

        self.contracting = nn.ModuleList(
            [block(in_channels, channels[0]), *(block(fine, coarse) for fine, coarse in below)]
        )
        self.pools = nn.ModuleList([MAX_POOLING[spatial_dims](stride) for stride in strides])
        self.dropout = nn.Dropout(options.dropout)
        self.up = nn.ModuleList(
            [
                build_upsampling(options.upsample, coarse, fine, stride=stride)
                for (fine, coarse), stride in zip(below, strides, strict=True)
            ]
        )
        self.expanding = nn.ModuleList([block(2 * fine, fine) for fine, _ in below])
        self.head = head(channels[0])
        self.auxiliary_heads = nn.ModuleList([head(width) for width in channels[1:-1] if options.deep_supervision])
        initialise_he(self, generator=generator)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return len(self.auxiliary_heads) > 0

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        features = to_channels_last(images) if self.coarsest_norm in KEEPS_CHANNELS_LAST else images
        skipped: list[Tensor] = []
        for level, block in enumerate(self.contracting):
            if level > 0:
                features = self.pools[level - 1](features)
            features = block(features)
            if level >= len(self.contracting) - 2:
                features = self.dropout(features)
            skipped.append(features)
        auxiliary: list[Tensor] = []
        for level in reversed(range(len(self.expanding))):
            features = torch.cat([skipped[level], self.up[level](features)], dim=1)
            features = self.expanding[level](features)
            if with_auxiliary and 0 < level <= len(self.auxiliary_heads):
                auxiliary.append(self.auxiliary_heads[level - 1](features))
        return SegmentationOutput(self.head(features), tuple(reversed(auxiliary)))
