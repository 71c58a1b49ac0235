"""An object gives up the voxels whose value in the image is out of a range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change


def restrict_to_range(
    labels: NDArray[np.integer],
    box: Box,
    image: NDArray,
    *,
    object_id: int,
    low: float | None = None,
    high: float | None = None,
) -> tuple[Change, ...]:
    """The object's voxels below `low`, above `high` or not a number become background.

    Args:
        labels: object ids.
        box: of the object.
        image: on the grid of `labels`.
        object_id: the object.
        low: smallest value that stays; None has no lower bound.
        high: largest value that stays; None has no upper bound.

    Raises:
        InputError: `low` is above `high`.
    """
    if low is not None and high is not None and low > high:
        message = f"restrict: expected a range from low to high, got {low} to {high}. Swap the two."
        raise InputError(message)
    values = image[box]
    stays = np.ones(values.shape, dtype=bool) if values.dtype.kind != "f" else ~np.isnan(values)
    if low is not None:
        stays &= values >= low
    if high is not None:
        stays &= values <= high
    return (Change.painting(labels, box, where=(labels[box] == object_id) & ~stays, value=0),)
