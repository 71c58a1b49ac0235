"""Objects as three classes, so that a network of voxel-wise classes can learn to part those that touch.

Caicedo et al. 2019: Evaluation of Deep Learning Strategies for Nucleus Segmentation in Fluorescence Images,
doi 10.1002/cyto.a.23863.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.config import TransformsConfig
from medseg.errors import ConfigError
from medseg.images import Label, LabelMap, LabelTable
from medseg.transforms.object_codes import object_numbers

INTERIOR = 1
RIM = 2
"""Class indices; 0 is outside."""

_RIM_NAME = "rim"
_RIM_COLOUR = "#2fb8ff"


def network_labels(labels: LabelTable, config: TransformsConfig) -> LabelTable:
    """The classes that the network tells apart, for a data set of classes `labels`.

    These are the data set's own, or with `config.object_rims` outside, inside and rim of its objects.

    Raises:
        ConfigError: rims are asked for and the objects may be of several classes.
    """
    if config.object_rims is None:
        return labels
    if len(labels.foreground) != 1:
        names = ", ".join(label.name for label in labels.foreground) or "none"
        message = f"transforms.object_rims: expected one foreground class, got {names}. Leave it out."
        raise ConfigError(message)
    rim = Label(max(labels.values) + 1, _RIM_NAME, _RIM_COLOUR)
    return LabelTable((*labels.labels, rim))


def rim_classes(label_map: LabelMap, *, width_voxel: int) -> NDArray[np.uint8]:
    """Class of each voxel: 0 outside, `INTERIOR` or `RIM`.

    The rim is the part of an object that has another object or the outside within `width_voxel` steps, diagonal ones
    included; the image's own border is no rim. An object that would be all rim gets the widest one that leaves an
    interior, and where none does it is all interior.

    Args:
        label_map: objects, or classes whose connected regions are the objects.
        width_voxel: of the rim.
    """
    numbers = object_numbers(label_map)
    classes = np.where(numbers > 0, np.uint8(INTERIOR), np.uint8(0))
    missing = numbers > 0
    for width in range(width_voxel, 0, -1):
        size = 2 * width + 1
        highest = ndimage.maximum_filter(numbers, size=size, mode="nearest")
        lowest = ndimage.minimum_filter(numbers, size=size, mode="nearest")
        is_rim = missing & (highest != lowest)
        with_interior = np.bincount(numbers[missing & ~is_rim], minlength=int(numbers.max()) + 1) > 0
        classes[is_rim & with_interior[numbers]] = RIM
        missing &= ~with_interior[numbers]
        if not missing.any():
            break
    return classes
