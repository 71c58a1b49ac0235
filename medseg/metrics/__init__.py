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
from medseg.metrics.cell_tracking import (
    DetectionCounts,
    FrameMatch,
    SegmentationCounts,
    aogm,
    ctc_det,
    ctc_seg,
    ctc_tra,
    detection_counts,
    inside_field,
    match_objects,
    segmentation_counts,
)
from medseg.metrics.cell_tracks import EdgeCounts, Track, check_tracks, edge_counts
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
    "DetectionCounts",
    "EdgeCounts",
    "FrameMatch",
    "MetricDefinition",
    "RegionOverlap",
    "SegmentationCounts",
    "Track",
    "aogm",
    "available_metrics",
    "cell_regions",
    "check_tracks",
    "confusion_table",
    "ctc_det",
    "ctc_seg",
    "ctc_tra",
    "definition_of",
    "detection_counts",
    "dice_per_class",
    "edge_counts",
    "frequency_weighted_iou",
    "inside_field",
    "iou_per_class",
    "label_cells",
    "match_objects",
    "mean_accuracy",
    "mean_iou",
    "pixel_accuracy",
    "precision_per_class",
    "recall_per_class",
    "region_overlap",
    "segmentation_counts",
    "threshold_scan",
    "v_info",
    "v_info_merge",
    "v_info_split",
    "v_rand",
    "v_rand_merge",
    "v_rand_split",
    "volume_difference_ml",
]
