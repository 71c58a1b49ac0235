"""Scores as pure functions of sufficient statistics.

Voxels are looked at once, to make counts (`ConfusionTable`, `RegionOverlap`); every score is arithmetic on counts.
Counts add up, so scores over slices, tiles or cases need no second look at the voxels.
"""

from medseg.metrics.boundary_maps import (
    RegionOverlap,
    cell_regions,
    label_cells,
    region_overlap,
    threshold_scan,
    v_info,
    v_info_merge,
    v_info_split,
    v_rand,
    v_rand_merge,
    v_rand_split,
)
from medseg.metrics.confusion import ConfusionTable, confusion_table
from medseg.metrics.definitions import MetricDefinition, available_metrics, definition_of
from medseg.metrics.overlap import (
    dice_per_class,
    frequency_weighted_iou,
    iou_per_class,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
    precision_per_class,
    recall_per_class,
    volume_difference_ml,
)

__all__ = [
    "ConfusionTable",
    "MetricDefinition",
    "RegionOverlap",
    "available_metrics",
    "cell_regions",
    "confusion_table",
    "definition_of",
    "dice_per_class",
    "frequency_weighted_iou",
    "iou_per_class",
    "label_cells",
    "mean_accuracy",
    "mean_iou",
    "pixel_accuracy",
    "precision_per_class",
    "recall_per_class",
    "region_overlap",
    "threshold_scan",
    "v_info",
    "v_info_merge",
    "v_info_split",
    "v_rand",
    "v_rand_merge",
    "v_rand_split",
    "volume_difference_ml",
]
