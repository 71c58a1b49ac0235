"""Swin UNETR: an encoder of shifted-window attention with a convolutional decoder.

Hatamizadeh 2022, doi 10.1007/978-3-031-08999-2_22; Swin after Liu 2021, doi 10.1109/ICCV48922.2021.00986.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import nn
from torch.overrides import TorchFunctionMode

from medseg.config import Config
from medseg.models.blocks.monai_network import MonaiNetwork

_DIVISOR = 32
"""The patch embedding halves the grid once, the four stages once each."""
_HEADS = (3, 6, 12, 24)

FourStages = Annotated[tuple[PositiveInt, ...], Field(min_length=4, max_length=4)]


class SwinUNETROptions(Config):
    """Shape of the network."""

    width: Annotated[int, Field(ge=12, multiple_of=12)] = 48
    """Channels after the patch embedding; each stage doubles them."""
    depths: FourStages = (2, 2, 2, 2)
    """Attention blocks of each stage; every second one shifts its windows."""
    window: Annotated[int, Field(ge=2)] = 7
    """Edge of a window, in tokens."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a feature is dropped, in the attention too."""
    save_memory: bool = False
    """Compute the encoder's activations again in the backward pass instead of keeping them."""


class SwinUNETR(MonaiNetwork):
    """MONAI's `SwinUNETR`: 62,187,296 parameters for volumes of 1 channel and 14 classes.

    Differs from the paper in nothing but its options; sizes step by 32.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: SwinUNETROptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = options or SwinUNETROptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            divisor=(_DIVISOR,) * spatial_dims,
            norm="instance",
            generator=generator,
            build=partial(_build, in_channels, num_classes, spatial_dims=spatial_dims, options=options),
        )


def _build(in_channels: int, num_classes: int, *, spatial_dims: int, options: SwinUNETROptions) -> nn.Module:
    from monai.networks.nets import SwinUNETR as MonaiSwinUNETR

    with _RatesOnCPU():
        network: nn.Module = MonaiSwinUNETR(
            in_channels=in_channels,
            out_channels=num_classes,
            feature_size=options.width,
            depths=options.depths,
            num_heads=_HEADS,
            window_size=options.window,
            drop_rate=options.dropout,
            attn_drop_rate=options.dropout,
            use_checkpoint=options.save_memory,
            spatial_dims=spatial_dims,
        )
    return network


class _RatesOnCPU(TorchFunctionMode):
    """Series of numbers lie on the CPU: MONAI reads its drop rates from one, which the meta device cannot give."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The result of `func`."""
        given = dict(kwargs or {})
        if func is torch.linspace:
            given["device"] = "cpu"
        return func(*args, **given)
