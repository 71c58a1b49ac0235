"""Scores of membrane maps as the ISBI 2012 challenge forms them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.evaluation.membranes import MEMBRANE_LABELS, membranes_of
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import class_presence
from medseg.evaluation.result import CaseScores
from medseg.evaluation.scores import overlap_scores, region_scores
from medseg.evaluation.task import Task
from medseg.images import LabelMap
from medseg.metrics import RegionOverlap, confusion_table, region_overlap, warping_error


def score_membranes(
    reference: LabelMap,
    prediction: LabelMap,
    *,
    case_id: str,
    names: tuple[str, str],
    options: ScoringOptions,
    confidence: NDArray[np.floating] | None = None,
) -> CaseScores:
    """Scores of a slice, or of a stack's slices (along the first axis) together.

    Raises:
        LabelError: values other than {0, 1} or {0, 255}.
    """
    del options, confidence
    ours, theirs = membranes_of(reference, name=names[0]), membranes_of(prediction, name=names[1])
    labels = reference.labels if reference.labels.values == (0, 1) else MEMBRANE_LABELS
    confusion = confusion_table(
        reference=ours.view(np.uint8), prediction=theirs.view(np.uint8), class_values=labels.values
    )
    stack = (-1, *ours.shape[-2:])
    slices = [(~one, ~other) for one, other in zip(ours.reshape(stack), theirs.reshape(stack), strict=True)]
    parts = [region_overlap(reference_cells=one, prediction_cells=other) for one, other in slices]
    regions: RegionOverlap = sum(parts[1:], start=parts[0])
    # Slices are of one size, so the mean of their shares is the share of all.
    warping = float(np.mean([warping_error(reference_cells=one, prediction_cells=other) for one, other in slices]))
    scores = {**region_scores(regions), "warping_error": warping, **overlap_scores(confusion.counts, labels)}
    return CaseScores(
        case_id,
        scores,
        labels,
        confusion,
        Task.ISBI2012.value,
        {"regions": regions},
        class_presence(confusion, labels),
    )
