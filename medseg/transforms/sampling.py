"""Where training patches are taken from: at random, or centred on a voxel of a foreground class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MOST_VOXELS_OF_A_CLASS = 200_000
"""Voxels of a class that are remembered; a larger class is thinned evenly, a small lesion is kept whole."""


def foreground_indices(classes: NDArray[np.integer]) -> dict[int, NDArray[np.int64]]:
    """For each foreground class that occurs, flat indices of its voxels, ascending.

    Searched once for each case, so that drawing a patch does not have to look through the volume.

    Args:
        classes: (*spatial) class indices; 0 is the background.
    """
    flat = classes.reshape(-1)
    counts = np.bincount(flat)
    found = {}
    for index in range(1, counts.size):
        if counts[index]:
            voxels = np.flatnonzero(flat == index)
            found[index] = voxels[:: math.ceil(voxels.size / MOST_VOXELS_OF_A_CLASS)]
    return found


def draw_patch_start(
    rng: np.random.Generator,
    *,
    spatial_shape: Sequence[int],
    patch_size: Sequence[int],
    foreground: Mapping[int, NDArray[np.int64]],
    foreground_fraction: float,
) -> tuple[int, ...]:
    """Index of a patch's first voxel.

    With the probability `foreground_fraction` the patch is centred on a voxel of a foreground class: each class that
    occurs is as likely as the others, however small it is, and so is each of its voxels. Near the image's edge the
    patch is moved inside and the voxel is off its centre. Otherwise each place inside the image is equally likely.

    Along an axis where the image is smaller than the patch, the start is at most 0 and the image lies wholly within
    the patch.
    """
    room = [size - patch for size, patch in zip(spatial_shape, patch_size, strict=True)]
    anywhere = tuple(int(rng.integers(min(0, free), max(0, free), endpoint=True)) for free in room)
    wants_foreground = rng.random() < foreground_fraction
    if not wants_foreground or not foreground:
        return anywhere
    voxels = foreground[sorted(foreground)[int(rng.integers(len(foreground)))]]
    voxel = np.unravel_index(int(voxels[int(rng.integers(voxels.size))]), tuple(spatial_shape))
    return tuple(
        _inside(int(index) - patch // 2, free) if free >= 0 else start
        for index, patch, free, start in zip(voxel, patch_size, room, anywhere, strict=True)
    )


def _inside(start: int, free: int) -> int:
    return min(max(start, 0), free)
