"""What every network that finds single objects is and promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medseg.errors import GeometryError, InputError

SMALLEST_SIDE = 64
"""Pixels of an image's side; below, one pixel would be left on the coarsest level of the pyramid."""

_SMALLEST_BOX = 1e-3
"""Sides of a box, in pixels, below which it holds nothing that could be learned."""


@dataclass(frozen=True, eq=False)
class ObjectTargets:
    """The true objects of one image.

    Whole coordinates are pixel centres, so that an object of one pixel at (5, 5) has the box (4.5, 4.5, 5.5, 5.5).

    Attributes:
        boxes: (N, 4) float32, least and greatest coordinate: (axis 1, axis 0) of the first corner, then of the last.
        classes: (N,) int64 class indices from 1.
        masks: (N, height, width) uint8, 1 inside the object.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor

    def without_degenerate(self) -> ObjectTargets:
        """The objects whose box has an extent and whose mask has a pixel; the logarithm of a side of 0 is no number."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        is_kept = (sides > _SMALLEST_BOX).all(dim=1) & torch.isfinite(self.boxes).all(dim=1)
        is_kept &= (self.masks > 0).flatten(1).any(dim=1)
        return ObjectTargets(self.boxes[is_kept], self.classes[is_kept], self.masks[is_kept])


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects that a network finds in one image, the most confident first.

    Attributes:
        boxes: (N, 4) float32, as in `ObjectTargets`.
        classes: (N,) int64 class indices from 1.
        scores: (N,) float32 confidence, 0 to 1.
        masks: (N, M, M) float32, probability of the object's own class on a grid that is laid over its box.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    masks: Tensor


class DetectionNetwork(nn.Module, ABC):
    """A network that answers with a list of objects, each with a box, a class, a score and a mask.

    Contract: it takes images of any size from `SMALLEST_SIDE` on. In evaluation mode the answer depends on the input
    alone.

    Attributes:
        in_channels: channels of the input.
        num_classes: classes, background included.
        spatial_dims: always 2.
    """

    loss_parts: tuple[str, ...] = ()
    """Names of the parts of the loss, in the order of `losses`."""

    def __init__(self, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.spatial_dims = 2

    @abstractmethod
    def forward(self, images: Tensor) -> list[Detections]:
        """The objects of each of `images`, shape (N, in_channels, height, width).

        Raises:
            InputError: `images` has the wrong number of axes or channels, or holds whole numbers.
            GeometryError: the images are too small.
        """

    @abstractmethod
    def losses(self, images: Tensor, targets: Sequence[ObjectTargets]) -> Mapping[str, Tensor]:
        """The parts, called as in `loss_parts`, whose sum is minimised; all finite whatever the targets are.

        Args:
            images: (N, in_channels, height, width).
            targets: one entry an image; images without objects and boxes without extent are allowed.

        Raises:
            InputError: as for `forward`, or another number of targets than images.
            GeometryError: as for `forward`.
        """

    def check_input_size(self, spatial_shape: Sequence[int]) -> None:
        """Raise unless the network can take images of that size.

        Raises:
            GeometryError: it cannot.
        """
        if len(spatial_shape) != self.spatial_dims or min(spatial_shape) < SMALLEST_SIDE:
            size = " x ".join(str(side) for side in spatial_shape)
            message = (
                f"{type(self).__name__}: expected images of two axes of {SMALLEST_SIDE} pixels or more, got {size}. "
                f"Pad them or choose a patch size of {SMALLEST_SIDE} x {SMALLEST_SIDE} or more."
            )
            raise GeometryError(message)

    def _checked(self, images: Tensor) -> Tensor:
        if images.ndim != self.spatial_dims + 2 or images.shape[1] != self.in_channels:
            message = (
                f"{type(self).__name__}: expected images of shape (batch, {self.in_channels}, y, x), "
                f"got {tuple(images.shape)}."
            )
            raise InputError(message)
        if not images.is_floating_point():
            message = f"{type(self).__name__}: expected floating-point images, got {images.dtype}. Convert by .float()."
            raise InputError(message)
        self.check_input_size(images.shape[2:])
        plain = getattr(images, "as_tensor", None)
        return images if plain is None else plain()
