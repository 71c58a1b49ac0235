"""MONAI's networks behind medseg's way of calling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.blocks.dimensions import to_channels_last
from medseg.models.blocks.normalisation import KEEPS_CHANNELS_LAST, Norm
from medseg.models.input_size import InputSizeRule

MONAI_NORM: Mapping[Norm, Any] = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
    "none": None,
}
"""What MONAI calls the normalisations of `build_norm`."""


class MonaiNetwork(SegmentationNetwork):
    """A network of MONAI, held as `network`, that takes multiples of `divisor` and answers on the input's grid."""

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int,
        divisor: tuple[int, ...],
        norm: Norm,
        build: Callable[[], nn.Module],
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=spatial_dims,
            input_size=InputSizeRule(divisor=divisor, minimum=divisor),
            coarsest_norm=norm,
        )
        with drawing_from(generator):
            self.network = build()

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        return SegmentationOutput(self.network(self.in_best_order(images)), ())

    def in_best_order(self, images: Tensor) -> Tensor:
        """`images` in the memory order that the network's normalisation keeps."""
        return to_channels_last(images) if self.coarsest_norm in KEEPS_CHANNELS_LAST else images


@contextmanager
def drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """What torch draws inside comes from `generator`, and torch's global generator stays as it was.

    MONAI draws weights from the global generator alone. None changes nothing.
    """
    if generator is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(generator.get_state())
        yield
        generator.set_state(torch.get_rng_state())
