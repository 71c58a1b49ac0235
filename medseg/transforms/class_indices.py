"""From the values of a label map to the class numbers 0..K-1 that networks and losses count in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import LabelError
from medseg.images import LabelKind, LabelMap


def class_indices(label_map: LabelMap) -> NDArray[np.integer]:
    """Position of each voxel's label in the label table, uint8 where there are at most 256 classes.

    Tables that count 0, 1, 2, .. keep their numbers. In an instance map every object is of the table's one
    foreground class.

    Raises:
        LabelError: the objects of an instance map may be of several classes.
    """
    values = np.asarray(label_map.labels.values)
    kind = np.uint8 if values.size <= 256 else np.int16
    if label_map.kind is LabelKind.INSTANCES:
        foreground = label_map.labels.foreground
        if len(foreground) != 1:
            names = ", ".join(label.name for label in foreground) or "none"
            message = (
                f"{label_map.metadata.source or 'the label map'}: expected one foreground class for objects, got "
                f"{names}. Store the class of each voxel instead of object numbers."
            )
            raise LabelError(message)
        position = label_map.labels.values.index(foreground[0].value)
        return np.where(label_map.array > 0, position, 0).astype(kind)
    if np.array_equal(values, np.arange(values.size)):
        return label_map.array.astype(kind, copy=False)
    return np.searchsorted(values, label_map.array).astype(kind)
