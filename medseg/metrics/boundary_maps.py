"""V_rand and V_info: do predicted membranes part the cells where the true ones do?

As the ISBI 2012 challenge defines them since 2015 (Arganda-Carreras 2015, doi 10.3389/fnana.2015.00142), slice by
slice in two dimensions:

1. Reference regions are the 4-connected components of the reference's cell pixels. Reference membrane is left out:
   only the reference's foreground counts (restriction to the foreground).
2. Predicted membranes are thinned to lines: a flat watershed, 4-connected, grows the 4-connected components of the
   predicted cell pixels until they meet. Their width therefore does not matter, and membrane that encloses nothing
   vanishes.
3. A pixel of the thinned line that lies on the reference's foreground is a region of its own.

With p_ij the share of foreground pixels in predicted region i and reference region j, s_i and t_j its row and column
sums: V_rand = sum p_ij^2 / (0.5 sum s_i^2 + 0.5 sum t_j^2), V_info = I(S;T) / (0.5 H(S) + 0.5 H(T)).

The sums are kept as counts (`RegionOverlap`), which add up over slices. For a stack the challenge's program sums the
counts of pixel pairs over slices for V_rand (regions of different slices never share a label) and takes the mean over
slices for V_info; `medseg.evaluation` does the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from medseg.errors import GeometryError, InputError

_LARGEST_DENSE_TABLE = 1 << 22
"""Entries of a contingency table that are counted densely; a noisy map with more goes by sorting."""

_DEFAULT_THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(10))
"""The challenge's own scan: 0, 0.1, .. 0.9 (at 1.0 nothing is cell)."""


@dataclass(frozen=True)
class RegionOverlap:
    """Sufficient statistics of two partitions of the same pixels; they add up over slices.

    Attributes:
        pixels: foreground pixels of the reference.
        joint_squares: sum of squares of the overlaps' sizes, in pixel^2.
        prediction_squares: the same of the predicted regions' sizes.
        reference_squares: the same of the reference regions' sizes.
        joint_logs: sum of n ln n of the overlaps' sizes.
        prediction_logs: the same of the predicted regions' sizes.
        reference_logs: the same of the reference regions' sizes.
    """

    pixels: int
    joint_squares: float
    prediction_squares: float
    reference_squares: float
    joint_logs: float
    prediction_logs: float
    reference_logs: float

    def __add__(self, other: RegionOverlap) -> RegionOverlap:
        """Both together, no region of one being a region of the other."""
        return RegionOverlap(
            self.pixels + other.pixels,
            self.joint_squares + other.joint_squares,
            self.prediction_squares + other.prediction_squares,
            self.reference_squares + other.reference_squares,
            self.joint_logs + other.joint_logs,
            self.prediction_logs + other.prediction_logs,
            self.reference_logs + other.reference_logs,
        )


