"""nnU-Net's U-Nets, with its plain and its residual encoder.

Isensee 2021, doi 10.1038/s41592-020-01008-z; the residual encoder Isensee 2024, doi 10.1007/978-3-031-72114-4_47.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from medseg.config import Config
from medseg.errors import ConfigError
from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import CONVOLUTION
from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.monai_network import drawing_from
from medseg.models.blocks.residual_encoder import ExpandingStage, LeakyConvolution, ResidualStage
from medseg.models.input_size import InputSizeRule

_MAX_WIDTH: Mapping[int, int] = {2: 512, 3: 320}
_BLOCKS = (1, 3, 4, 6, 6, 6, 6, 6)
"""Residual blocks of each level, finest first, in nnU-Net's presets."""

PerLevel = tuple[PositiveInt | tuple[PositiveInt, ...], ...]


class DynUNetOptions(Config):
    """Shape of the network."""

    encoder: Literal["plain", "residual"] = "plain"
    """plain is MONAI's DynUNet; residual has 1, 3, 4, 6, 6, ... residual blocks on its levels and a lighter decoder."""
    width: PositiveInt = 32
    """Channels of the finest level; each coarser one has twice as many, up to 512 in 2-D and 320 in 3-D."""
    depth: Annotated[int, Field(ge=3, le=8)] = 6
    """Levels, the finest one included."""
    strides: PerLevel | None = None
    """Factor from each level to the next coarser one, one entry fewer than there are levels; an entry is one factor
    for all axes or one for each. Absent: 2 throughout."""
    kernels: PerLevel | None = None
    """Width of the convolutions of each level, odd; thick slices take [3, 3, 1] first. Absent: 3 throughout."""
    deep_supervision: bool = False
    """Train a head of its own on each level of the expanding path but the finest."""

    @model_validator(mode="after")
    def _agree(self) -> DynUNetOptions:
        for name, given, wanted in (("strides", self.strides, self.depth - 1), ("kernels", self.kernels, self.depth)):
            if given is not None and len(given) != wanted:
                message = f"{name} must have {wanted} entries for {self.depth} levels, not {len(given)}"
                raise ValueError(message)
        sizes = [size for entry in self.kernels or () for size in ((entry,) if isinstance(entry, int) else entry)]
        if any(size % 2 == 0 for size in sizes):
            message = "kernels must be odd, so that their padding keeps the size"
            raise ValueError(message)
        return self


class _Plan(NamedTuple):
    """What both encoders are built from; `strides` of the finest level is 1."""

    channels: list[int]
    kernels: list[tuple[int, ...]]
    strides: list[tuple[int, ...]]


class _Stages(NamedTuple):
    """Levels, finest first, and the stages that lead back up, coarsest first."""

    contracting: list[nn.Module]
    expanding: list[nn.Module]


class DynUNet(SegmentationNetwork):
    """A U-Net of strided convolutions, instance norm and leaky ReLU, with 32 to 320 channels on six levels.

    For volumes, 1 channel and 2 classes: 31,189,410 parameters with the plain encoder (MONAI's blocks, whose
    convolutions have no bias in front of a norm) and, with the heads of deep supervision, 102,349,770 with the
    residual one (nnU-Net's ResEnc-L). The auxiliary logits are at the size of their level, finest first.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: DynUNetOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or DynUNetOptions()
        plan = _plan(options, spatial_dims)
        divisor = tuple(math.prod(factors) for factors in zip(*plan.strides, strict=True))
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=divisor, minimum=divisor),
            coarsest_norm="instance",
        )
        with drawing_from(generator):
            stages = _STAGES[options.encoder](plan, in_channels)
        self.contracting = nn.ModuleList(stages.contracting)
        self.expanding = nn.ModuleList(stages.expanding)
        heads = [CONVOLUTION[spatial_dims](width, num_classes, kernel_size=1) for width in plan.channels[:-1]]
        self.head = heads[0]
        self.auxiliary_heads = nn.ModuleList(heads[1:] if options.deep_supervision else [])
        initialise_he(self, generator=generator)

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return len(self.auxiliary_heads) > 0

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        skipped: list[Tensor] = []
        features = images
        for stage in self.contracting:
            features = stage(features)
            skipped.append(features)
        auxiliary: list[Tensor] = []
        for level, stage in zip(reversed(range(len(self.expanding))), self.expanding, strict=True):
            features = stage(features, skipped[level])
            if with_auxiliary and 0 < level <= len(self.auxiliary_heads):
                auxiliary.append(self.auxiliary_heads[level - 1](features))
        return SegmentationOutput(self.head(features), tuple(reversed(auxiliary)))


def _plan(options: DynUNetOptions, spatial_dims: int) -> _Plan:
    depth = options.depth
    return _Plan(
        channels=[min(options.width * 2**level, _MAX_WIDTH[spatial_dims]) for level in range(depth)],
        kernels=_per_axis("kernels", options.kernels or (3,) * depth, spatial_dims),
        strides=_per_axis("strides", (1, *(options.strides or (2,) * (depth - 1))), spatial_dims),
    )


def _per_axis(name: str, given: PerLevel, spatial_dims: int) -> list[tuple[int, ...]]:
    entries = [(entry,) * spatial_dims if isinstance(entry, int) else entry for entry in given]
    if any(len(entry) != spatial_dims for entry in entries):
        message = f"model.options.{name}: expected one number or {spatial_dims} for each level, got {list(given)!r}."
        raise ConfigError(message)
    return entries


def _plain(plan: _Plan, in_channels: int) -> _Stages:
    from monai.networks.nets import DynUNet as MonaiDynUNet

    network = MonaiDynUNet(
        spatial_dims=len(plan.strides[0]),
        in_channels=in_channels,
        # Its one head is replaced: MONAI hands auxiliary logits over in an attribute that every call overwrites.
        out_channels=1,
        kernel_size=plan.kernels,
        strides=plan.strides,
        upsample_kernel_size=plan.strides[1:],
        filters=plan.channels,
    )
    return _Stages(
        contracting=[network.input_block, *network.downsamples, network.bottleneck],
        expanding=list(network.upsamples),
    )


def _residual(plan: _Plan, in_channels: int) -> _Stages:
    stem = LeakyConvolution(in_channels, plan.channels[0], kernel=plan.kernels[0])
    entering = [plan.channels[0], *plan.channels]
    stages: list[nn.Module] = [
        ResidualStage(before, after, kernel=kernel, stride=stride, blocks=blocks)
        for before, (after, kernel, stride), blocks in zip(entering, zip(*plan, strict=True), _BLOCKS, strict=False)
    ]
    expanding: list[nn.Module] = [
        ExpandingStage(coarse, fine, kernel=kernel, stride=stride)
        for (fine, coarse), kernel, stride in zip(
            itertools.pairwise(plan.channels), plan.kernels, plan.strides[1:], strict=False
        )
    ]
    return _Stages(contracting=[nn.Sequential(stem, stages[0]), *stages[1:]], expanding=expanding[::-1])


_STAGES: Mapping[str, Callable[[_Plan, int], _Stages]] = {"plain": _plain, "residual": _residual}
