"""Seeded watershed, the distance map that it often runs on, and the seeds on a map's peaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import edt
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from medseg.errors import GeometryError, InputError
from medseg.postprocessing.components import Connectivity, bounding_box, label_components

SeedNumber = TypeVar("SeedNumber", bound=np.integer)


def distance_map(mask: NDArray[np.bool_], *, spacing_mm: Sequence[float]) -> NDArray[np.float32]:
    """Distance of each voxel of the mask to the nearest voxel outside, centre to centre, in mm; 0 outside the mask.

    What lies beyond the image is unknown and counts for nothing. A mask without an outside has no distance: it is
    inf everywhere. Computed by edt (Felzenszwalb 2012, doi 10.4086/toc.2012.v008a019).

    Args:
        mask: (*spatial) of two or three axes.
        spacing_mm: voxel size in mm, one entry an axis.

    Raises:
        GeometryError: the mask has neither two nor three axes, or the spacing has another number of axes.
        InputError: a spacing that is not positive.
    """
    if mask.ndim not in (2, 3) or len(spacing_mm) != mask.ndim:
        message = f"distance map: expected 2 or 3 axes and a spacing for each, got {mask.ndim} and {len(spacing_mm)}."
        raise GeometryError(message)
    if not all(np.isfinite(size) and size > 0 for size in spacing_mm):
        message = f"distance map: expected voxel sizes above 0 mm, got {tuple(spacing_mm)}."
        raise InputError(message)
    binary = np.asarray(mask != 0)
    if binary.all():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    sizes = tuple(float(size) for size in spacing_mm)
    whole = binary if binary.flags.forc else np.ascontiguousarray(binary)
    return np.asarray(edt.edt(whole, anisotropy=sizes, black_border=False, parallel=1))


def peak_seeds(height: NDArray[np.floating], *, mask: NDArray[np.bool_], min_climb: float) -> NDArray[np.uint32]:
    """Numbered seeds on the peaks of `height` inside the mask, 0 elsewhere.

    A peak counts only when the way from it to a higher one descends by at least `min_climb` (h-maxima, Soille 2003,
    Morphological Image Analysis, section 6.3.4), so that ripples make no seeds. Every component of the mask has one.

    Args:
        height: (*spatial), finite inside the mask.
        mask: (*spatial) where seeds may lie.
        min_climb: smallest descent between two peaks, in the unit of `height`, above 0.

    Raises:
        GeometryError: the shapes differ.
        InputError: a climb that is not positive.
    """
    _check_shapes(height=height, mask=mask)
    if not min_climb > 0:
        message = f"peak seeds: expected a climb above 0, got {min_climb}."
        raise InputError(message)
    seeds = np.zeros(mask.shape, dtype=np.uint32)
    box = bounding_box(mask)
    inside = mask[box]
    if inside.size == 0:
        return seeds
    # A frame and an outside lower than all inside: a peak at the border is one too, and components stay apart.
    values = np.asarray(height[box], dtype=np.float64)
    floor = values[inside].min() - 2 * min_climb
    framed = np.pad(np.where(inside, values, floor), 1, constant_values=floor)
    lowered = np.maximum(framed - min_climb, floor)
    neighbours = np.ones((3,) * mask.ndim, dtype=bool)
    plateaus = local_maxima(reconstruction(lowered, framed, method="dilation", footprint=neighbours))
    core = (slice(1, -1),) * mask.ndim
    seeds[box], _ = label_components(plateaus[core] & inside)
    return seeds


def seeded_watershed(
    relief: NDArray[np.floating], *, seeds: NDArray[SeedNumber], mask: NDArray[np.bool_]
) -> NDArray[SeedNumber]:
    """Seed number of the basin that each voxel of the mask belongs to, 0 outside and where no seed is connected.

    The relief is flooded from the seeds through faces (Meyer 1994, doi 10.1016/0165-1684(94)90060-4), by scikit-image's
    `watershed(relief, seeds, mask=mask)`, but only in those components of the mask in which seeds compete; where there
    is one seed, the whole component is its basin. Seed voxels of equal height flood in an order that scikit-image
    leaves open and that other seeds in the queue change, so a few voxels on crests may differ from its answer for the
    whole mask.

    Args:
        relief: (*spatial) height; basins meet on crests.
        seeds: (*spatial) whole numbers, 0 is no seed; those outside the mask count for nothing.
        mask: (*spatial) what is divided.

    Raises:
        GeometryError: the shapes differ, or there are neither two nor three axes.
    """
    _check_shapes(relief=relief, seeds=seeds, mask=mask)
    basins = np.zeros(mask.shape, dtype=seeds.dtype)
    box = bounding_box(mask)
    inside, seeds_inside = mask[box] != 0, seeds[box]
    components, count = label_components(inside, connectivity=Connectivity.FACES)
    owner = np.zeros(count + 1, dtype=seeds.dtype)
    is_contested = np.zeros(count + 1, dtype=bool)
    places = np.nonzero((seeds_inside != 0) & inside)
    where, numbers = components[places], seeds_inside[places]
    owner[where] = numbers  # any of a component's seeds; those that differ from it make it contested
    is_contested[where[owner[where] != numbers]] = True
    owner[is_contested] = 0
    result = owner[components]
    if is_contested.any():
        contested = is_contested[components]
        part = bounding_box(contested)
        flooded = watershed(relief[box][part], seeds_inside[part], mask=contested[part])
        result[part] += flooded.astype(seeds.dtype, copy=False)
    basins[box] = result
    return basins


def _check_shapes(*, mask: NDArray[np.bool_], **others: NDArray) -> None:
    for name, array in others.items():
        if array.shape != mask.shape:
            message = f"watershed: expected {name} of the mask's shape {mask.shape}, got {array.shape}."
            raise GeometryError(message)
