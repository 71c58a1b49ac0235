"""UNet++: the U-Net with nested, dense skip connections.

Zhou 2018, doi 10.1007/978-3-030-00889-5_1; Zhou 2020, doi 10.1109/TMI.2019.2959609.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg.config import Config
from medseg.models.base import SegmentationOutput
from medseg.models.blocks.monai_network import MONAI_NORM, MonaiNetwork

_LEVELS = 5
_AUXILIARY_HEADS = ("final_conv_0_3", "final_conv_0_2", "final_conv_0_1")


class UNetPlusPlusOptions(Config):
    """Shape of the network."""

    width: Annotated[int, Field(ge=2)] = 32
    """Channels of the finest level; each of the four coarser ones has twice as many, 32 to 512 in the paper."""
    norm: Literal["batch", "instance"] = "instance"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    deep_supervision: bool = False
    """Train a head of its own on each nested decoder. The logits are those of the deepest one."""


class UNetPlusPlus(MonaiNetwork):
    """Decoders of depth 1 to 4 nested in one another, each fed by all shallower ones; 9.1 M parameters in 2-D.

    MONAI's `BasicUNetPlusPlus`. The auxiliary logits of `deep_supervision` are those of the shallower decoders, the
    deepest first, all on the input's grid. Differs from the paper: leaky ReLU, normalised convolutions, and on the
    finest row transposed convolutions that keep the number of channels (the paper gives 9.04 M parameters).
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int = 2,
        options: UNetPlusPlusOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        from monai.networks.nets import BasicUNetPlusPlus

        options = options or UNetPlusPlusOptions()
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            divisor=(2 ** (_LEVELS - 1),) * spatial_dims,
            norm=options.norm,
            generator=generator,
            build=partial(
                BasicUNetPlusPlus,
                spatial_dims=spatial_dims,
                in_channels=in_channels,
                out_channels=num_classes,
                features=[*(options.width * 2**level for level in range(_LEVELS)), options.width],
                deep_supervision=True,
                norm=MONAI_NORM[options.norm],
                dropout=options.dropout,
            ),
        )
        self.deep_supervision = options.deep_supervision
        if not options.deep_supervision:
            # Heads that nothing trains would still be counted, saved and loaded.
            for name in _AUXILIARY_HEADS:
                setattr(self.network, name, nn.Identity())

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return self.deep_supervision

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`; the auxiliary ones from the deepest of the shallower decoders to the first."""
        *shallower, logits = self.network(self.in_best_order(images))
        wanted = with_auxiliary and self.deep_supervision
        return SegmentationOutput(logits, tuple(reversed(shallower)) if wanted else ())
