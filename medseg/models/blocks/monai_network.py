"""MONAI's networks behind medseg's way of calling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from medseg.errors import GeometryError
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
    """A network of MONAI, held as `network`, that takes multiples of `divisor` and answers on the input's grid.

    Attributes:
        norm: normalisation on the coarsest level; it decides how small an input may be.
    """

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
        )
        self.norm = norm
        with drawing_from(generator):
            self.network = build()

    def check_input_size(self, spatial_shape: Sequence[int]) -> None:
        """Raise unless the network can take images of that size.

        Raises:
            GeometryError: it cannot, or one voxel would be left on the coarsest level, which cannot be normalised.
        """
        super().check_input_size(spatial_shape)
        alone = self.norm == "instance" or (self.norm == "batch" and self.training)
        if alone and tuple(spatial_shape) == self.input_size.divisor:
            given, double = (" x ".join(str(factor * size) for size in spatial_shape) for factor in (1, 2))
            message = (
                f"{type(self).__name__}: an input of {given} voxels leaves one voxel on the coarsest level, too few "
                f"for {self.norm} norm. Choose a patch size of {double}."
            )
            raise GeometryError(message)

    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`."""
        return SegmentationOutput(self.network(self.in_best_order(images)), ())

    def in_best_order(self, images: Tensor) -> Tensor:
        """`images` in the memory order that the network's normalisation keeps."""
        return to_channels_last(images) if self.norm in KEEPS_CHANNELS_LAST else images


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
