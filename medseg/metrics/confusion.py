"""How many voxels of each reference class got each predicted class, counted in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, LabelError

_CHUNK_VOXELS = 1 << 19
"""Voxels counted at a time: the intermediate numbers stay in the processor's cache however large the volume is."""

_WORD = 8
"""Bytes compared at once."""

_LEAST_UNIFORM = 0.7
"""Share of words from which on counting them as one costs less than it saves."""


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
    num_classes = len(values)
    counts = np.zeros(num_classes * num_classes, dtype=np.int64)
    key_type = np.min_scalar_type(num_classes * num_classes)
    order = _common_order(reference, prediction, ignore)
    flat_reference, flat_prediction = reference.reshape(-1, order=order), prediction.reshape(-1, order=order)
    flat_ignore = None if ignore is None else ignore.reshape(-1, order=order)
    for start in range(0, flat_reference.size, _CHUNK_VOXELS):
        part = slice(start, start + _CHUNK_VOXELS)
        rows, columns = flat_reference[part], flat_prediction[part]
        if flat_ignore is not None:
            counted = ~flat_ignore[part]
            rows, columns = rows[counted], columns[counted]
        whole, rows, columns = _joined_words(rows, columns)
        keys = _class_indices(rows, values, role="reference").astype(key_type, copy=True)
        keys *= key_type.type(num_classes)
        keys += _class_indices(columns, values, role="prediction").astype(key_type, copy=False)
        counts += np.bincount(keys[whole:], minlength=counts.size)
        if whole:
            counts += _WORD * np.bincount(keys[:whole], minlength=counts.size)
    ignored = 0 if flat_ignore is None else int(np.count_nonzero(flat_ignore))
    return ConfusionTable(counts.reshape(num_classes, num_classes), values, ignored)


def _joined_words(
    rows: NDArray[np.integer], columns: NDArray[np.integer]
) -> tuple[int, NDArray[np.integer], NDArray[np.integer]]:
    """How many of the first pairs stand for eight equal ones each, and the pairs; the same voxels in fewer numbers.

    Label maps are mostly long runs of one value, so eight bytes in a row are compared at once. Where that would join
    little, or values are not bytes, all pairs are returned as they are.
    """
    plain = (0, rows, columns)
    if rows.dtype.itemsize > 1 or columns.dtype.itemsize > 1 or rows.size % _WORD or not rows.size:
        return plain
    if not (rows.flags.c_contiguous and columns.flags.c_contiguous):
        return plain
    words = [array.view(np.uint64) for array in (rows, columns)]
    uniform = _is_uniform(words[0])
    uniform &= _is_uniform(words[1])
    whole = int(np.count_nonzero(uniform))
    if _LEAST_UNIFORM * uniform.size > whole:
        return plain
    mixed = np.flatnonzero(~uniform)
    joined = [
        np.concatenate((array[::_WORD][uniform], of_array[mixed].view(array.dtype)))
        for array, of_array in zip((rows, columns), words, strict=True)
    ]
    return whole, joined[0], joined[1]


def _is_uniform(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether the eight bytes of each word are equal: turning the word by one byte then changes nothing."""
    turned = words << np.uint64(8)
    turned |= words >> np.uint64(56)
    uniform: NDArray[np.bool_] = turned == words
    return uniform


def _common_order(*arrays: NDArray[Any] | None) -> Literal["C", "F"]:
    """The order in which all can be walked through without a copy, where there is one (NIfTI is stored in "F")."""
    return "F" if all(array is None or array.flags.f_contiguous for array in arrays) else "C"


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
