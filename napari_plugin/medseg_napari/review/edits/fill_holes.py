"""Holes in an object become part of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.postprocessing import fill_holes as without_holes
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change


def fill_holes(
    labels: NDArray[np.integer], box: Box, *, object_id: int, slice_axis: int | None = None
) -> tuple[Change, ...]:
    """The object takes the background that it encloses; other objects inside it stay.

    A gap that touches the array's face is no hole.

    Args:
        labels: object ids.
        box: of the object.
        object_id: the object.
        slice_axis: fill what is enclosed within each slice along this axis; None fills what is enclosed on all sides.
    """
    part = labels[box]
    mask = part == object_id
    if slice_axis is None:
        filled = _filled(mask)
    else:
        slices = [_filled(plane) for plane in np.moveaxis(mask, slice_axis, 0)]
        filled = np.moveaxis(np.stack(slices), 0, slice_axis)
    return (Change.painting(labels, box, where=filled & (part == 0), value=object_id),)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # The box's faces are no frame of the image: with a rim of outside around it, what reaches a face is open.
    return without_holes(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
