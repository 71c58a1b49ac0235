"""Scores of membrane maps as the ISBI 2012 challenge forms them."""

from __future__ import annotations

import numpy as np

from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.membranes import MEMBRANE_LABELS, membranes_of
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import class_presence
from medseg.evaluation.result import CaseScores
from medseg.evaluation.scores import overlap_scores, region_scores
from medseg.evaluation.task import Task
from medseg.metrics import RegionOverlap, confusion_table, region_overlap, warping_error


def score_membranes(pair: MapPair, *, options: ScoringOptions) -> CaseScores:
    """Scores of a slice, or of a stack's slices (along the first axis) together.

    Raises:
        LabelError: values other than {0, 1} or {0, 255}.
    """
    del options
    ours, theirs = (
        membranes_of(one, name=name) for one, name in zip((pair.reference, pair.prediction), pair.names, strict=True)
    )
    labels = pair.reference.labels if pair.reference.labels.values == (0, 1) else MEMBRANE_LABELS
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
        pair.case_id,
        scores,
        labels,
        confusion,
        Task.ISBI2012.value,
        {"regions": regions},
        class_presence(confusion, labels),
    )
