"""The loss of a network with auxiliary heads on coarser grids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medseg.errors import ConfigError


def deep_supervision_loss(
    loss: nn.Module,
    logits: Tensor,
    auxiliary: Sequence[Tensor],
    target: Tensor,
    pixel_weights: Tensor | None = None,
    *,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Weighted mean of `loss` over the logits, whose weight is 1, and the auxiliary ones.

    Without auxiliary logits it is `loss` itself. The target of a coarser grid is the voxel nearest to each of its
    voxels' centres. Unless given, each weight is half of the one before, as in nnU-Net: Isensee 2021,
    doi 10.1038/s41592-020-01008-z.

    Args:
        loss: called with logits, target and weights of one grid.
        logits: shape (N, K, *spatial).
        auxiliary: logits of the auxiliary heads, finest first, shape (N, K, *coarser) each.
        target: class indices, shape (N, *spatial).
        pixel_weights: shape (N, *spatial), or None.
        weights: one for each auxiliary head, finest first; without auxiliary logits they play no part.

    Raises:
        ConfigError: there is another number of heads than of weights.
    """
    total = loss(logits, target, pixel_weights)
    if weights is None:
        weights = [0.5 ** (depth + 1) for depth in range(len(auxiliary))]
    elif auxiliary and len(weights) != len(auxiliary):
        message = (
            f"loss.auxiliary_weights: expected one for each of the {len(auxiliary)} auxiliary heads of the network, "
            f"got {len(weights)}."
        )
        raise ConfigError(message)
    for weight, coarse in zip(weights, auxiliary, strict=False):
        coarse_target = to_coarser_grid(target, coarse.shape[2:])
        coarse_weights = None if pixel_weights is None else to_coarser_grid(pixel_weights, coarse.shape[2:])
        total = total + weight * loss(coarse, coarse_target, coarse_weights)
    result: Tensor = total / (1 + sum(weights[: len(auxiliary)]))
    return result


def to_coarser_grid(voxels: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """The nearest voxels of `voxels`, shape (N, *spatial), on a grid of `spatial_shape` over the same extent."""
    for axis, size in enumerate(spatial_shape, start=1):
        step = voxels.shape[axis] / size
        centres = ((torch.arange(size, device=voxels.device) + 0.5) * step).long()
        voxels = voxels.index_select(axis, centres)
    return voxels
