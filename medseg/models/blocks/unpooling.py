"""Max-pooling that remembers where the maxima were, and its reversal.

Zeiler 2011, doi 10.1109/ICCV.2011.6126474; for segmentation Noh 2015, doi 10.1109/ICCV.2015.178.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


class PooledPositions(NamedTuple):
    """What max-unpooling needs to undo a max-pooling.

    Attributes:
        indices: where each maximum was, counted through the flattened image, the shape of the pooled features.
        size: spatial size before the pooling.
    """

    indices: Tensor
    size: tuple[int, ...]


def pool_with_positions(features: Tensor, pool: nn.MaxPool2d) -> tuple[Tensor, PooledPositions]:
    """What `pool` makes of `features`, and where it found it."""
    pooled, indices = F.max_pool2d(
        features, pool.kernel_size, pool.stride, pool.padding, ceil_mode=pool.ceil_mode, return_indices=True
    )
    return pooled, PooledPositions(indices, tuple(features.shape[2:]))


def unpool(features: Tensor, positions: PooledPositions) -> Tensor:
    """Each value of `features` where the maximum was, zeros elsewhere; on the grid before the pooling.

    Odd sizes come back as they were. `features` needs the shape of the pooled features.
    """
    # torch's own max_unpool2d refuses to run when reproducible training is asked for; this is the same result.
    batch, channels = features.shape[:2]
    empty = features.new_zeros(batch, channels, math.prod(positions.size))
    filled = empty.scatter(2, positions.indices.flatten(2), features.flatten(2))
    return filled.view(batch, channels, *positions.size)
