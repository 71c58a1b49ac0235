"""Holes in an object become part of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.postprocessing import fill_holes as without_holes
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change
from medseg_napari.review.edits.compute import Compute, here


def fill_holes(
    labels: NDArray[np.integer],
    box: Box,
    *,
    object_id: int,
    slice_axis: int | None = None,
    compute: Compute = here,
) -> tuple[Change, ...]:
    """The object takes the background that it encloses; other objects inside it stay.

    A gap that touches the array's face is no hole.

    Args:
        labels: object ids.
        box: of the object.
        object_id: the object.
        slice_axis: fill what is enclosed within each slice along this axis; None fills what is enclosed on all sides.
        compute: where the holes are looked for.
    """
    part = labels[box]
    filled = compute(without_holes_in, part == object_id, slice_axis)
    return (Change.painting(labels, box, where=filled & (part == 0), value=object_id),)


def without_holes_in(mask: NDArray[np.bool_], slice_axis: int | None) -> NDArray[np.bool_]:
    """The mask with its holes filled, or with those within each slice along an axis."""
    if slice_axis is None:
        return _filled(mask)
    slices = [_filled(plane) for plane in np.moveaxis(mask, slice_axis, 0)]
    return np.moveaxis(np.stack(slices), 0, slice_axis)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # The box's faces are no frame of the image: with a rim of outside around it, what reaches a face is open.
    return without_holes(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
