"""From what a network says of classes to single objects: by a boundary class, by distance, or by centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.postprocessing.components import Connectivity, label_components
from medseg.postprocessing.morphology import remove_small_components
from medseg.postprocessing.watershed import distance_map, peak_seeds, seeded_watershed


def objects_from_boundary(
    *,
    interior_probability: NDArray[np.floating],
    boundary_probability: NDArray[np.floating],
    threshold: float = 0.5,
    seed_threshold: float = 0.5,
    min_seed_voxels: int = 1,
) -> NDArray[np.uint32]:
    """Object numbers from an interior and a boundary class; 0 is background.

    Seeds are the face-connected regions in which the interior is at least `seed_threshold` and more probable than the
    boundary. They grow over the boundary's voxels along rising boundary probability, so that touching objects meet on
    its crest and the boundary belongs to the objects (Caicedo 2019, doi 10.1002/cyto.a.23863). A region of boundary
    without a seed is no object.

    Args:
        interior_probability: (*spatial), 0..1.
        boundary_probability: (*spatial), 0..1.
        threshold: least sum of both in the foreground.
        seed_threshold: least interior probability of a seed; a higher one parts objects whose rims are faint between
            them.
        min_seed_voxels: size of the smallest seed.

    Raises:
        GeometryError: the shapes differ, or there are neither two nor three axes.
    """
    if interior_probability.shape != boundary_probability.shape:
        message = (
            "objects: expected interior and boundary probabilities of one shape, "
            f"got {interior_probability.shape} and {boundary_probability.shape}."
        )
        raise GeometryError(message)
    foreground = interior_probability + boundary_probability >= threshold
    is_seed = foreground & (interior_probability >= seed_threshold) & (interior_probability > boundary_probability)
    if min_seed_voxels > 1:
        is_seed = remove_small_components(is_seed, min_voxels=min_seed_voxels, connectivity=Connectivity.FACES)
    seeds, _ = label_components(is_seed, connectivity=Connectivity.FACES)
    return seeded_watershed(boundary_probability, seeds=seeds, mask=foreground)


def objects_from_distance(
    mask: NDArray[np.bool_], *, spacing_mm: Sequence[float], min_climb_mm: float
) -> NDArray[np.uint32]:
    """Object numbers from a mask of roundish objects that touch; 0 is background.

    Objects are parted at their necks: seeds lie on the peaks of the distance to the outside, and the distance, upside
    down, is flooded from them. No voxel of the mask is lost.

    Args:
        mask: (*spatial) of two or three axes.
        spacing_mm: voxel size in mm, one entry an axis.
        min_climb_mm: by how much the neck between two objects must be narrower than the smaller of them, as a
            difference of half widths; larger values part fewer objects.

    Raises:
        GeometryError: wrong numbers of axes.
        InputError: a spacing or climb that is not positive.
    """
    inside = np.asarray(mask != 0)
    if inside.all():  # there is no neck without an outside
        return np.ones(inside.shape, dtype=np.uint32)
    distance = distance_map(inside, spacing_mm=spacing_mm)
    seeds = _seed_in_each_part(peak_seeds(distance, mask=inside, min_climb=min_climb_mm), mask=inside)
    return seeded_watershed(-distance, seeds=seeds, mask=inside)


def objects_from_centres(
    mask: NDArray[np.bool_],
    *,
    centre_probability: NDArray[np.floating],
    spacing_mm: Sequence[float],
    threshold: float = 0.5,
) -> NDArray[np.uint32]:
    """Object numbers from a mask and a map of the objects' centres; 0 is background.

    Each region in which the centre's probability is at least `threshold` is the seed of one object; the distance to
    the outside, upside down, is flooded from them. A component of the mask without a centre is an object of its own:
    no voxel of the mask is lost.

    Args:
        mask: (*spatial) of two or three axes.
        centre_probability: (*spatial), high around centres only.
        spacing_mm: voxel size in mm, one entry an axis.
        threshold: least probability of a seed.

    Raises:
        GeometryError: the shapes differ, or wrong numbers of axes.
        InputError: a spacing that is not positive.
    """
    inside = np.asarray(mask != 0)
    if centre_probability.shape != inside.shape:
        message = f"objects: expected centres of the mask's shape {inside.shape}, got {centre_probability.shape}."
        raise GeometryError(message)
    distance = distance_map(inside, spacing_mm=spacing_mm)
    centres, _ = label_components(inside & (centre_probability >= threshold))
    return seeded_watershed(-distance, seeds=_seed_in_each_part(centres, mask=inside), mask=inside)


def _seed_in_each_part(seeds: NDArray[np.uint32], *, mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """The seeds, and one more filling each face-connected part of the mask that has none."""
    parts, count = label_components(mask, connectivity=Connectivity.FACES)
    lacks = np.ones(count + 1, dtype=bool)
    lacks[parts[seeds > 0]] = False
    lacks[0] = False
    table = np.where(lacks, int(seeds.max(initial=0)) + np.cumsum(lacks), 0).astype(np.uint32)
    return seeds + table[parts]
