"""Maps as they are drawn: object numbers mean nothing to the eye, whether an object has a match does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medseg.evaluation.case_maps import CaseMaps
from medseg.evaluation.task import Task
from medseg.images import LabelMap, LabelTable, object_seams
from medseg.metrics import match, overlap_table

_OBJECTS = (Task.INSTANCES, Task.CTC)
_DRAWN_LABELS = LabelTable.from_names(("background", "matched object", "object without a match"))
_THRESHOLD = 0.5


def drawn(case: CaseMaps, *, task: Task) -> CaseMaps:
    """The maps with the classes that are painted; those of objects by whether they match at an IoU above 0.5.

    Where two objects touch, their seam is left free, so that merged and split objects can be told.
    """
    if task is Task.LESIONS:
        table = LabelTable.from_names(("background", "lesion"))
        maps = [one.replace(array=(one.array > 0).astype(np.uint8), labels=table) for one in _both(case)]
        return replace(case, reference=maps[0], prediction=maps[1])
    if task not in _OBJECTS:
        return case
    overlap = overlap_table(reference_labels=case.reference.array, prediction_labels=case.prediction.array)
    matches = match(overlap, iou_threshold=_THRESHOLD)
    parts = zip(_both(case), (matches.missed, matches.spurious), strict=True)
    maps = [one.replace(array=_painted(one.array, alone), labels=_DRAWN_LABELS) for one, alone in parts]
    return replace(case, reference=maps[0], prediction=maps[1])


def _both(case: CaseMaps) -> tuple[LabelMap, LabelMap]:
    return case.reference, case.prediction


def _painted(objects: NDArray[np.integer], alone: NDArray[np.int64]) -> NDArray[np.uint8]:
    """1 on matched objects, 2 on those without a match, 0 elsewhere and on the seams."""
    painted = np.where(np.isin(objects, alone), 2, 1).astype(np.uint8)
    painted[(objects == 0) | object_seams(objects)] = 0
    return painted
