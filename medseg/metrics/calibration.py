"""Are probabilities what they say? Brier score, calibration errors and reliability diagrams from sums over bins.

The voxels are looked at once, to fill a `CalibrationTable`; tables add up over cases, and all scores are arithmetic on
them. Confidence is the probability of the most probable class; accuracy is how often that class is right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.metrics.probability_checks import CHUNK_VOXELS, check_probabilities, check_shapes_and_classes

FloatArray = NDArray[np.float64]

_LEAST_PROBABILITY = 1e-12
"""Taken for smaller ones in the log loss, which one probability of 0 would make infinite."""


@dataclass(frozen=True, eq=False)
class CalibrationTable:
    """Sums over the voxels of bins of equal width in confidence; bin b holds confidences in (b / B, (b + 1) / B].

    Attributes:
        counts: (B,) voxels.
        confidence_sums: (B,) sum of their confidences.
        hits: (B,) voxels among them whose most probable class is right.
        squared_error_sum: sum over all voxels and classes of (probability - whether it is that class)^2.
        log_loss_sum: sum over all voxels of -ln(probability of the right class).
    """

    counts: NDArray[np.int64]
    confidence_sums: FloatArray
    hits: NDArray[np.int64]
    squared_error_sum: float
    log_loss_sum: float

    @property
    def num_voxels(self) -> int:
        """All voxels counted."""
        return int(self.counts.sum())

    def __add__(self, other: CalibrationTable) -> CalibrationTable:
        """The voxels of both.

        Raises:
            InputError: the numbers of bins differ.
        """
        if len(self.counts) != len(other.counts):
            message = f"calibration table: expected {len(self.counts)} bins, got {len(other.counts)}."
            raise InputError(message)
        return CalibrationTable(
            self.counts + other.counts,
            self.confidence_sums + other.confidence_sums,
            self.hits + other.hits,
            self.squared_error_sum + other.squared_error_sum,
            self.log_loss_sum + other.log_loss_sum,
        )


@dataclass(frozen=True, eq=False)
class ReliabilityDiagram:
    """Accuracy against confidence; on the diagonal, probabilities are what they say.

    Attributes:
        edges: (B + 1,) borders of the bins in confidence.
        confidences: (B,) mean confidence of each bin; nan for an empty one.
        accuracies: (B,) share of right voxels in each bin; nan for an empty one.
        shares: (B,) share of all voxels in each bin; nan without voxels.
    """

    edges: FloatArray
    confidences: FloatArray
    accuracies: FloatArray
    shares: FloatArray


def calibration_table(
    *,
    reference: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    num_bins: int = 15,
    region: NDArray[np.bool_] | None = None,
) -> CalibrationTable:
    """Sums over bins of confidence, in one pass and bounded memory.

    Large easy background hides bad calibration where it matters; `region` restricts to a neighbourhood of the objects.

    Args:
        reference: (*spatial) class index of each voxel.
        probabilities: (K, *spatial), 0 to 1, with sum 1 over the classes.
        num_bins: bins of equal width.
        region: (*spatial), voxels to count; None for all.

    Raises:
        GeometryError: shapes that do not fit.
        LabelError: reference classes that are not whole numbers from 0 to K - 1.
        InputError: probabilities that are none, or fewer than one bin.
    """
    check_shapes_and_classes(reference, probabilities, region)
    if num_bins < 1:
        message = f"num_bins: expected 1 or more, got {num_bins}."
        raise InputError(message)
    classes = reference.reshape(-1)
    flat = probabilities.reshape(len(probabilities), -1)
    inside = None if region is None else region.reshape(-1)
    total = _empty_table(num_bins)
    for start in range(0, classes.size, CHUNK_VOXELS):
        part = slice(start, start + CHUNK_VOXELS)
        wanted, given = classes[part], flat[:, part].astype(np.float64)
        if inside is not None:
            wanted, given = wanted[inside[part]], given[:, inside[part]]
        total = total + _table_of(wanted, given, num_bins)
    return total


def brier_score(table: CalibrationTable) -> float:
    """Mean over voxels of the squared errors of all classes together; 0 to 2, 0 is best; nan without voxels.

    Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2. For two classes it is twice the value of the form
    that looks at one class only.
    """
    return _quotient(table.squared_error_sum, table.num_voxels)


def log_loss(table: CalibrationTable) -> float:
    """Mean over voxels of -ln(probability of the right class), in nats; 0 is best; nan without voxels."""
    return _quotient(table.log_loss_sum, table.num_voxels)


def expected_calibration_error(table: CalibrationTable) -> float:
    """Mean over voxels of |accuracy - confidence| of their bin; 0 to 1, 0 is best; nan without voxels.

    Naeini 2015, doi 10.1609/aaai.v29i1.9602. It depends on the number of bins.
    """
    gaps = np.abs(table.hits - table.confidence_sums)
    return _quotient(float(gaps.sum()), table.num_voxels)


def maximum_calibration_error(table: CalibrationTable) -> float:
    """Largest |accuracy - confidence| of a bin that holds voxels; 0 to 1, 0 is best; nan without voxels.

    Naeini 2015, doi 10.1609/aaai.v29i1.9602.
    """
    filled = table.counts > 0
    if not filled.any():
        return float("nan")
    gaps = np.abs(table.hits - table.confidence_sums)
    return float((gaps[filled] / table.counts[filled]).max())


def reliability_diagram(table: CalibrationTable) -> ReliabilityDiagram:
    """Mean confidence, accuracy and share of the voxels of each bin."""
    bins = len(table.counts)
    return ReliabilityDiagram(
        np.arange(bins + 1) / bins,
        _per_bin(table.confidence_sums, table.counts),
        _per_bin(table.hits, table.counts),
        _per_bin(table.counts, np.full(bins, table.num_voxels)),
    )


def _table_of(reference: NDArray[np.integer], probabilities: FloatArray, num_bins: int) -> CalibrationTable:
    if reference.size == 0:
        return _empty_table(num_bins)
    check_probabilities(probabilities)
    confidence = probabilities.max(axis=0)
    is_right = probabilities.argmax(axis=0) == reference
    right = np.take_along_axis(probabilities, reference[np.newaxis].astype(np.intp), axis=0)[0]
    # Sum over k of (p_k - [k is right])^2 = sum p_k^2 - 2 p_right + 1.
    squares = np.einsum("kn,kn->n", probabilities, probabilities) - 2 * right + 1
    bins = np.clip(np.ceil(confidence * num_bins).astype(np.intp) - 1, 0, num_bins - 1)
    return CalibrationTable(
        np.bincount(bins, minlength=num_bins).astype(np.int64),
        np.bincount(bins, weights=confidence, minlength=num_bins).astype(np.float64),
        np.bincount(bins[is_right], minlength=num_bins).astype(np.int64),
        float(squares.sum()),
        float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).sum()),
    )


def _empty_table(num_bins: int) -> CalibrationTable:
    nothing = np.zeros(num_bins, dtype=np.int64)
    return CalibrationTable(nothing, np.zeros(num_bins), nothing, 0.0, 0.0)


def _per_bin(sums: NDArray[np.number], counts: NDArray[np.int64]) -> FloatArray:
    ratio: FloatArray = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return ratio


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
