"""The slices between outlined ones are filled."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.postprocessing import distance_map
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change


def interpolate_between_slices(
    labels: NDArray[np.integer], box: Box, *, object_id: int, spacing_mm: tuple[float, ...], slice_axis: int = 0
) -> tuple[Change, ...]:
    """The object's empty slices between two that have it get its shape in between; other objects stay.

    Shape-based interpolation: the signed distances to the two outlines are interpolated linearly, and what is inside
    of the result is taken (Raya and Udupa 1990, doi 10.1109/42.52980). Outlines that lie beside each other leave the
    slices between them empty.

    Args:
        labels: object ids, of three axes.
        box: of the object.
        object_id: the object.
        spacing_mm: voxel size in array axis order.
        slice_axis: axis along which slices are counted.

    Raises:
        InputError: a picture, or an object without an empty slice between others.
    """
    if labels.ndim != 3:
        message = f"interpolate: expected labels of 3 axes, got {labels.ndim}. A picture has no slices in between."
        raise InputError(message)
    part = np.moveaxis(labels[box], slice_axis, 0)
    mask = part == object_id
    outlined = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    gaps = [(first, last) for first, last in itertools.pairwise(outlined) if last > first + 1]
    if not gaps:
        message = f"interpolate: expected object {object_id} in two slices with empty ones between, got none between."
        raise InputError(message)
    sizes = tuple(size for axis, size in enumerate(spacing_mm) if axis != slice_axis)
    filled = np.zeros_like(mask)
    for first, last in gaps:
        start, stop = _signed_distance(mask[first], sizes), _signed_distance(mask[last], sizes)
        for index in range(first + 1, last):
            share = (index - first) / (last - first)
            filled[index] = (1 - share) * start + share * stop > 0
    where = np.moveaxis(filled & (part == 0), 0, slice_axis)
    return (Change.painting(labels, box, where=where, value=object_id),)


def _signed_distance(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float32]:
    """Distance to the nearest voxel of the other side, positive inside."""
    padded = np.pad(mask, 1)
    signed = distance_map(padded, spacing_mm=spacing_mm) - distance_map(~padded, spacing_mm=spacing_mm)
    return signed[1:-1, 1:-1]