def label_cells(cells: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number of the 4-connected component of each cell pixel, from 1; 0 on membrane. Shape (rows, columns)."""
    labels, _ = ndimage.label(_slice(cells, role="cells"))
    return np.asarray(labels, dtype=np.int32)


def cell_regions(cells: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Regions of a map of cell pixels after its membranes were thinned to lines; 0 on the lines.

    A map without any cell pixel is one region, as in the challenge's program (the watershed of a flat image).

    Args:
        cells: (rows, columns), True on cells.
    """
    labels = label_cells(cells)
    if not labels.any():
        return np.ones_like(labels)
    flat = np.zeros(labels.shape, dtype=np.uint8)
    return np.asarray(watershed(flat, markers=labels, connectivity=1, watershed_line=True), dtype=np.int32)


def region_overlap(*, reference_cells: NDArray[np.bool_], prediction_cells: NDArray[np.bool_]) -> RegionOverlap:
    """Sufficient statistics for V_rand and V_info of one slice.

    Args:
        reference_cells: (rows, columns), True on cells of the reference.
        prediction_cells: (rows, columns), True on cells of the prediction.

    Raises:
        GeometryError: not two axes, or the shapes differ.
    """
    if reference_cells.shape != prediction_cells.shape:
        message = f"prediction: expected the reference's shape {reference_cells.shape}, got {prediction_cells.shape}."
        raise GeometryError(message)
    reference = label_cells(reference_cells)
    return _overlap_of_regions(reference, cell_regions(prediction_cells))


def v_rand(overlap: RegionOverlap) -> float:
    """Foreground-restricted Rand F-score, 0..1, 1 is best; nan where the reference has no cell."""
    return _quotient(overlap.joint_squares, 0.5 * (overlap.prediction_squares + overlap.reference_squares))


def v_rand_split(overlap: RegionOverlap) -> float:
    """Chance that two pixels of one true cell are also joined in the prediction: falls with wrong splits."""
    return _quotient(overlap.joint_squares, overlap.reference_squares)


def v_rand_merge(overlap: RegionOverlap) -> float:
    """Chance that two pixels joined in the prediction belong to one true cell: falls with wrong mergers."""
    return _quotient(overlap.joint_squares, overlap.prediction_squares)


def v_info(overlap: RegionOverlap) -> float:
    """Foreground-restricted information F-score, 0..1, 1 is best; nan without cells, or one region in both maps."""
    information, of_prediction, of_reference = _entropies(overlap)
    return _quotient(information, 0.5 * (of_prediction + of_reference))


def v_info_split(overlap: RegionOverlap) -> float:
    """Share of the prediction's information that the reference holds too: falls with wrong splits."""
    information, of_prediction, _ = _entropies(overlap)
    return _quotient(information, of_prediction)


def v_info_merge(overlap: RegionOverlap) -> float:
    """Share of the reference's information that the prediction holds too: falls with wrong mergers."""
    information, _, of_reference = _entropies(overlap)
    return _quotient(information, of_reference)


def threshold_scan(
    *,
    reference_cells: NDArray[np.bool_],
    cell_probability: NDArray[np.floating],
    thresholds: Iterable[float] = _DEFAULT_THRESHOLDS,
) -> dict[float, RegionOverlap]:
    """Statistics at each threshold of a probability map; the challenge's ranking took the best one.

    Args:
        reference_cells: (slices, rows, columns) or (rows, columns), True on cells of the reference.
        cell_probability: probability of cell, 0..1, of the same shape; above the threshold is cell.
        thresholds: the thresholds to try.

    Raises:
        GeometryError: other than two or three axes, or the shapes differ.
        InputError: a threshold outside 0..1.
    """
    stack_shape = (-1, *reference_cells.shape[-2:])
    if reference_cells.shape != cell_probability.shape:
        message = (
            f"probabilities: expected the reference's shape {reference_cells.shape}, got {cell_probability.shape}."
        )
        raise GeometryError(message)
    references = [label_cells(cells) for cells in reference_cells.reshape(stack_shape)]
    slices = cell_probability.reshape(stack_shape)
    result = {}
    for threshold in thresholds:
        if not 0 <= threshold <= 1:
            message = f"threshold: expected 0 to 1, got {threshold}."
            raise InputError(message)
        parts = [
            _overlap_of_regions(regions, cell_regions(probability > threshold))
            for regions, probability in zip(references, slices, strict=True)
        ]
        result[threshold] = sum(parts[1:], start=parts[0])
    return result


def _overlap_of_regions(reference: NDArray[np.int32], prediction: NDArray[np.int32]) -> RegionOverlap:
    """Statistics of two label images; 0 is left out of the reference, single pixels in the prediction."""
    foreground = reference > 0
    of_reference, of_prediction = reference[foreground], prediction[foreground]
    lines = int(np.count_nonzero(of_prediction == 0))
    joined = of_prediction > 0
    joint = _pair_counts(of_reference[joined], of_prediction[joined])
    prediction_sizes = np.bincount(of_prediction)[1:] if of_prediction.size else np.zeros(0, dtype=np.int64)
    reference_sizes = np.bincount(of_reference)[1:] if of_reference.size else np.zeros(0, dtype=np.int64)
    # A line pixel is a region of size 1: it adds 1 to the squares and 1 ln 1 = 0 to the logs.
    return RegionOverlap(
        pixels=int(of_reference.size),
        joint_squares=_squares(joint) + lines,
        prediction_squares=_squares(prediction_sizes) + lines,
        reference_squares=_squares(reference_sizes),
        joint_logs=_logs(joint),
        prediction_logs=_logs(prediction_sizes),
        reference_logs=_logs(reference_sizes),
    )


def _pair_counts(first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int64]:
    """Sizes of the overlaps between two labellings of the same pixels; some may be 0."""
    if first.size == 0:
        return np.zeros(0, dtype=np.int64)
    width = int(second.max()) + 1
    keys = first.astype(np.int64) * width + second
    if (int(first.max()) + 1) * width <= _LARGEST_DENSE_TABLE:
        return np.asarray(np.bincount(keys), dtype=np.int64)
    return np.asarray(np.unique(keys, return_counts=True)[1], dtype=np.int64)


def _squares(sizes: NDArray[np.integer]) -> float:
    return float(np.square(sizes.astype(np.float64)).sum())


def _logs(sizes: NDArray[np.integer]) -> float:
    present = sizes[sizes > 0].astype(np.float64)
    return float((present * np.log(present)).sum())


def _entropies(overlap: RegionOverlap) -> tuple[float, float, float]:
    """Mutual information, entropy of the prediction and of the reference, in nats."""
    if overlap.pixels == 0:
        return float("nan"), float("nan"), float("nan")
    log_pixels = float(np.log(overlap.pixels))
    of_prediction = log_pixels - overlap.prediction_logs / overlap.pixels
    of_reference = log_pixels - overlap.reference_logs / overlap.pixels
    joint = log_pixels - overlap.joint_logs / overlap.pixels
    return of_prediction + of_reference - joint, of_prediction, of_reference


def _quotient(numerator: float, denominator: float) -> float:
    """Their ratio within 0..1; nan where the denominator is zero (below the rounding of a sum of logarithms)."""
    if not denominator > 1e-12:
        return float("nan")
    return min(1.0, max(0.0, numerator / denominator))


def _slice(cells: NDArray[np.bool_], *, role: str) -> NDArray[np.bool_]:
    if cells.ndim != 2:
        message = f"{role}: expected a slice with 2 axes, got shape {cells.shape}. Score a stack slice by slice."
        raise GeometryError(message)
    return cells
