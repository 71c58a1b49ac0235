"""SEG, DET and TRA of the Cell Tracking Challenge, from counts that add up over frames.

The challenge's rule decides everything: an object of the prediction is assigned to an object of the reference when it
covers more than half of it (strictly). A reference object has therefore one partner at most; an object of the
prediction may have several, which are then merged in it.

- SEG: mean Jaccard index of the reference objects with their partners; an object without one counts 0.
- DET: 1 - min(AOGM-D, AOGM-D0) / AOGM-D0, AOGM-D = 5 NS + 10 FN + 1 FP: the work of correcting the objects.
- TRA: the same with the edges of the tracks (`medseg.metrics.cell_tracks`), + 1 ED + 1.5 EA + 1 EC.

AOGM-D0 and AOGM0 are the work of making the reference from nothing. Matula 2015, doi 10.1371/journal.pone.0144959;
Maska 2014, doi 10.1093/bioinformatics/btu080. Spurious objects lower DET and TRA, not SEG: SEG asks only how well the
objects of the reference were outlined, as in the challenge's own program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError, LabelError
from medseg.metrics.cell_tracks import EdgeCounts

_SPLIT, _MISSED, _SPURIOUS = 5.0, 10.0, 1.0
_REDUNDANT_EDGE, _MISSING_EDGE, _WRONG_EDGE = 1.0, 1.5, 1.0
"""The challenge's weights of the operations that correct a graph (Matula 2015, section "AOGM")."""

_LARGEST_LABEL_TABLE = 1 << 24
_LARGEST_DENSE_TABLE = 1 << 22
"""Entries up to which labels are renumbered, and overlaps counted, in a dense table; beyond it by sorting."""


@dataclass(frozen=True, eq=False)
class FrameMatch:
    """Which object of the prediction covers more than half of each object of the reference, in one frame.

    Attributes:
        reference_ids: (references,) labels of the reference's objects, ascending.
        prediction_ids: (predictions,) labels of the prediction's objects, ascending.
        partners: (references,) place in `prediction_ids` of each reference object's partner; -1 where it has none.
        jaccard: (references,) Jaccard index with the partner; 0 where there is none.
    """

    reference_ids: NDArray[np.int64]
    prediction_ids: NDArray[np.int64]
    partners: NDArray[np.int64]
    jaccard: NDArray[np.float64]

    @property
    def references_per_prediction(self) -> NDArray[np.int64]:
        """(predictions,) How many reference objects each object of the prediction covers."""
        found = self.partners[self.partners >= 0]
        return np.asarray(np.bincount(found, minlength=self.prediction_ids.size), dtype=np.int64)

    def unique_partners(self) -> dict[int, int]:
        """Label in the prediction -> label in the reference, of the objects that cover exactly one."""
        counts = self.references_per_prediction
        return {
            int(self.prediction_ids[place]): int(label)
            for label, place in zip(self.reference_ids, self.partners, strict=True)
            if place >= 0 and counts[place] == 1
        }


@dataclass(frozen=True)
class SegmentationCounts:
    """What SEG is made of; adds up over frames and slices.

    Attributes:
        objects: objects of the reference.
        matched: those with a partner.
        jaccard_sum: sum of their Jaccard indices.
    """

    objects: int = 0
    matched: int = 0
    jaccard_sum: float = 0.0

    def __add__(self, other: SegmentationCounts) -> SegmentationCounts:
        return SegmentationCounts(
            self.objects + other.objects, self.matched + other.matched, self.jaccard_sum + other.jaccard_sum
        )


@dataclass(frozen=True)
class DetectionCounts:
    """What DET is made of; adds up over frames.

    Attributes:
        objects: objects of the reference.
        predictions: objects of the prediction.
        splits: NS, how often an object of the prediction must be split: one less than the objects it covers.
        missed: FN, objects of the reference without a partner.
        spurious: FP, objects of the prediction that cover none.
    """

    objects: int = 0
    predictions: int = 0
    splits: int = 0
    missed: int = 0
    spurious: int = 0

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        return DetectionCounts(
            self.objects + other.objects,
            self.predictions + other.predictions,
            self.splits + other.splits,
            self.missed + other.missed,
            self.spurious + other.spurious,
        )


def match_objects(*, reference: NDArray[np.integer], prediction: NDArray[np.integer]) -> FrameMatch:
    """The partner of each reference object: the one that covers more than half of it.

    Args:
        reference: whole numbers of any shape, 0 is background, other values are objects.
        prediction: the same, of the same shape.

    Raises:
        GeometryError: the shapes differ.
        LabelError: other than whole numbers from 0.
    """
    if reference.shape != prediction.shape:
        message = f"prediction: expected the reference's shape {reference.shape}, got {prediction.shape}."
        raise GeometryError(message)
    reference_ids, rows, reference_sizes = _renumbered(reference, role="reference")
    prediction_ids, columns, prediction_sizes = _renumbered(prediction, role="prediction")
    pairs, shared = _overlaps(rows, columns, (reference_ids.size + 1, prediction_ids.size + 1))
    row, column = np.divmod(pairs, prediction_ids.size + 1)
    covers = (column > 0) & (2 * shared > reference_sizes[row])
    row, column, shared = row[covers], column[covers], shared[covers]
    partners = np.full(reference_ids.size, -1, dtype=np.int64)
    jaccard = np.zeros(reference_ids.size)
    partners[row - 1] = column - 1
    jaccard[row - 1] = shared / (reference_sizes[row] + prediction_sizes[column] - shared)
    return FrameMatch(reference_ids, prediction_ids, partners, jaccard)


