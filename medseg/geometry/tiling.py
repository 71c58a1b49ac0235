"""Cutting an image into overlapping tiles, and the weights with which their results are put together again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError

_SMALLEST_WEIGHT = 1e-3
"""Least weight of a tile's voxel relative to its centre.

Keeps the sum of weights well above zero, in half precision too, where only the corner of a tile covers a voxel.
"""


def tile_slices(
    spatial_shape: Sequence[int], tile_size: Sequence[int], *, overlap_fraction: float
) -> list[tuple[slice, ...]]:
    """Places of tiles that together cover every voxel, in C order.

    All tiles have the same size: `tile_size`, cut down to the image where that is smaller. Neighbours overlap by at
    least `overlap_fraction` of the tile; the last tile of an axis is moved inwards so that it ends with the image.

    Args:
        spatial_shape: size of the image in voxels.
        tile_size: size of a tile in voxels, one entry per spatial axis.
        overlap_fraction: share of a tile's length, 0 up to but not including 1.

    Raises:
        GeometryError: sizes below 1, unequal numbers of axes, or an overlap outside [0, 1).
    """
    if len(spatial_shape) != len(tile_size) or min((*spatial_shape, *tile_size), default=0) < 1:
        message = (
            "tiling: expected sizes of at least 1 and one tile size per spatial axis, "
            f"got tiles {tuple(tile_size)} for an image of {tuple(spatial_shape)} voxels."
        )
        raise GeometryError(message)
    if not 0 <= overlap_fraction < 1:
        message = f"tiling: expected an overlap of at least 0 and below 1, got {overlap_fraction}."
        raise GeometryError(message)
    intervals = [
        _intervals(length, min(length, tile), overlap_fraction)
        for length, tile in zip(spatial_shape, tile_size, strict=True)
    ]
    return list(itertools.product(*intervals))


def gaussian_window(tile_size: Sequence[int], *, sigma_fraction: float = 0.125) -> NDArray[np.float32]:
    """Weights of a tile's voxels, (*tile_size), strictly positive and greatest in the middle, at most 1.

    A separable Gaussian: a network sees less of the surroundings at a tile's border, so what it says there counts less
    (Isensee 2021, doi 10.1038/s41592-020-01008-z). Weights do not fall below 1/1000.

    Args:
        tile_size: size of the tile in voxels.
        sigma_fraction: standard deviation as a share of each length.

    Raises:
        GeometryError: a size below 1 or a standard deviation that is not positive.
    """
    if min(tile_size, default=0) < 1 or not sigma_fraction > 0:
        message = (
            "tiling: expected sizes of at least 1 and a positive standard deviation, "
            f"got {tuple(tile_size)} and {sigma_fraction}."
        )
        raise GeometryError(message)
    window = np.ones((), dtype=np.float64)
    for length in tile_size:
        offset = (np.arange(length) - (length - 1) / 2) / (sigma_fraction * length)
        window = window[..., np.newaxis] * np.exp(-0.5 * offset**2)
    return np.maximum(window, _SMALLEST_WEIGHT).astype(np.float32)


def _intervals(length: int, tile: int, overlap_fraction: float) -> list[slice]:
    # The small term keeps 10 * (1 - 0.9) = 0.9999... from becoming a step of 0.
    step = max(1, int(tile * (1.0 - overlap_fraction) + 1e-6))
    starts = [*range(0, length - tile, step), length - tile]
    return [slice(start, start + tile) for start in starts]
