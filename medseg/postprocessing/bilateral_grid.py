"""A Gaussian kernel over pixels in some dimensions (place and values), summed on a coarse grid of the features.

Chen, Paris, Durand: Real-time Edge-Aware Image Processing with the Bilateral Grid, SIGGRAPH 2007,
doi 10.1145/1275808.1276506. Pixels give their values to the corners of the cell that they lie in, the grid is
smoothed axis by axis, and pixels read it at their place again. Giving S^T and reading S are each other's transpose, so
that the whole, S B S^T, is symmetric as the kernel is.

One pair of pixels may be off by some 20 % an axis at 1 cell a sigma and 4 % at 2, by where in their cells they lie;
sums over many pixels are off by much less.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from medseg.errors import InputError
from medseg.postprocessing.pairwise_kernels import along_axes, gaussian

MAX_CELLS = 2**26
"""Cells that a grid may have: 256 MiB for one class."""

_VALUES_AT_ONCE = 2**25
"""Cells times classes that are smoothed at once."""

_TENT_VARIANCE = 1 / 3
"""Linear giving and linear reading each convolve with a tent, on the average over places, of variance 1/6 cell²."""


class BilateralGrid:
    """An approximation of `DenseKernel` in time that grows with the pixels and the cells, not with pairs of pixels."""

    def __init__(self, features: Tensor, *, cells_per_sigma: float) -> None:
        """Lays the grid over the features.

        Args:
            features: (N, D), each divided by its standard deviation.
            cells_per_sigma: resolution, of at least 1.

        Raises:
            InputError: the grid has too many cells for memory.
        """
        places = (features - features.amin(dim=0)) * cells_per_sigma
        base = places.floor().long()
        self._shape = _checked_shape(base)
        fraction = places - base
        corners, shares = _corners(base, fraction, self._shape)
        self._read, self._read_shares = corners.int(), shares
        self._give, self._give_offsets, self._give_shares = _transposed(corners, shares, math.prod(self._shape))
        variance = cells_per_sigma**2 - _TENT_VARIANCE
        self._matrices = [gaussian(size, math.sqrt(variance), like=features) for size in self._shape]
        self._diagonal = _own_shares(fraction, variance)

    def apply(self, values: Tensor) -> Tensor:
        """About K times `values` up to a constant factor, (N, C) to (N, C)."""
        at_once = max(1, _VALUES_AT_ONCE // math.prod(self._shape))
        return torch.cat([self._apply(part) for part in values.split(at_once, dim=1)], dim=1)

    def diagonal(self) -> Tensor:
        """(N,): what each pixel gives to itself through the grid, not 1 as in the kernel."""
        return self._diagonal

    def _apply(self, values: Tensor) -> Tensor:
        given = F.embedding_bag(
            self._give, values.contiguous(), self._give_offsets, mode="sum", per_sample_weights=self._give_shares
        )
        smooth = along_axes(given.reshape(*self._shape, -1), self._matrices).reshape(given.shape)
        return F.embedding_bag(self._read, smooth, mode="sum", per_sample_weights=self._read_shares)


def _checked_shape(base: Tensor) -> tuple[int, ...]:
    shape = tuple(int(last) + 2 for last in base.amax(dim=0))
    if math.prod(shape) > MAX_CELLS:
        message = (
            f"dense CRF: its bilateral grid would have {' x '.join(map(str, shape))} cells, more than {MAX_CELLS}. "
            "Make the appearance kernel's sigmas larger or cells_per_sigma smaller."
        )
        raise InputError(message)
    return shape


def _corners(base: Tensor, fraction: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(N, 2^D) flat indices of the corners around each pixel, and the pixel's share in each."""
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    steps = base.new_tensor(strides)
    first = (base * steps).sum(dim=1)
    indices, shares = [], []
    for corner in itertools.product((0, 1), repeat=len(shape)):
        far = base.new_tensor(corner)
        indices.append(first + (far * steps).sum())
        shares.append(torch.where(far.bool(), fraction, 1 - fraction).prod(dim=1))
    return torch.stack(indices, dim=1), torch.stack(shares, dim=1)


def _transposed(corners: Tensor, shares: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels ordered by the cell that they give to, where each cell's pixels begin, and their shares."""
    order = corners.flatten().argsort(stable=True)
    counts = torch.bincount(corners.flatten(), minlength=cells)
    begins = counts.cumsum(0) - counts
    return (order // corners.shape[1]).int(), begins.int(), shares.flatten()[order]


def _own_shares(fraction: Tensor, variance: float) -> Tensor:
    """The diagonal of S B S^T: an axis gives (1-t)² + t² of the smoothing's middle and 2t(1-t) of its neighbour."""
    mixed = 2 * fraction * (1 - fraction)
    return (1 - mixed + mixed * math.exp(-1 / (2 * variance))).prod(dim=1)
