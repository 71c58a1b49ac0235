"""What the scores of lesions mean (`medseg.metrics.lesion_scores`)."""

from __future__ import annotations

from medseg.metrics.metric_definition import MetricDefinition

_POOLED = "lesions and candidates of all cases together, then one ratio"
_RULE = "lesion and candidate are partners one to one from IoU 0.1 on; further candidates on a found lesion are ignored"
_NO_LESION = "there is no lesion"
_PI_CAI = "Saha 2024, doi 10.1016/S1470-2045(24)00220-1"

LESION_DEFINITIONS = (
    MetricDefinition(
        "lesion_recall",
        "Lesion recall (sensitivity)",
        f"TP / (TP + FN) of lesions; {_RULE}",
        when_undefined=_NO_LESION,
        over_cases=_POOLED,
        citation=_PI_CAI,
    ),
    MetricDefinition(
        "lesion_precision",
        "Lesion precision",
        f"TP / (TP + FP) of lesions; {_RULE}",
        when_undefined="no lesion is found and no candidate is false",
        over_cases=_POOLED,
        citation=_PI_CAI,
    ),
    MetricDefinition(
        "lesion_f1",
        "Lesion F1",
        f"2 TP / (2 TP + FP + FN) of lesions; {_RULE}",
        when_undefined="there is no lesion and no false candidate",
        over_cases=_POOLED,
        citation=_PI_CAI,
    ),
    MetricDefinition(
        "lesion_ap",
        "Lesion AP",
        "area under the steps of precision over recall of all candidates by confidence; missed lesions stay missed at "
        f"every threshold; {_RULE}",
        when_undefined=_NO_LESION,
        over_cases="candidates of all cases in one list",
        citation=_PI_CAI,
    ),
    MetricDefinition(
        "lesion_froc",
        "FROC score",
        "mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false candidates a case, read from the steps of the curve",
        when_undefined=_NO_LESION,
        over_cases="candidates of all cases in one list",
        citation="Setio 2017, doi 10.1016/j.media.2017.06.015",
    ),
    MetricDefinition(
        "case_auroc",
        "Case AUROC",
        "chance that a case with lesions has a more certain candidate than one without; ties count half, and cases "
        "without candidates have confidence 0",
        when_undefined="all cases have lesions, or none has",
        over_cases="one value over all cases",
        citation="Hanley 1982, doi 10.1148/radiology.143.1.7063747",
    ),
    MetricDefinition(
        "lesion_wise_dice",
        "Lesion-wise Dice",
        "mean over lesions of their Dice with all candidates that touch them, and a 0 for each that touches none",
        when_undefined="there is no lesion and no candidate that touches none",
        over_cases="lesions and candidates of all cases together, then one mean",
        citation="after Moawad 2023, doi 10.48550/arXiv.2306.00838, without its dilation",
    ),
    MetricDefinition(
        "lesion_sensitivity_by_size",
        "Lesion sensitivity by size",
        f"TP / (TP + FN) of the reference's lesions of a band of volumes; {_RULE}",
        when_undefined="there is no lesion of that size",
        over_cases=_POOLED,
        citation=_PI_CAI,
    ),
)
"""One entry a score."""
