"""What the scores of surfaces mean."""

from __future__ import annotations

from medseg.metrics.metric_definition import Direction, MetricDefinition

_SURFACE_DICE = "Nikolov 2021, doi 10.2196/26151"
_OVER_CASES = "mean over the cases where it is defined: inf as soon as one case misses the class or has it falsely"


def _distance(key: str, name: str, meaning: str, citation: str = "") -> MetricDefinition:
    """A distance in mm: none of two empty masks, infinite from or to an empty one."""
    return MetricDefinition(
        key,
        name,
        meaning,
        unit="mm",
        value_range="0 to inf",
        direction=Direction.LOWER,
        when_undefined="both masks are empty (inf where only one is)",
        over_cases=_OVER_CASES,
        citation=citation,
    )


SURFACE_DEFINITIONS = (
    _distance(
        "hausdorff_mm",
        "Hausdorff distance",
        "largest distance from a surface voxel of either mask to the other's surface",
        "Huttenlocher 1993, doi 10.1109/34.232073",
    ),
    _distance(
        "hausdorff_95_directed_mm",
        "HD95, larger direction",
        "larger of the 95th percentiles of the distances between surface voxels in the two directions (as MONAI)",
    ),
    _distance(
        "hausdorff_95_pooled_mm",
        "HD95, directions pooled",
        "95th percentile of the distances between surface voxels, both directions pooled (as medpy)",
    ),
    _distance(
        "hausdorff_95_area_weighted_mm",
        "HD95 by area, larger direction",
        "larger of the two directed distances within which 95 % of the surface's area lies (as surface-distance)",
        _SURFACE_DICE,
    ),
    _distance(
        "assd_mm",
        "Average symmetric surface distance",
        "mean distance of the surface voxels of both masks, pooled, to the other's surface",
        "Heimann 2009, doi 10.1109/TMI.2009.2013851",
    ),
    MetricDefinition(
        "nsd_voxel_count",
        "Normalised surface distance, by voxels",
        "share of the surface voxels of both masks within the tolerance of the other's surface (as MONAI)",
        when_undefined="both masks are empty (0 where only one is)",
        citation="Seidlitz 2022, doi 10.1016/j.media.2022.102488",
    ),
    MetricDefinition(
        "nsd_area_weighted",
        "Surface Dice at a tolerance, by area",
        "share of the surface area of both masks within the tolerance of the other's surface (as surface-distance)",
        when_undefined="both masks are empty (0 where only one is)",
        citation=_SURFACE_DICE,
    ),
)
"""The scores of `medseg.metrics.surface_scores` that are one number a class and case."""
