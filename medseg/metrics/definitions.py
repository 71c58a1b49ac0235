"""What each score means, in words: name, range, direction, unit, and when it is undefined."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from medseg.metrics.lesion_definitions import LESION_DEFINITIONS
from medseg.metrics.metric_definition import Direction, MetricDefinition
from medseg.metrics.probability_definitions import AGREEMENT_DEFINITIONS, PROBABILITY_DEFINITIONS
from medseg.metrics.surface_definitions import SURFACE_DEFINITIONS
from medseg.registry import look_up

_FCN = "Long 2015, doi 10.1109/CVPR.2015.7298965"
_CHALLENGE = "Arganda-Carreras 2015, doi 10.3389/fnana.2015.00142"
_NO_VOXEL = "no voxel was counted"
_ABSENT = "the class is in neither reference nor prediction"
_NO_CELL = "the reference has no cell pixel"
_JOINED = "pixel pairs summed over slices, then one ratio (as the challenge does)"
_CTC = "Maska 2023, doi 10.1038/s41592-023-01879-y"
_AOGM = "Matula 2015, doi 10.1371/journal.pone.0144959"
_BY_SEQUENCE = "objects of all frames of a sequence together, then one ratio; mean over sequences"
_NO_OBJECT = "neither reference nor prediction has an object"
_NO_OBJECT_OF_SIZE = "the reference has no object of that size"
_OBJECTS_TOGETHER = "objects of all cases together, then one ratio"
_PANOPTIC = "Kirillov 2019, doi 10.1109/CVPR.2019.00963"
_DSB = "Caicedo 2019, doi 10.1038/s41592-019-0612-7"
_ONE_LIST = "objects of all cases in one list; without scores the curve is one point: precision times recalls reached"
_COCO = "Lin 2014, doi 10.1007/978-3-319-10602-1_48"

_DEFINITIONS = (
    MetricDefinition(
        "mean_dice",
        "Mean Dice",
        "mean of the Dice coefficients of the foreground classes that occur in reference or prediction",
        when_undefined="no foreground class is in reference or prediction",
        citation="Dice 1945, doi 10.2307/1932409",
    ),
    MetricDefinition(
        "mean_iou",
        "Mean IoU",
        "mean of the IoU of all classes, background included, that occur in reference or prediction",
        when_undefined=_NO_VOXEL,
        citation=_FCN,
    ),
    MetricDefinition(
        "pixel_accuracy",
        "Pixel accuracy",
        "share of voxels whose predicted class is right; high on rare classes even when none is found",
        when_undefined=_NO_VOXEL,
        citation=_FCN,
    ),
    MetricDefinition(
        "mean_accuracy",
        "Mean accuracy",
        "mean recall of the classes in the reference, background included",
        when_undefined=_NO_VOXEL,
        citation=_FCN,
    ),
    MetricDefinition(
        "frequency_weighted_iou",
        "Frequency-weighted IoU",
        "IoU of each class weighted by its share of the reference",
        when_undefined=_NO_VOXEL,
        citation=_FCN,
    ),
    MetricDefinition(
        "dice",
        "Dice",
        "2 TP / (2 TP + FP + FN)",
        when_undefined=_ABSENT,
        citation="Dice 1945, doi 10.2307/1932409",
    ),
    MetricDefinition("iou", "IoU", "TP / (TP + FP + FN)", when_undefined=_ABSENT, citation=_FCN),
    MetricDefinition(
        "precision",
        "Precision",
        "TP / (TP + FP)",
        when_undefined="the class is not in the prediction",
    ),
    MetricDefinition("recall", "Recall", "TP / (TP + FN)", when_undefined="the class is not in the reference"),
    MetricDefinition(
        "volume_difference_ml",
        "Volume difference",
        "predicted minus reference volume",
        unit="ml",
        value_range="any",
        direction=Direction.ZERO,
    ),
    MetricDefinition(
        "v_rand",
        "V_rand (thinned)",
        "foreground-restricted Rand F-score after border thinning: sum p_ij^2 / (0.5 sum s_i^2 + 0.5 sum t_j^2)",
        when_undefined=_NO_CELL,
        over_cases=_JOINED,
        citation=_CHALLENGE,
    ),
    MetricDefinition(
        "v_rand_split",
        "V_rand split",
        "sum p_ij^2 / sum t_j^2: falls when true cells are split",
        when_undefined=_NO_CELL,
        over_cases=_JOINED,
        citation=_CHALLENGE,
    ),
    MetricDefinition(
        "v_rand_merge",
        "V_rand merge",
        "sum p_ij^2 / sum s_i^2: falls when true cells are merged",
        when_undefined=_NO_CELL,
        over_cases=_JOINED,
        citation=_CHALLENGE,
    ),
    MetricDefinition(
        "v_info",
        "V_info (thinned)",
        "foreground-restricted information F-score after border thinning: I(S;T) / (0.5 H(S) + 0.5 H(T))",
        when_undefined=f"{_NO_CELL}, or both maps are one region",
        over_cases="mean over slices (as the challenge does)",
        citation=_CHALLENGE,
    ),
    MetricDefinition(
        "warping_error",
        "Warping error",
        "share of pixels that differ after the reference was bent towards the prediction by flips of disagreeing "
        "simple pixels (cells 4-connected, no geometric mask): a greedy local optimum, not the smallest; not the "
        "challenge's variant, which counts only splits and mergers",
        direction=Direction.LOWER,
        when_undefined="no pixel was counted",
        citation="Jain 2010, doi 10.1109/CVPR.2010.5539950",
    ),
    MetricDefinition(
        "ctc_seg",
        "SEG",
        "mean Jaccard index of each reference object with the object that covers more than half of it; 0 without one",
        when_undefined="the reference has no object",
        over_cases=_BY_SEQUENCE,
        citation=_CTC,
    ),
    MetricDefinition(
        "ctc_det",
        "DET",
        "1 - min(AOGM-D, AOGM-D0) / AOGM-D0; AOGM-D = 5 splits + 10 missed + 1 spurious, AOGM-D0 = 10 x all objects",
        when_undefined="the reference has no object",
        over_cases=_BY_SEQUENCE,
        citation=_AOGM,
    ),
    MetricDefinition(
        "ctc_tra",
        "TRA",
        "1 - min(AOGM, AOGM0) / AOGM0; AOGM = AOGM-D + 1 redundant + 1.5 missing + 1 wrong edges of the tracks",
        when_undefined="the reference has no object, or reference or result has no tracks",
        over_cases=_BY_SEQUENCE,
        citation=_AOGM,
    ),
    MetricDefinition(
        "ctc_op_csb",
        "OP_CSB",
        "0.5 (SEG + DET), by which the challenge ranks segmentation",
        when_undefined="SEG or DET is",
        over_cases="mean over sequences",
        citation=_CTC,
    ),
    MetricDefinition(
        "ctc_op_ctb",
        "OP_CTB",
        "0.5 (SEG + TRA), by which the challenge ranks tracking",
        when_undefined="SEG or TRA is",
        over_cases="mean over sequences",
        citation=_CTC,
    ),
    MetricDefinition(
        "object_precision",
        "Object precision",
        "TP / (TP + FP) of objects matched one to one at an IoU above 0.5",
        when_undefined="the prediction has no object",
        over_cases=_OBJECTS_TOGETHER,
    ),
    MetricDefinition(
        "object_recall",
        "Object recall",
        "TP / (TP + FN) of objects matched one to one at an IoU above 0.5",
        when_undefined="the reference has no object",
        over_cases=_OBJECTS_TOGETHER,
    ),
    MetricDefinition(
        "object_f1",
        "Object F1 (recognition quality)",
        "2 TP / (2 TP + FP + FN) of objects matched one to one at an IoU above 0.5",
        when_undefined=_NO_OBJECT,
        over_cases=_OBJECTS_TOGETHER,
        citation=_PANOPTIC,
    ),
    MetricDefinition(
        "segmentation_quality",
        "Segmentation quality",
        "mean IoU of the objects matched at an IoU above 0.5; blind to objects missed or made up",
        when_undefined="no object is matched",
        over_cases=_OBJECTS_TOGETHER,
        citation=_PANOPTIC,
    ),
    MetricDefinition(
        "panoptic_quality",
        "Panoptic quality",
        "sum of the matches' IoUs / (TP + FP / 2 + FN / 2) at an IoU above 0.5 = segmentation quality times F1",
        when_undefined=_NO_OBJECT,
        over_cases=_OBJECTS_TOGETHER,
        citation=_PANOPTIC,
    ),
    MetricDefinition(
        "ap_dsb",
        "AP (Data Science Bowl)",
        "TP / (TP + FP + FN) of objects, mean over IoU above 0.50, 0.55, .. 0.95; no area under a curve",
        when_undefined=_NO_OBJECT,
        citation=_DSB,
    ),
    MetricDefinition(
        "ap_dsb_50",
        "AP50 (Data Science Bowl)",
        "TP / (TP + FP + FN) of objects matched at an IoU above 0.5",
        when_undefined=_NO_OBJECT,
        citation=_DSB,
    ),
    MetricDefinition(
        "ap_dsb_75",
        "AP75 (Data Science Bowl)",
        "TP / (TP + FP + FN) of objects matched at an IoU above 0.75",
        when_undefined=_NO_OBJECT,
        citation=_DSB,
    ),
    MetricDefinition(
        "coco_ap",
        "AP (COCO)",
        "area under the objects' precision-recall curve at 101 recalls, mean over IoU of at least 0.50, 0.55, .. 0.95",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_50",
        "AP50 (COCO)",
        "area under the objects' precision-recall curve at 101 recalls, at an IoU of at least 0.5",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_75",
        "AP75 (COCO)",
        "area under the objects' precision-recall curve at 101 recalls, at an IoU of at least 0.75",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_small",
        "AP small (COCO)",
        "AP (COCO) of objects up to 32^2 pixels, others ignored",
        when_undefined=_NO_OBJECT_OF_SIZE,
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_medium",
        "AP medium (COCO)",
        "AP (COCO) of objects of 32^2 to 96^2 pixels, others ignored",
        when_undefined=_NO_OBJECT_OF_SIZE,
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_large",
        "AP large (COCO)",
        "AP (COCO) of objects of 96^2 pixels and more, others ignored",
        when_undefined=_NO_OBJECT_OF_SIZE,
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_ranked",
        "AP by score (COCO)",
        "AP (COCO) with the objects in the order of their scores, mean over IoU of at least 0.50, 0.55, .. 0.95",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_50_ranked",
        "AP50 by score (COCO)",
        "AP (COCO) with the objects in the order of their scores, at an IoU of at least 0.5",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "coco_ap_75_ranked",
        "AP75 by score (COCO)",
        "AP (COCO) with the objects in the order of their scores, at an IoU of at least 0.75",
        when_undefined="the reference has no object",
        over_cases=_ONE_LIST,
        citation=_COCO,
    ),
    MetricDefinition(
        "aggregated_jaccard",
        "Aggregated Jaccard index",
        "sum of intersections / sum of unions of reference objects and their best partners, the unclaimed in the union",
        when_undefined=_NO_OBJECT,
        citation="Kumar 2017, doi 10.1109/TMI.2017.2677499",
    ),
)

_TABLE: Mapping[str, MetricDefinition] = MappingProxyType(
    {
        entry.key: entry
        for entry in (
            *_DEFINITIONS,
            *SURFACE_DEFINITIONS,
            *LESION_DEFINITIONS,
            *PROBABILITY_DEFINITIONS,
            *AGREEMENT_DEFINITIONS,
        )
    }
)


def available_metrics() -> Mapping[str, MetricDefinition]:
    """All scores by key, the summarising ones first."""
    return _TABLE


def definition_of(key: str) -> MetricDefinition:
    """What `key` means; a class after "/" is left aside.

    Raises:
        UnknownNameError: no such score.
    """
    return look_up(_TABLE, key.partition("/")[0], kind="metric")
