"""From the numbers in a file to the numbers of a label map, and the smallest type that holds them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medseg.errors import LabelError
from medseg.images import Image, Label, LabelKind, LabelMap, LabelTable

_WHOLE_TOLERANCE = 1e-3
"""Labels stored as floats may be off by this much (rounding of a scaled file) and still count as whole."""
_UNSIGNED = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32), np.dtype(np.uint64))


def label_map_of(image: Image, *, labels: LabelTable | None, kind: LabelKind, name: object) -> LabelMap:
    """The label map that an image of whole numbers is.

    Args:
        image: one channel; whole numbers of at least 0, in any type.
        labels: the meaning of the values; made from the values found where absent.
        kind: semantic or instances.
        name: the file, for messages.

    Raises:
        LabelError: several channels, numbers that are not whole, or negative ones.
    """
    if image.num_channels != 1:
        message = (
            f"{name}: expected a label map with one number a voxel, got {image.num_channels} channels. "
            "Save the mask in greyscale or with a palette."
        )
        raise LabelError(message)
    array = whole_numbers(image.array[0], name=name)
    table = labels if labels is not None else _table_of(array, kind=kind)
    return LabelMap(array, image.affine, axes=image.axes[1:], labels=table, kind=kind, metadata=image.metadata)


def whole_numbers(array: NDArray, *, name: object) -> NDArray[np.integer]:
    """`array` as integers of at least 0, in its own type where that is one.

    Raises:
        LabelError: some are not whole, not finite, or negative.
    """
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            message = f"{name}: expected label values, got NaN or infinity. Export the mask again."
            raise LabelError(message)
        rounded = np.rint(array)
        if np.abs(array - rounded).max() > _WHOLE_TOLERANCE:
            stranger = float(array.ravel()[int(np.argmax(np.abs(array - rounded)))])
            message = f"{name}: expected whole numbers as labels, got {stranger:g}. Round or threshold the mask first."
            raise LabelError(message)
        array = rounded
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0:
        message = f"{name}: expected label values of at least 0, got {lowest}. Map or remove them."
        raise LabelError(message)
    return array if np.issubdtype(array.dtype, np.integer) else array.astype(_smallest(highest))


def compact(array: NDArray[np.integer]) -> NDArray[np.integer]:
    """`array` in the smallest unsigned type that holds its values."""
    return array.astype(_smallest(int(array.max())), copy=False)


def map_values(array: NDArray[np.integer], value_map: Mapping[int, int], *, name: object) -> NDArray[np.integer]:
    """`array` with each value replaced by its entry in `value_map`, in the smallest unsigned type.

    Raises:
        LabelError: a value has no entry; the message lists such values and the map.
    """
    values, places = np.unique(array, return_inverse=True)
    strangers = [int(value) for value in values if int(value) not in value_map]
    if strangers:
        shown = ", ".join(str(value) for value in strangers[:5]) + (", ..." if len(strangers) > 5 else "")
        known = ", ".join(f"{before}->{after}" for before, after in value_map.items())
        message = f"{name}: label values {shown} are not in the value map ({known}). Add them to the map."
        raise LabelError(message)
    new = np.array([value_map[int(value)] for value in values], dtype=_smallest(max(value_map.values())))
    return new[places].reshape(array.shape)


def _smallest(highest: int) -> np.dtype:
    return next(dtype for dtype in _UNSIGNED if highest <= np.iinfo(dtype).max)


def _table_of(array: NDArray[np.integer], *, kind: LabelKind) -> LabelTable:
    if kind is LabelKind.INSTANCES:
        return LabelTable.from_names(["background", "object"])
    highest = int(array.max())
    names = LabelTable.from_names(["background", *(f"class {value}" for value in range(1, min(highest, 255) + 1))])
    if highest <= 255:
        present = np.flatnonzero(np.bincount(array.ravel().astype(np.uint8), minlength=256))
    else:
        present = np.unique(array)
    by_value = {label.value: label for label in names}
    found = [by_value.get(int(value), Label(int(value), f"class {value}")) for value in present if value != 0]
    return LabelTable((by_value[0], *found))
