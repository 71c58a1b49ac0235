"""What every network of medseg is and promises."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from medseg.errors import GeometryError, InputError
from medseg.models.blocks.normalisation import Norm, needs_two_voxels
from medseg.models.input_size import InputSizeRule


class SegmentationOutput(NamedTuple):
    """Logits of a network with auxiliary heads.

    Attributes:
        logits: shape (N, num_classes, *spatial).
        auxiliary: logits of the auxiliary heads, finest first, each on its own coarser grid or upsampled to that of
            `logits`; empty for a network without such heads.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


class SegmentationNetwork(nn.Module, ABC):
    """A network that gives every voxel a score for each of several exclusive classes.

    Contract: `forward` returns plain logits, in training as in evaluation, so that any MONAI inferer can call it.
    Probabilities are their softmax over axis 1. Every parameter gets a gradient from `forward_with_auxiliary`. In
    evaluation mode the answer depends on the input alone. Weights keep torch's default memory format.

    Subclasses compute in `compute` and may trust their input there.

    Attributes:
        in_channels: channels of the input.
        num_classes: classes of the output, background included.
        spatial_dims: 2 or 3.
        input_size: sizes that the network takes.
        coarsest_norm: normalisation that the smallest size would meet with a single voxel.
        published_layers: layers behind the trunk -> their names in the trunk's published weights, where it has some.
    """

    published_layers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        spatial_dims: int,
        input_size: InputSizeRule,
        coarsest_norm: Norm = "none",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.spatial_dims = spatial_dims
        self.input_size = input_size
        self.coarsest_norm: Norm = coarsest_norm

    @property
    def size_divisor(self) -> int:
        """Step, in voxels, between allowed sizes, the same for all axes.

        A network without context takes every multiple of it.
        """
        return math.lcm(*self.input_size.divisor)

    @property
    def context_voxels(self) -> int:
        """Border, in voxels, that the logits lack on each side of each axis; 0 where they cover the whole input."""
        return self.input_size.context_voxels

    @property
    def has_auxiliary_heads(self) -> bool:
        """Whether `forward_with_auxiliary` returns more than the logits."""
        return False

    @abstractmethod
    def compute(self, images: Tensor, *, with_auxiliary: bool) -> SegmentationOutput:
        """Logits of checked `images`; the auxiliary ones only where they are asked for."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (N, num_classes, *spatial), of `images`, shape (N, in_channels, *spatial).

        Raises:
            InputError: `images` has the wrong number of axes or channels, or holds whole numbers.
            GeometryError: the network cannot take images of that size.
        """
        return self.compute(self._checked(images), with_auxiliary=False).logits

    def forward_with_auxiliary(self, images: Tensor) -> SegmentationOutput:
        """Logits as from `forward`, and those of the auxiliary heads.

        Raises:
            InputError: as for `forward`.
            GeometryError: as for `forward`.
        """
        return self.compute(self._checked(images), with_auxiliary=True)

    def check_input_size(self, spatial_shape: Sequence[int]) -> None:
        """Raise unless the network can take images of that size.

        Raises:
            GeometryError: it cannot, or one voxel would be left on the coarsest level, which cannot be normalised; the
                message says the next size that it can take.
        """
        if len(spatial_shape) != self.spatial_dims:
            message = f"{self._name}: expected {self.spatial_dims} spatial axes, got {len(spatial_shape)}."
            raise GeometryError(message)
        rule = self.input_size
        if not rule.allows(spatial_shape):
            message = (
                f"{self._name}: an input of {_written(spatial_shape)} voxels does not fit; an axis may have "
                f"{rule.described()}. Pad it or choose a patch size of {_written(rule.at_least(spatial_shape))}."
            )
            raise GeometryError(message)
        if tuple(spatial_shape) == rule.divisor and needs_two_voxels(self.coarsest_norm, training=self.training):
            double = _written([2 * size for size in spatial_shape])
            message = (
                f"{self._name}: an input of {_written(spatial_shape)} voxels leaves one voxel on the coarsest level, "
                f"too few for {self.coarsest_norm} norm. Choose a patch size of {double} or fewer levels."
            )
            raise GeometryError(message)

    def crop_to_output(self, voxels: Tensor) -> Tensor:
        """The part of `voxels` (target or weights on the input's grid, spatial axes last) that the logits cover."""
        border = self.context_voxels
        if border == 0:
            return voxels
        for axis in range(-self.spatial_dims, 0):
            voxels = voxels.narrow(axis, border, voxels.shape[axis] - 2 * border)
        return voxels

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _checked(self, images: Tensor) -> Tensor:
        if images.ndim != self.spatial_dims + 2 or images.shape[1] != self.in_channels:
            axes = ", ".join("xyz"[: self.spatial_dims])
            message = (
                f"{self._name}: expected images of shape (batch, {self.in_channels}, {axes}), "
                f"got {tuple(images.shape)}."
            )
            raise InputError(message)
        if not images.is_floating_point():
            message = f"{self._name}: expected floating-point images, got {images.dtype}. Convert them with .float()."
            raise InputError(message)
        self.check_input_size(images.shape[2:])
        # A MetaTensor would carry its history through every layer, and be slow and large.
        plain = getattr(images, "as_tensor", None)
        return images if plain is None else plain()


def _written(spatial_shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in spatial_shape)
