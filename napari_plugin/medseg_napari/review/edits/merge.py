"""Several objects become one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change


def merge(labels: NDArray[np.integer], boxes: Mapping[int, Box], *, into: int) -> tuple[Change, ...]:
    """The objects of `boxes` take the id `into`: one change for each, inside its own box.

    Args:
        labels: object ids.
        boxes: id -> bounding box of the objects; that of `into` may be among them.
        into: id that they get.
    """
    return tuple(
        Change.painting(labels, box, where=labels[box] == object_id, value=into)
        for object_id, box in boxes.items()
        if object_id != into
    )
