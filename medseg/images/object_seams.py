"""Where objects touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def object_seams(objects: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Voxels whose next neighbour along an axis belongs to another object: left free, they show objects apart.

    Args:
        objects: (*spatial) object numbers, 0 is background.
    """
    seams = np.zeros(objects.shape, dtype=np.bool_)
    for axis in range(objects.ndim):
        ahead = (slice(None),) * axis
        here, there = objects[(*ahead, slice(None, -1))], objects[(*ahead, slice(1, None))]
        seams[(*ahead, slice(None, -1))] |= (here != there) & (here > 0) & (there > 0)
    return seams
