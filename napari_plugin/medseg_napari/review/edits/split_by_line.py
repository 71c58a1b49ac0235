"""One object becomes two along a line drawn in a slice, or along the plane that the line spans through all slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change
from medseg_napari.review.edits.parts import split_into


def split_by_line(
    labels: NDArray[np.integer],
    box: Box,
    *,
    object_id: int,
    line: tuple[Sequence[float], Sequence[float]],
    new_id: int,
    slice_axis: int = 0,
    only_slice: bool = False,
) -> tuple[Change, ...]:
    """The object divided by a straight line, taken to run on beyond its ends; the larger side keeps the id.

    Voxels whose centre lies on the line go to the side on its left, seen from its first point with the first in-plane
    axis downwards and the second to the right.

    Args:
        labels: object ids, of two or three axes.
        box: of the object.
        object_id: the object.
        line: two points in voxel indices, in array axis order; those of a volume lie in one slice.
        new_id: of the smaller side.
        slice_axis: axis along which slices are counted; of no meaning for a picture.
        only_slice: divide it in the line's slice only; else along the plane through the line and the slice axis.

    Raises:
        InputError: the two points are one, or the object lies on one side of the line.
    """
    planar = [axis for axis in range(labels.ndim) if labels.ndim == 2 or axis != slice_axis]
    (x, y), (to_x, to_y) = ([float(point[axis]) for axis in planar] for point in line)
    if (x, y) == (to_x, to_y):
        message = "split: expected a line between two different points, got one point. Draw a line across the object."
        raise InputError(message)
    part = box
    if only_slice and labels.ndim == 3:
        part = _one_slice(box, slice_axis, round(float(line[0][slice_axis])))
    grid = np.ogrid[part]
    # Positive to the left; linear in each index, so voxel size does not matter.
    left = (to_x - x) * (grid[planar[1]] - y) - (to_y - y) * (grid[planar[0]] - x) >= 0
    mask = labels[part] == object_id
    parts = np.where(mask, np.where(left, np.uint8(1), np.uint8(2)), np.uint8(0))
    if not (parts == 1).any() or not (parts == 2).any():
        message = f"split: expected a line across object {object_id}, got one beside it. Draw it through the object."
        raise InputError(message)
    return split_into(labels, part, parts, new_ids=(new_id,))


def _one_slice(box: Box, slice_axis: int, index: int) -> Box:
    """The box in one slice only; empty where the slice is beside it."""
    side = box[slice_axis]
    stop = index + (side.start <= index < side.stop)
    return (*box[:slice_axis], slice(index, stop), *box[slice_axis + 1 :])
