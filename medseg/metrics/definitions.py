"""What each score means, in words: name, range, direction, unit, and when it is undefined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from medseg.registry import look_up


class Direction(StrEnum):
    """Which way a score improves."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    ZERO = "zero is best"


@dataclass(frozen=True)
class MetricDefinition:
    """What a score means.

    Attributes:
        key: name in results; scores of a class append "/" and the class.
        name: name for people.
        meaning: what is measured, with its formula.
        unit: unit; "1" for pure numbers.
        value_range: smallest and largest value in words, "0 to 1".
        direction: which way it improves.
        when_undefined: when the value is nan (null in JSON), in words.
        over_cases: how the value of several cases comes about.
        citation: paper with DOI; empty for elementary ratios.
    """

    key: str
    name: str
    meaning: str
    unit: str = "1"
    value_range: str = "0 to 1"
    direction: Direction = Direction.HIGHER
    when_undefined: str = "never"
    over_cases: str = "mean over the cases where it is defined"
    citation: str = ""


_FCN = "Long 2015, doi 10.1109/CVPR.2015.7298965"
_CHALLENGE = "Arganda-Carreras 2015, doi 10.3389/fnana.2015.00142"
_NO_VOXEL = "no voxel was counted"
_ABSENT = "the class is in neither reference nor prediction"
_NO_CELL = "the reference has no cell pixel"
_JOINED = "pixel pairs summed over slices, then one ratio (as the challenge does)"
_CTC = "Maska 2023, doi 10.1038/s41592-023-01879-y"
_AOGM = "Matula 2015, doi 10.1371/journal.pone.0144959"
_BY_SEQUENCE = "objects of all frames of a sequence together, then one ratio; mean over sequences"

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
)

_TABLE: Mapping[str, MetricDefinition] = MappingProxyType({entry.key: entry for entry in _DEFINITIONS})


def available_metrics() -> Mapping[str, MetricDefinition]:
    """All scores by key, the summarising ones first."""
    return _TABLE


def definition_of(key: str) -> MetricDefinition:
    """What `key` means; a class after "/" is left aside.

    Raises:
        UnknownNameError: no such score.
    """
    return look_up(_TABLE, key.partition("/")[0], kind="metric")
