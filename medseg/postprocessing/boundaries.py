"""Closing the gaps of a boundary that parts regions, where the network is nearly but not quite sure of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed


def boundary_lines(probability: NDArray[np.floating], *, smoothing_voxel: float, depth: float) -> NDArray[np.bool_]:
    """Lines, one voxel wide, along the crests of a boundary's probability that part two deep enough basins.

    The smoothed probability is flooded from its minima (watershed, Meyer 1994, doi 10.1016/0165-1684(94)90060-4). A
    minimum counts only when the way from it to a lower one climbs by at least `depth` (h-minima, Soille 2003,
    Morphological Image Analysis, section 6.3.4), so that noise opens no basin and a membrane with a weak spot still
    closes. Regions on two sides of a line do not touch by a face.

    Args:
        probability: (*spatial) probability of the boundary, 0..1.
        smoothing_voxel: standard deviation of the Gaussian before flooding.
        depth: smallest climb in probability between two basins.
    """
    smooth = ndimage.gaussian_filter(np.asarray(probability, dtype=np.float32), smoothing_voxel)
    # Filled up by `depth`, two basins that a lower climb parts have become one plateau.
    filled = reconstruction(smooth + np.float32(depth), smooth, method="erosion")
    basins, count = ndimage.label(local_minima(filled))
    if count < 2:
        return np.zeros(smooth.shape, dtype=bool)
    return np.asarray(watershed(smooth, basins, watershed_line=True) == 0)
