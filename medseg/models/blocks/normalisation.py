"""Normalisation by name.

batch: Ioffe 2015, arXiv 1502.03167. instance: Ulyanov 2016, arXiv 1607.08022. group: Wu 2018,
doi 10.1007/978-3-030-01261-8_1. All have a learnt scale and shift per channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

Norm = Literal["batch", "instance", "group", "none"]

MAX_GROUPS = 8
"""Groups of channels that group norm uses where their number divides the channels."""

KEEPS_CHANNELS_LAST: frozenset[Norm] = frozenset({"batch", "none"})
"""Normalisations that compute with channels last; torch's others go back and forth, which costs more than it gains."""


def _group_norm(channels: int) -> nn.GroupNorm:
    groups = next(count for count in range(MAX_GROUPS, 0, -1) if channels % count == 0)
    return nn.GroupNorm(groups, channels)


_NORMALISATION: Mapping[tuple[Norm, int], Callable[[int], nn.Module]] = {
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
    ("instance", 2): lambda channels: nn.InstanceNorm2d(channels, affine=True),
    ("instance", 3): lambda channels: nn.InstanceNorm3d(channels, affine=True),
    ("group", 2): _group_norm,
    ("group", 3): _group_norm,
    ("none", 2): lambda _: nn.Identity(),
    ("none", 3): lambda _: nn.Identity(),
}


def build_norm(norm: Norm, channels: int, *, spatial_dims: int) -> nn.Module:
    """The layer that normalises `channels` channels."""
    return _NORMALISATION[norm, spatial_dims](channels)


def needs_two_voxels(norm: Norm, *, training: bool) -> bool:
    """Whether a single voxel has no spread for the layer to divide by."""
    return norm == "instance" or (norm == "batch" and training)
