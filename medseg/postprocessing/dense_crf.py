"""The fully connected CRF: probabilities made to agree with the image's edges and with each other.

Kraehenbuehl, Koltun: Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials, NIPS 2011,
doi 10.48550/arXiv.1210.5644.

The energy of a labelling x is the sum of -log p_i(x_i) over pixels and, over pairs of pixels that differ in class
(Potts), of w_a k_a + w_s k_s: the appearance kernel k_a is a Gaussian of distance and of the image's values, the
smoothness kernel k_s one of distance. Both are normalised symmetrically, D^-1/2 K D^-1/2 with D the sums of K's rows,
which the paper leaves open; without it a pixel in the middle would hear more than one at the border. A pixel sends
nothing to itself, as in the paper.

The smoothness kernel is summed exactly. The appearance kernel is summed on a bilateral grid in place of the paper's
permutohedral lattice. This module loads PyTorch and therefore is not among the names of `medseg.postprocessing`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medseg.config.dense_crf import DenseCrf
from medseg.errors import GeometryError, InputError
from medseg.postprocessing.bilateral_grid import BilateralGrid
from medseg.postprocessing.pairwise_kernels import DenseKernel, GridKernel, Kernel, NormalisedKernel

MAX_EXACT_PIXELS = 2**13
"""Pixels of which all pairs are written out: 256 MiB."""

_LEAST_PROBABILITY = 1e-6
"""A class of probability 0 could never come back; its energy is held finite."""

_SUM_TOLERANCE = 1e-2
"""How far the classes' sum may be from 1: that of probabilities kept in half precision."""


def refine_probabilities(
    probabilities: NDArray[np.floating],
    image: NDArray[np.number],
    *,
    crf: DenseCrf,
    spacing: Sequence[float] | None = None,
    device: str | torch.device = "cpu",
) -> NDArray[np.floating]:
    """The probabilities after mean-field inference; float64 where they were, float32 otherwise.

    Args:
        probabilities: (K, *spatial) of two or three spatial axes, K classes that sum to 1.
        image: (channels, *spatial), what the edges are taken from.
        crf: weights, widths, number of steps.
        spacing: size of a voxel, one entry an axis, in the unit of the distances in `crf`; None takes pixels.
        device: where it is computed.

    Raises:
        GeometryError: shapes or the spacing do not fit together.
        InputError: values that are no probabilities or not finite; an image too large for `exact` or for the grid.
    """
    _check_shapes(probabilities, image, spacing)
    _check_values(probabilities, image)
    dtype = torch.float64 if probabilities.dtype == np.float64 else torch.float32
    shape = probabilities.shape[1:]
    sizes = tuple(float(size) for size in spacing) if spacing is not None else (1.0,) * len(shape)
    answer, values = (
        torch.as_tensor(np.ascontiguousarray(array, dtype=np.float64), device=device).flatten(1).T.to(dtype)
        for array in (probabilities, image)
    )
    with torch.inference_mode():
        kernels = _kernels(values, shape, sizes, crf)
        refined = mean_field(answer, kernels, iterations=crf.iterations)
    return np.ascontiguousarray(refined.T.reshape(probabilities.shape).cpu().numpy())


def mean_field(probabilities: Tensor, kernels: Sequence[tuple[float, NormalisedKernel]], *, iterations: int) -> Tensor:
    """The mean field's marginals, (N, K), after `iterations` steps of all pixels at once.

    Under the Potts model the pull away from class l is that of all other classes, the pull of all less that of l; the
    first is the same for every class and falls out of the softmax.

    Args:
        probabilities: (N, K), where it starts and what the unary energy -log p is taken from.
        kernels: weight and kernel of each term.
        iterations: number of steps.
    """
    log_probabilities = probabilities.clamp_min(_LEAST_PROBABILITY).log()
    marginals = log_probabilities.softmax(dim=1)
    for _ in range(iterations):
        scores = log_probabilities.clone()
        for weight, kernel in kernels:
            scores.add_(kernel.apply(marginals), alpha=weight)
        marginals = scores.softmax(dim=1)
    return marginals


def _kernels(
    values: Tensor, shape: tuple[int, ...], spacing: tuple[float, ...], crf: DenseCrf
) -> list[tuple[float, NormalisedKernel]]:
    """Weight and kernel of the terms that do anything."""
    kernels: list[tuple[float, NormalisedKernel]] = []
    if crf.smoothness_weight > 0:
        sigmas = [crf.smoothness_sigma_distance / size for size in spacing]
        kernels.append((crf.smoothness_weight, NormalisedKernel(GridKernel(shape, sigmas, like=values))))
    if crf.appearance_weight > 0:
        features = torch.cat(
            [
                _positions(shape, spacing, like=values) / crf.appearance_sigma_distance,
                values / crf.appearance_sigma_intensity,
            ],
            dim=1,
        )
        kernels.append((crf.appearance_weight, NormalisedKernel(_appearance(features, values.shape[1], crf))))
    return kernels


def _appearance(features: Tensor, channels: int, crf: DenseCrf) -> Kernel:
    if not crf.exact:
        return BilateralGrid(features, cells_per_sigma=crf.cells_per_sigma or (3.0 if channels == 1 else 1.0))
    if len(features) > MAX_EXACT_PIXELS:
        message = f"dense CRF: exact sums are for at most {MAX_EXACT_PIXELS} pixels, got {len(features)}."
        raise InputError(message)
    return DenseKernel(features)


def _positions(shape: tuple[int, ...], spacing: tuple[float, ...], *, like: Tensor) -> Tensor:
    """(N, axes): where the pixels lie, in the unit of the spacing."""
    axes = [
        torch.arange(length, dtype=like.dtype, device=like.device) * size
        for length, size in zip(shape, spacing, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


def _check_shapes(
    probabilities: NDArray[np.floating], image: NDArray[np.number], spacing: Sequence[float] | None
) -> None:
    shape = probabilities.shape[1:]
    if len(shape) not in (2, 3) or image.shape[1:] != shape or not probabilities.size or not image.size:
        message = (
            "dense CRF: expected probabilities (K, *spatial) and an image (channels, *spatial) of the same two or "
            f"three axes, got {probabilities.shape} and {image.shape}."
        )
        raise GeometryError(message)
    if spacing is not None and len(spacing) != len(shape):
        message = f"dense CRF: expected a spacing for each of {len(shape)} axes, got {len(spacing)}."
        raise GeometryError(message)
    if spacing is not None and not all(np.isfinite(size) and size > 0 for size in spacing):
        message = f"dense CRF: expected voxel sizes above 0, got {tuple(spacing)}."
        raise InputError(message)


def _check_values(probabilities: NDArray[np.floating], image: NDArray[np.number]) -> None:
    if not np.isfinite(image).all():
        message = "dense CRF: the image holds values that are not finite."
        raise InputError(message)
    sums = probabilities.sum(axis=0, dtype=np.float64)
    # Written so that NaN fails as well.
    if not (probabilities.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE):
        message = "dense CRF: expected probabilities of 0 or more that sum to 1 over the classes."
        raise InputError(message)
