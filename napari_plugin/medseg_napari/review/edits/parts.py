"""From the parts of an object to the change that makes them objects: the largest keeps the id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change


def split_into(
    labels: NDArray[np.integer], box: Box, parts: NDArray[np.integer], *, new_ids: Sequence[int]
) -> tuple[Change, ...]:
    """The parts of an object as objects, the largest with the id it had, the others with `new_ids` in their order.

    Of equal parts the first keeps the id.

    Args:
        labels: object ids.
        box: of the object.
        parts: (*box) 1, 2, ... in the parts, 0 where nothing changes.
        new_ids: one fewer than there are parts.
    """
    numbers = range(1, len(new_ids) + 2)
    sizes = [np.count_nonzero(parts == number) for number in numbers]
    others = [number for number in numbers if number != numbers[sizes.index(max(sizes))]]
    return tuple(
        Change.painting(labels, box, where=parts == number, value=new_id)
        for number, new_id in zip(others, new_ids, strict=True)
    )
