"""Hausdorff distances, mean surface distances and surface Dice, from surface distances computed once.

For all of them: nan where both masks are empty, for there is nothing to measure. Where one is empty there is nothing to
measure to: distances are inf (the infimum over no points), never dropped, and overlaps are 0. Of the functions that
return one value a direction, the direction that starts at the empty mask is nan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.metrics.surface import SurfaceDistances

_Floats = NDArray[np.float64]

_ROUNDING = 1e-9
"""Part of a tolerance that is granted beyond it: a distance of three steps of 0.1 mm is within 0.3 mm."""


def hausdorff_mm(distances: SurfaceDistances) -> float:
    """Largest distance from a surface voxel of either mask to the other's surface, in mm.

    Huttenlocher 1993, doi 10.1109/34.232073.
    """
    return _larger(*(_percentile(one_way, 100) for one_way in _one_ways(distances)))


def hausdorff_95_directed_mm(distances: SurfaceDistances) -> float:
    """The larger of the 95th percentiles of the two directions, over surface voxels, in mm.

    Percentiles interpolate linearly between voxels. This is what MONAI's Hausdorff metric gives.
    """
    return _larger(*(_percentile(one_way, 95) for one_way in _one_ways(distances)))


def hausdorff_95_pooled_mm(distances: SurfaceDistances) -> float:
    """95th percentile of the distances of both directions taken together, over surface voxels, in mm.

    Percentiles interpolate linearly between voxels. This is what medpy gives.
    """
    return _percentile(np.concatenate(_one_ways(distances)), 95)


def hausdorff_95_area_weighted_mm(distances: SurfaceDistances) -> float:
    """The larger of the 95th percentiles of the two directions, over surface elements by area, in mm.

    The percentile is the smallest distance within which 95 % of the surface's area lies (Nikolov 2021,
    doi 10.2196/26151; without interpolation).
    """
    return _larger(*(_weighted_percentile(*way, 0.95) for way in _element_ways(distances)))


def assd_mm(distances: SurfaceDistances) -> float:
    """Mean distance of the surface voxels of both masks to the other's surface, in mm (average symmetric).

    The voxels of both surfaces are pooled, so the larger surface weighs more. Heimann 2009,
    doi 10.1109/TMI.2009.2013851.
    """
    return _mean(np.concatenate(_one_ways(distances)))


def mean_distances_area_weighted_mm(distances: SurfaceDistances) -> tuple[float, float]:
    """Mean distance over the area of the reference's surface to the prediction's, and the reverse, in mm.

    Nikolov 2021, doi 10.2196/26151.
    """
    to_prediction, to_reference = (_weighted_mean(*way) for way in _element_ways(distances))
    return to_prediction, to_reference


def surface_overlaps_area_weighted(distances: SurfaceDistances, *, tolerance_mm: float) -> tuple[float, float]:
    """Share of the reference's surface area within the tolerance of the prediction's, and the reverse; 0 to 1.

    Nikolov 2021, doi 10.2196/26151.

    Raises:
        InputError: the tolerance is negative or not a number.
    """
    limit = _limit(tolerance_mm)
    ways = _element_ways(distances)
    to_prediction, to_reference = (
        _quotient(float(sizes[way <= limit].sum()), float(sizes.sum())) for way, sizes in ways
    )
    return to_prediction, to_reference


def nsd_voxel_count(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Share of the surface voxels of both masks that lie within the tolerance of the other's surface; 0 to 1.

    Normalised surface distance counted in voxels, as MONAI does by default (Seidlitz 2022,
    doi 10.1016/j.media.2022.102488). On anisotropic grids a voxel stands for areas of different size.

    Raises:
        InputError: the tolerance is negative or not a number.
    """
    pooled = np.concatenate(_one_ways(distances))
    return _quotient(float(np.count_nonzero(pooled <= _limit(tolerance_mm))), float(pooled.size))


def nsd_area_weighted(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Share of the surface area of both masks that lies within the tolerance of the other's surface; 0 to 1.

    Surface Dice at a tolerance (Nikolov 2021, doi 10.2196/26151).

    Raises:
        InputError: the tolerance is negative or not a number.
    """
    limit = _limit(tolerance_mm)
    ways = _element_ways(distances)
    within = sum(float(sizes[way <= limit].sum()) for way, sizes in ways)
    return _quotient(within, sum(float(sizes.sum()) for _, sizes in ways))


def _one_ways(distances: SurfaceDistances) -> tuple[_Floats, _Floats]:
    return distances.reference_to_prediction_mm, distances.prediction_to_reference_mm


def _element_ways(distances: SurfaceDistances) -> tuple[tuple[_Floats, _Floats], tuple[_Floats, _Floats]]:
    """Distances and sizes of the elements of the reference, then of the prediction."""
    return (
        (distances.reference_elements_mm, distances.reference_element_sizes),
        (distances.prediction_elements_mm, distances.prediction_element_sizes),
    )


def _limit(tolerance_mm: float) -> float:
    if not 0 <= tolerance_mm < np.inf:
        message = f"tolerance_mm: expected a number from 0 on, got {tolerance_mm}."
        raise InputError(message)
    return tolerance_mm * (1 + _ROUNDING)


def _larger(first: float, second: float) -> float:
    """The larger of two directions; a direction from an empty mask is nan and leaves the other's inf standing."""
    return float(np.fmax(first, second))


def _percentile(distances: _Floats, percent: float) -> float:
    if distances.size == 0:
        return float("nan")
    if np.isinf(distances[-1]):  # then all are, and numpy would interpolate between them to nan
        return float("inf")
    return float(np.percentile(distances, percent))


def _weighted_percentile(distances: _Floats, sizes: _Floats, share: float) -> float:
    if distances.size == 0:
        return float("nan")
    within = np.cumsum(sizes)
    place = int(np.searchsorted(within, share * within[-1] * (1 - _ROUNDING)))
    return float(distances[place])


def _mean(distances: _Floats) -> float:
    return float(distances.mean()) if distances.size else float("nan")


def _weighted_mean(distances: _Floats, sizes: _Floats) -> float:
    return _quotient(float((distances * sizes).sum()), float(sizes.sum()))


def _quotient(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