def segmentation_counts(match: FrameMatch) -> SegmentationCounts:
    """What SEG is made of, of one frame."""
    matched = int(np.count_nonzero(match.partners >= 0))
    return SegmentationCounts(match.reference_ids.size, matched, float(match.jaccard.sum()))


def detection_counts(match: FrameMatch) -> DetectionCounts:
    """What DET is made of, of one frame."""
    covered = match.references_per_prediction
    return DetectionCounts(
        objects=match.reference_ids.size,
        predictions=match.prediction_ids.size,
        splits=int(np.maximum(covered - 1, 0).sum()),
        missed=int(np.count_nonzero(match.partners < 0)),
        spurious=int(np.count_nonzero(covered == 0)),
    )


def ctc_seg(counts: SegmentationCounts) -> float:
    """SEG, mean Jaccard index of the reference objects, 0..1, 1 is best; nan without any."""
    return counts.jaccard_sum / counts.objects if counts.objects else float("nan")


def ctc_det(counts: DetectionCounts, *, penalise_spurious: bool = True) -> float:
    """DET, 0..1, 1 is best; nan when the reference has no object.

    Args:
        counts: of all frames.
        penalise_spurious: False as the challenge does where its references are incomplete (Fluo-N3DL-DRO and alike).
    """
    return _normalised(_detection_work(counts, penalise_spurious=penalise_spurious), _MISSED * counts.objects)


def ctc_tra(counts: DetectionCounts, edges: EdgeCounts) -> float:
    """TRA, 0..1, 1 is best; nan when the reference has no object.

    Args:
        counts: of the objects of all frames.
        edges: of the tracks.
    """
    return _normalised(aogm(counts, edges), _MISSED * counts.objects + _MISSING_EDGE * edges.objects)


def aogm(counts: DetectionCounts, edges: EdgeCounts) -> float:
    """Weighted number of operations that turn the predicted graph into the reference's; 0 is best.

    Matula 2015, doi 10.1371/journal.pone.0144959.
    """
    work_on_edges = _REDUNDANT_EDGE * edges.redundant + _MISSING_EDGE * edges.missing + _WRONG_EDGE * edges.wrong
    return _detection_work(counts, penalise_spurious=True) + work_on_edges


def inside_field(labels: NDArray[np.integer], *, border_pixels: int) -> NDArray[np.integer]:
    """The labels without the objects that lie wholly in a band along the border; an object partly inside stays whole.

    The challenge's field of interest: its references lack such objects, and results are cleaned of them before they
    are scored. The width E belongs to the data set (25 for PhC-C2DL-PSC, 50 for DIC-C2DH-HeLa, 0 for others).

    Args:
        labels: (.., rows, columns), 0 is background; the band lies along the last two axes.
        border_pixels: width of the band in pixels; 0 keeps all.

    Raises:
        InputError: the width is negative, or leaves no field.
    """
    if border_pixels < 0 or 2 * border_pixels >= min(labels.shape[-2:]):
        message = f"border: expected 0 to less than half of {labels.shape[-2:]} pixels, got {border_pixels}."
        raise InputError(message)
    if border_pixels == 0:
        return labels
    band = slice(border_pixels, -border_pixels)
    kept = np.unique(labels[..., band, band])
    return np.where(np.isin(labels, kept), labels, labels.dtype.type(0))


def _detection_work(counts: DetectionCounts, *, penalise_spurious: bool) -> float:
    spurious = _SPURIOUS * counts.spurious if penalise_spurious else 0.0
    return _SPLIT * counts.splits + _MISSED * counts.missed + spurious


def _normalised(work: float, work_from_nothing: float) -> float:
    return 1.0 - min(work, work_from_nothing) / work_from_nothing if work_from_nothing else float("nan")


def _renumbered(
    array: NDArray[np.integer], *, role: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labels of the objects, the map numbered 1.. in their order, flat, and sizes by number (0 is background)."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if not np.issubdtype(flat.dtype, np.integer) or (flat.size and flat.min() < 0):
        message = f"{role}: expected whole numbers from 0 (0 is background), got {flat.dtype} or negative values."
        raise LabelError(message)
    if flat.size and flat.max() >= _LARGEST_LABEL_TABLE:
        values, places = np.unique(flat, return_inverse=True)
        numbers = places.reshape(-1).astype(np.int64) + (0 if values[0] == 0 else 1)
        ids = values[values > 0].astype(np.int64)
    else:
        ids = np.flatnonzero(np.bincount(flat.astype(np.int64, copy=False), minlength=1)[1:]) + 1
        table = np.zeros(int(ids[-1]) + 1 if ids.size else 1, dtype=np.int64)
        table[ids] = np.arange(1, ids.size + 1)
        numbers = table[flat]
    return ids, numbers, np.bincount(numbers, minlength=ids.size + 1)


def _overlaps(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys row * width + column of the pairs that meet in a reference object, and in how many voxels they do."""
    foreground = rows > 0
    keys = rows[foreground] * shape[1] + columns[foreground]
    if shape[0] * shape[1] <= _LARGEST_DENSE_TABLE:
        table = np.bincount(keys, minlength=1)
        pairs = np.flatnonzero(table)
        return pairs, table[pairs]
    return np.unique(keys, return_counts=True)
