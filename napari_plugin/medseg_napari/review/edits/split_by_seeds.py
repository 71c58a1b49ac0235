"""One object becomes one for each seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.postprocessing import distance_map, seeded_watershed
from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change
from medseg_napari.review.edits.compute import Compute, here
from medseg_napari.review.edits.parts import split_into


def split_by_seeds(
    labels: NDArray[np.integer],
    box: Box,
    seeds: Sequence[Sequence[int]],
    *,
    object_id: int,
    new_ids: Sequence[int],
    spacing_mm: tuple[float, ...],
    compute: Compute = here,
) -> tuple[Change, ...]:
    """The object divided where it is thinnest between the seeds: a watershed of its distance map.

    The largest part keeps the id; so do pieces of the object that no seed is connected to.

    Args:
        labels: object ids.
        box: of the object.
        seeds: indices of voxels inside the object, at least two, no voxel twice.
        object_id: the object.
        new_ids: one fewer than there are seeds.
        spacing_mm: voxel size in array axis order.
        compute: where the watershed is computed.

    Raises:
        InputError: fewer than two seeds, or they do not lie on different voxels of the object.
    """
    places = [tuple(int(index) for index in seed) for seed in seeds]
    if len(set(places)) < 2 or len(set(places)) != len(places):
        message = f"split: expected two or more seeds on different voxels, got {len(set(places))}. Add a seed."
        raise InputError(message)
    mask = labels[box] == object_id
    if not all(_is_inside(mask, place, box) for place in places):
        message = f"split: expected all seeds inside object {object_id}, got one elsewhere. Move it into the object."
        raise InputError(message)
    inside = [tuple(at - side.start for at, side in zip(place, box, strict=True)) for place in places]
    return split_into(labels, box, compute(seeded_parts, mask, inside, spacing_mm), new_ids=new_ids)


def seeded_parts(
    mask: NDArray[np.bool_], places: Sequence[tuple[int, ...]], spacing_mm: tuple[float, ...]
) -> NDArray[np.unsignedinteger]:
    """(*mask) 1, 2, ... in the part of each of the places, 0 outside the mask and where none is connected."""
    numbered = np.zeros(mask.shape, dtype=np.min_scalar_type(len(places)))
    for number, place in enumerate(places, start=1):
        numbered[place] = number
    relief = -distance_map(np.pad(mask, 1), spacing_mm=spacing_mm)[(slice(1, -1),) * mask.ndim]
    return seeded_watershed(relief, seeds=numbered, mask=mask)


def _is_inside(mask: NDArray[np.bool_], place: tuple[int, ...], box: Box) -> bool:
    within = all(side.start <= at < side.stop for at, side in zip(place, box, strict=True))
    return within and bool(mask[tuple(at - side.start for at, side in zip(place, box, strict=True))])
