"""An object becomes larger or smaller by a distance in millimetres."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box, widened
from medseg_napari.review.change import Change

_ROUNDING = 1e-6
"""Share of the distance by which a voxel may be farther away and still count."""


def grow(
    labels: NDArray[np.integer],
    box: Box,
    *,
    object_id: int,
    spacing_mm: tuple[float, ...],
    distance_mm: float,
) -> tuple[Change, ...]:
    """The object takes the background within `distance_mm` of its voxels, centre to centre; other objects stay.

    Args:
        labels: object ids.
        box: of the object.
        object_id: the object.
        spacing_mm: voxel size in array axis order.
        distance_mm: an axis whose voxels are longer than this does not grow.
    """
    margin = _reach(spacing_mm, distance_mm)
    around = widened(box, margin, shape=labels.shape)
    part = labels[around]
    near = _spread(part == object_id, spacing_mm, distance_mm)
    return (Change.painting(labels, around, where=near & (part == 0), value=object_id),)


def shrink(
    labels: NDArray[np.integer],
    box: Box,
    *,
    object_id: int,
    spacing_mm: tuple[float, ...],
    distance_mm: float,
) -> tuple[Change, ...]:
    """The object gives up its voxels within `distance_mm` of a voxel that is not its own, centre to centre.

    Beyond the array's faces it is taken to go on.

    Args:
        labels: object ids.
        box: of the object.
        object_id: the object.
        spacing_mm: voxel size in array axis order.
        distance_mm: an axis whose voxels are longer than this does not shrink.
    """
    around = widened(box, _reach(spacing_mm, distance_mm), shape=labels.shape)
    mask = labels[around] == object_id
    near = _spread(~mask, spacing_mm, distance_mm)
    return (Change.painting(labels, around, where=near & mask, value=0),)


def _reach(spacing_mm: tuple[float, ...], distance_mm: float) -> tuple[int, ...]:
    """Voxels along each axis within the distance."""
    return tuple(math.floor(distance_mm * (1 + _ROUNDING) / size) for size in spacing_mm)


def _spread(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...], distance_mm: float) -> NDArray[np.bool_]:
    """The voxels within the distance of the mask; shifted copies, since the distance is a voxel or a few."""
    spread = mask.copy()
    reach = _reach(spacing_mm, distance_mm)
    for shift in itertools.product(*(range(-most, most + 1) for most in reach)):
        if math.hypot(*(by * size for by, size in zip(shift, spacing_mm, strict=True))) <= distance_mm * (
            1 + _ROUNDING
        ):
            to = tuple(slice(max(by, 0), length + min(by, 0)) for by, length in zip(shift, mask.shape, strict=True))
            of = tuple(slice(max(-by, 0), length + min(-by, 0)) for by, length in zip(shift, mask.shape, strict=True))
            spread[to] |= mask[of]
    return spread
