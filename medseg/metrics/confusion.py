"""How many voxels of each reference class got each predicted class, counted in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, LabelError
from medseg.metrics.walk_order import common_order

_CHUNK_VOXELS = 1 << 18
"""Voxels counted at a time: the intermediate numbers stay in the processor's cache however large the volume is."""

_LEAST_RUN = 8
"""Mean length of the runs of equal pairs from which on counting runs costs less than counting voxels."""

_LANES = 8
"""Counters of each pair, taken in turn: equal pairs in a row would otherwise wait for the same one."""

_MOST_COUNTERS = 1 << 13
"""Counters that stay in the processor's nearest cache; of more classes each pair has one."""


@dataclass(frozen=True, eq=False)
class ConfusionTable:
    """Counts of voxels by reference class and predicted class.

    Attributes:
        counts: (classes, classes) int64; row = reference class, column = predicted class.
        values: label value of each row and column, ascending.
        ignored: voxels that were left out by an ignore mask.
    """

    counts: NDArray[np.int64]
    values: tuple[int, ...]
    ignored: int = 0

    def __add__(self, other: ConfusionTable) -> ConfusionTable:
        """Counts of both; classes that only one of them knows keep their counts."""
        values = tuple(sorted({*self.values, *other.values}))
        counts = np.zeros((len(values), len(values)), dtype=np.int64)
        for table in (self, other):
            places = np.searchsorted(values, table.values)
            counts[np.ix_(places, places)] += table.counts
        return ConfusionTable(counts, values, self.ignored + other.ignored)


def confusion_table(
    *,
    reference: NDArray[np.integer],
    prediction: NDArray[np.integer],
    class_values: Sequence[int],
    ignore: NDArray[np.bool_] | None = None,
) -> ConfusionTable:
    """Counts of voxels by reference class and predicted class, from a single pass in bounded memory.

    Args:
        reference: whole numbers of any shape.
        prediction: whole numbers of the same shape.
        class_values: the label values that may occur.
        ignore: True where a voxel is not counted; of the same shape. Its values there may be anything.

    Raises:
        GeometryError: the shapes differ.
        LabelError: a counted voxel has a value that is not in `class_values`.
    """
    for name, array in (("prediction", prediction), ("ignore mask", ignore)):
        if array is not None and array.shape != reference.shape:
            message = f"{name}: expected the reference's shape {reference.shape}, got {array.shape}."
            raise GeometryError(message)
    values = tuple(sorted({int(value) for value in class_values}))
    counts = np.zeros(len(values) ** 2, dtype=np.int64)
    order = common_order(reference, prediction, ignore)
    flat_reference, flat_prediction = reference.reshape(-1, order=order), prediction.reshape(-1, order=order)
    flat_ignore = None if ignore is None else ignore.reshape(-1, order=order)
    for start in range(0, flat_reference.size, _CHUNK_VOXELS):
        part = slice(start, start + _CHUNK_VOXELS)
        rows, columns = flat_reference[part], flat_prediction[part]
        if flat_ignore is not None:
            counted = ~flat_ignore[part]
            rows, columns = rows[counted], columns[counted]
        counts += _pair_counts(rows, columns, values)
    ignored = 0 if flat_ignore is None else int(np.count_nonzero(flat_ignore))
    return ConfusionTable(counts.reshape(len(values), len(values)), values, ignored)


def _pair_counts(rows: NDArray[np.integer], columns: NDArray[np.integer], values: tuple[int, ...]) -> NDArray[np.int64]:
    """How often each pair of values occurs; (values * values,), the columns fastest."""
    num_values = len(values)
    num_pairs = num_values * num_values
    starts = _run_starts(rows, columns)
    lengths = None
    if starts is not None:
        lengths = np.diff(starts, append=rows.size)
        rows, columns = rows[starts], columns[starts]
    lanes = _LANES if lengths is None and num_pairs * _LANES <= _MOST_COUNTERS else 1
    key_type = np.min_scalar_type(num_pairs * lanes)
    keys = _class_indices(rows, values, role="reference").astype(key_type, copy=True)
    keys *= key_type.type(num_values)
    keys += _class_indices(columns, values, role="prediction").astype(key_type, copy=False)
    if lanes > 1:
        keys += _lane_offsets(num_pairs, _CHUNK_VOXELS)[: keys.size]
    counted = np.bincount(keys, weights=lengths, minlength=num_pairs * lanes).astype(np.int64)
    pairs: NDArray[np.int64] = counted.reshape(lanes, num_pairs).sum(axis=0)
    return pairs


@lru_cache(maxsize=4)
def _lane_offsets(num_pairs: int, size: int) -> NDArray[np.unsignedinteger]:
    """What leads each of `size` keys in a row to the counters of the next lane."""
    offsets = num_pairs * np.arange(_LANES, dtype=np.min_scalar_type(num_pairs * _LANES))
    return np.tile(offsets, -(-size // _LANES))


def _run_starts(rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.int64] | None:
    """Where runs of one pair of values begin, as label maps mostly consist of; None where the runs are short."""
    begins = np.ones(rows.size, dtype=bool)
    np.not_equal(rows[1:], rows[:-1], out=begins[1:])
    begins[1:] |= columns[1:] != columns[:-1]
    return np.flatnonzero(begins) if np.count_nonzero(begins) * _LEAST_RUN <= begins.size else None


def _class_indices(array: NDArray[np.integer], values: tuple[int, ...], *, role: str) -> NDArray[np.integer]:
    """Place of each value among the ascending `values`; the array itself where values are their own places."""
    if array.size == 0:
        return np.zeros(0, dtype=np.uint8)
    lowest, highest = int(array.min()), int(array.max())
    if values == tuple(range(len(values))) and lowest >= 0 and highest < len(values):
        return array
    table = np.asarray(values, dtype=np.int64)
    places = np.minimum(np.searchsorted(table, array), len(table) - 1)
    wrong = table[places] != array
    if wrong.any():
        strangers = sorted({int(value) for value in np.unique(array[wrong])})
        shown = ", ".join(str(value) for value in strangers[:5]) + (", ..." if len(strangers) > 5 else "")
        known = ", ".join(str(value) for value in values)
        message = f"{role}: label values {shown} are not in the class table ({known}). Map or remove them."
        raise LabelError(message)
    return places
