"""Which scores a case gets, from its counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from numpy.typing import ArrayLike

from medseg import metrics
from medseg.evaluation.statistics import JoinedScore
from medseg.images import LabelTable
from medseg.metrics import RegionOverlap
from medseg.metrics.overlap import mean_of_defined

REGION_SCORES: Mapping[str, Callable[[RegionOverlap], float]] = MappingProxyType(
    {
        "v_rand": metrics.v_rand,
        "v_info": metrics.v_info,
        "v_rand_split": metrics.v_rand_split,
        "v_rand_merge": metrics.v_rand_merge,
    }
)

JOINED_REGION_SCORES = MappingProxyType(
    {key: JoinedScore("regions", function) for key, function in REGION_SCORES.items() if key != "v_info"}
)
"""Over several slices their statistics are added first; the slices' values of V_info are averaged."""

_OVERALL = {
    "mean_iou": metrics.mean_iou,
    "pixel_accuracy": metrics.pixel_accuracy,
    "mean_accuracy": metrics.mean_accuracy,
    "frequency_weighted_iou": metrics.frequency_weighted_iou,
}
_PER_CLASS = {"dice": metrics.dice_per_class, "iou": metrics.iou_per_class}
_PER_FOREGROUND_CLASS = {"precision": metrics.precision_per_class, "recall": metrics.recall_per_class}


def overlap_scores(counts: ArrayLike, labels: LabelTable, *, voxel_volume_mm3: float | None = None) -> dict[str, float]:
    """Overlap scores by key; `dice/<class>` for scores of a class; nan where undefined.

    Args:
        counts: (classes, classes) confusion table in the order of `labels`.
        labels: the classes.
        voxel_volume_mm3: adds volume differences; absent for images that are no volume or have no known spacing.
    """
    foreground = [index for index, label in enumerate(labels) if label.value != 0]
    names = labels.names
    dice = metrics.dice_per_class(counts)
    result = {"mean_dice": mean_of_defined(dice[foreground])}
    result.update({key: function(counts) for key, function in _OVERALL.items()})
    for key, function in _PER_CLASS.items():
        values = function(counts)
        result.update({f"{key}/{name}": float(value) for name, value in zip(names, values, strict=True)})
    for key, function in _PER_FOREGROUND_CLASS.items():
        values = function(counts)
        result.update({f"{key}/{names[index]}": float(values[index]) for index in foreground})
    if voxel_volume_mm3 is not None:
        differences = metrics.volume_difference_ml(counts, voxel_volume_mm3=voxel_volume_mm3)
        result.update({f"volume_difference_ml/{names[index]}": float(differences[index]) for index in foreground})
    return result


def region_scores(regions: RegionOverlap) -> dict[str, float]:
    """V_rand, V_info and their parts by key; nan where undefined."""
    return {key: function(regions) for key, function in REGION_SCORES.items()}
