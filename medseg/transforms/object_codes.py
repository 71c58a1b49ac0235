"""Objects as one whole number a voxel that tells both the object and its class, so that one map says all.

A code is `number * num_classes + class index`, with numbers from 1 and class indices from 1; 0 is background. Codes
pass through cropping and augmentation like class indices, with the nearest voxel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.images import LabelKind, LabelMap, number_objects
from medseg.transforms.class_indices import class_indices


def object_codes(label_map: LabelMap) -> NDArray[np.int32]:
    """Code of each voxel.

    In an instance map each value is an object of the table's one foreground class. In a semantic map each connected
    region of a class is one, voxels that touch by a corner included.

    Raises:
        LabelError: the objects of an instance map may be of several classes.
    """
    classes = class_indices(label_map)
    numbers = object_numbers(label_map)
    return np.where(numbers > 0, numbers * len(label_map.labels) + classes, 0).astype(np.int32)


def object_numbers(label_map: LabelMap) -> NDArray[np.int32]:
    """Number of the object at each voxel, 1, 2, 3, ...; 0 is background. See `object_codes` for what an object is."""
    if label_map.kind is LabelKind.INSTANCES:
        values, places = np.unique(label_map.array, return_inverse=True)
        first = 0 if values[0] == 0 else 1
        return (places.reshape(label_map.array.shape) + first).astype(np.int32)
    return np.asarray(number_objects(label_map).array, dtype=np.int32)


def classes_of_codes(codes: NDArray[np.integer], *, num_classes: int) -> NDArray[np.integer]:
    """Class index of each code."""
    return np.asarray(codes % num_classes)
