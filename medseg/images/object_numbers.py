"""The objects of a label map with a number each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.images.label_map import LabelKind, LabelMap


@dataclass(frozen=True, eq=False)
class NumberedObjects:
    """The objects of a label map, each with a number of its own.

    Attributes:
        array: (*spatial) number of the object at each voxel, 0 where there is none.
        names: number -> name of its class.
    """

    array: NDArray[np.integer]
    names: Mapping[int, str]


def number_objects(label_map: LabelMap) -> NumberedObjects:
    """The objects of `label_map`, numbered as `measure_objects` numbers its rows.

    Args:
        label_map: classes or instances; the numbers of instances are kept.
    """
    if label_map.kind is LabelKind.INSTANCES:
        classes = [label.name for label in label_map.labels.foreground]
        name = classes[0] if len(classes) == 1 else "object"
        return NumberedObjects(label_map.array, {value: name for value in label_map.present_values() if value})
    structure = np.ones((3,) * label_map.affine.ndim, dtype=bool)
    numbers = np.zeros(label_map.spatial_shape, dtype=np.int32)
    names: dict[int, str] = {}
    for label in label_map.labels.foreground:
        components, count = ndimage.label(label_map.array == label.value, structure=structure)
        np.add(numbers, components + len(names), out=numbers, where=components > 0)
        names |= dict.fromkeys(range(len(names) + 1, len(names) + count + 1), label.name)
    return NumberedObjects(numbers, names)
