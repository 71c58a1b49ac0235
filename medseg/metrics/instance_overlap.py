"""Which numbered objects of two label images share voxels, and how many: all that instance scores are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError, LabelError
from medseg.metrics.walk_order import common_order

_CHUNK_VOXELS = 1 << 20
"""Voxels looked at in one go: intermediate arrays stay small however large the volume is."""

_LARGEST_ID = np.iinfo(np.int64).max

IntArray = NDArray[np.int64]
_Pairs = tuple[IntArray, IntArray, IntArray]


@dataclass(frozen=True, eq=False)
class InstanceOverlap:
    """Sizes of the objects of two label images and of their intersections; they add up over images.

    Objects are named by their place in these arrays, not by their id: after adding, an id may occur more than once.

    Attributes:
        reference_ids: (R,) ids of the reference's objects, ascending within an image.
        reference_sizes: (R,) their sizes in voxels.
        prediction_ids: (P,) ids of the predicted objects, ascending within an image.
        prediction_sizes: (P,) their sizes in voxels.
        pair_reference: (K,) place of the reference's object of each pair that shares voxels.
        pair_prediction: (K,) place of the predicted one.
        intersections: (K,) voxels that both share, at least 1.
    """

    reference_ids: IntArray
    reference_sizes: IntArray
    prediction_ids: IntArray
    prediction_sizes: IntArray
    pair_reference: IntArray
    pair_prediction: IntArray
    intersections: IntArray

    @property
    def num_reference(self) -> int:
        """How many objects the reference has."""
        return len(self.reference_ids)

    @property
    def num_prediction(self) -> int:
        """How many objects the prediction has."""
        return len(self.prediction_ids)

    @property
    def ious(self) -> NDArray[np.float64]:
        """(K,) intersection over union of each pair, above 0 and at most 1."""
        sizes = self.reference_sizes[self.pair_reference] + self.prediction_sizes[self.pair_prediction]
        return np.asarray(self.intersections / (sizes - self.intersections), dtype=np.float64)

    def __add__(self, other: InstanceOverlap) -> InstanceOverlap:
        """Both together, as two images: no object of one is an object of the other, whatever their ids."""
        return joined_overlap((self, other))


def joined_overlap(overlaps: Sequence[InstanceOverlap]) -> InstanceOverlap:
    """The objects of several images in one table, in the order of the images; images never share an object.

    Raises:
        InputError: no image.
    """
    if not overlaps:
        message = "instance overlap: expected at least one image, got none."
        raise InputError(message)
    before_reference = np.cumsum([0, *(one.num_reference for one in overlaps[:-1])])
    before_prediction = np.cumsum([0, *(one.num_prediction for one in overlaps[:-1])])
    return InstanceOverlap(
        np.concatenate([one.reference_ids for one in overlaps]),
        np.concatenate([one.reference_sizes for one in overlaps]),
        np.concatenate([one.prediction_ids for one in overlaps]),
        np.concatenate([one.prediction_sizes for one in overlaps]),
        np.concatenate([one.pair_reference + n for one, n in zip(overlaps, before_reference, strict=True)]),
        np.concatenate([one.pair_prediction + n for one, n in zip(overlaps, before_prediction, strict=True)]),
        np.concatenate([one.intersections for one in overlaps]),
    )


def overlap_table(*, reference_labels: NDArray[np.integer], prediction_labels: NDArray[np.integer]) -> InstanceOverlap:
    """Sizes and intersections of all objects of two label images, from a single pass in bounded memory.

    An object is the set of voxels of one id, in one piece or several; 0 is background. Ids need not be consecutive.

    Args:
        reference_labels: object ids, 0 or more, of any shape.
        prediction_labels: object ids of the same shape.

    Raises:
        GeometryError: the shapes differ.
        LabelError: ids that are not whole numbers, below 0 or beyond 2^63 - 1.
    """
    if reference_labels.shape != prediction_labels.shape:
        message = f"prediction: expected the reference's shape {reference_labels.shape}, got {prediction_labels.shape}."
        raise GeometryError(message)
    _check_ids(reference_labels, role="reference")
    _check_ids(prediction_labels, role="prediction")
    order = common_order(reference_labels, prediction_labels)
    flat_reference = reference_labels.reshape(-1, order=order)
    flat_prediction = prediction_labels.reshape(-1, order=order)
    parts: list[_Pairs] = []
    for start in range(0, flat_reference.size, _CHUNK_VOXELS):
        part = slice(start, start + _CHUNK_VOXELS)
        parts.append(_summed(*_runs(flat_reference[part], flat_prediction[part])))
    reference, prediction, counts = _summed(*_concatenated(parts))
    reference_ids, reference_places, reference_sizes = _objects(reference, counts)
    prediction_ids, prediction_places, prediction_sizes = _objects(prediction, counts)
    shared = (reference > 0) & (prediction > 0)
    return InstanceOverlap(
        reference_ids,
        reference_sizes,
        prediction_ids,
        prediction_sizes,
        reference_places[shared],
        prediction_places[shared],
        counts[shared],
    )


def _runs(reference: NDArray[np.integer], prediction: NDArray[np.integer]) -> _Pairs:
    """Both ids and the length of each run of voxels on which neither changes, background runs left out.

    Objects are thick: sorting runs instead of voxels is most of the speed.
    """
    changes = (reference[1:] != reference[:-1]) | (prediction[1:] != prediction[:-1])
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    lengths = np.diff(starts, append=reference.size)
    of_reference, of_prediction = reference[starts], prediction[starts]
    kept = (of_reference != 0) | (of_prediction != 0)
    return of_reference[kept].astype(np.int64), of_prediction[kept].astype(np.int64), lengths[kept].astype(np.int64)


def _summed(reference: IntArray, prediction: IntArray, counts: IntArray) -> _Pairs:
    """Each pair of ids once, ascending, with the sum of its counts."""
    if counts.size == 0:
        return reference, prediction, counts
    order = np.lexsort((prediction, reference))
    reference, prediction = reference[order], prediction[order]
    new = (reference[1:] != reference[:-1]) | (prediction[1:] != prediction[:-1])
    starts = np.concatenate(([0], np.flatnonzero(new) + 1))
    return reference[starts], prediction[starts], np.add.reduceat(counts[order], starts)


def _concatenated(parts: Sequence[_Pairs]) -> _Pairs:
    empty = np.zeros(0, dtype=np.int64)
    if not parts:
        return empty, empty, empty
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def _objects(ids_of_pairs: IntArray, counts: IntArray) -> _Pairs:
    """Ids of the objects, the place of each pair's object among them (-1 for background), and the objects' sizes."""
    ids, places = np.unique(ids_of_pairs, return_inverse=True)
    # Weights would be summed as floats: exact up to 2^53 voxels.
    sizes = np.bincount(places, weights=counts, minlength=len(ids)).astype(np.int64)
    has_background = int(ids.size > 0 and ids[0] == 0)
    return ids[has_background:], np.asarray(places - has_background, dtype=np.int64), sizes[has_background:]


def _check_ids(labels: NDArray[np.integer], *, role: str) -> None:
    if labels.dtype.kind not in "iu":
        message = f"{role}: expected whole numbers as object ids, got {labels.dtype}. Number the objects first."
        raise LabelError(message)
    if labels.size and labels.dtype.kind == "i" and int(labels.min()) < 0:
        message = f"{role}: expected object ids of 0 (background) or more, got {int(labels.min())}."
        raise LabelError(message)
    if labels.dtype == np.uint64 and labels.size and int(labels.max()) > _LARGEST_ID:
        message = f"{role}: expected object ids up to {_LARGEST_ID}, got {int(labels.max())}. Renumber the objects."
        raise LabelError(message)
