"""Gaussian kernels over all pairs of pixels, as operators on one value a pixel and class.

An operator K holds exp(-|f_i - f_j|² / 2) for the features f of two pixels, the pixel with itself included. What the
mean field needs is its symmetric normalisation without the diagonal, which `NormalisedKernel` makes of any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Kernel(Protocol):
    """A symmetric operator on values of the pixels."""

    def apply(self, values: Tensor) -> Tensor:
        """K times `values`, (N, C) to (N, C)."""

    def diagonal(self) -> Tensor:
        """(N,): what each pixel gives to itself."""


class DenseKernel:
    """The kernel written out, N times N: the definition, which other ways of summing are compared with."""

    def __init__(self, features: Tensor) -> None:
        """Takes (N, D) features, each divided by its standard deviation."""
        # One axis at a time: squares of differences, exact where features are equal, and no (N, N, D) array.
        squares = features.new_zeros(len(features), len(features))
        for axis in features.T:
            squares += (axis[:, None] - axis[None, :]) ** 2
        self._matrix = torch.exp(-squares / 2)

    def apply(self, values: Tensor) -> Tensor:
        """K times `values`, (N, C) to (N, C)."""
        return self._matrix @ values

    def diagonal(self) -> Tensor:
        """(N,): ones."""
        return self._matrix.diagonal()


class GridKernel:
    """The Gaussian of the distance on a regular grid, summed to rounding: it is a product of one matrix an axis."""

    def __init__(self, shape: Sequence[int], sigmas_pixels: Sequence[float], *, like: Tensor) -> None:
        """Takes the grid's shape and a standard deviation an axis, in pixels; `like` gives device and type."""
        self._shape = tuple(shape)
        self._matrices = [gaussian(size, sigma, like=like) for size, sigma in zip(shape, sigmas_pixels, strict=True)]

    def apply(self, values: Tensor) -> Tensor:
        """K times `values`, (N, C) to (N, C)."""
        return along_axes(values.reshape(*self._shape, -1), self._matrices).reshape(values.shape)

    def diagonal(self) -> Tensor:
        """(N,): ones."""
        return self._matrices[0].new_ones(torch.Size(self._shape).numel())


class NormalisedKernel:
    """D^-1/2 (K - diag K) D^-1/2 with D the sums of K's rows: symmetric, and no pixel sends to itself.

    The rows' sums include the pixel itself, so that they are never near 0, however alone a pixel is among the features;
    a lone pixel hears nothing. A constant factor of K falls out.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        diagonal = kernel.diagonal()
        sums = kernel.apply(torch.ones_like(diagonal)[:, None])
        self._scale = sums.rsqrt()
        self._own = diagonal[:, None] / sums

    def apply(self, values: Tensor) -> Tensor:
        """The messages to each pixel, (N, C) to (N, C)."""
        return self._scale * self._kernel.apply(self._scale * values) - self._own * values


def along_axes(grid: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """`grid` (*shape, C) with each of its axes multiplied by its matrix, (n, n) an axis."""
    for axis, matrix in enumerate(matrices):
        # One large product an axis: a product a row, with few classes as its columns, is several times slower.
        grid = torch.tensordot(matrix, grid, dims=([1], [axis])).movedim(0, axis)
    return grid


def gaussian(size: int, sigma: float, *, like: Tensor) -> Tensor:
    """(size, size): the Gaussian, 1 at distance 0, between places 0 to size - 1; `like` gives device and type.

    What is lost in the rounding of a sum with the pixel's own 1 is 0: numbers that small slow products down.
    """
    places = torch.arange(size, dtype=like.dtype, device=like.device)
    values = torch.exp(-(((places[:, None] - places[None, :]) / sigma) ** 2) / 2)
    return values.masked_fill(values < torch.finfo(values.dtype).eps, 0.0)
