"""Scores predictions against references: files, folders or maps in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from medseg.errors import LabelError
from medseg.evaluation import cases as pairing
from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.case_maps import case_maps
from medseg.evaluation.membranes import MEMBRANE_LABELS, membranes_of
from medseg.evaluation.provenance import InputRecord, Provenance, medseg_version, record_input
from medseg.evaluation.result import CaseScores, Evaluation
from medseg.evaluation.scores import overlap_scores, region_scores
from medseg.evaluation.task import Task
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.metrics import RegionOverlap, confusion_table, region_overlap
from medseg.registry import look_up


def evaluate(
    *,
    prediction: Path | LabelMap,
    reference: Path | LabelMap,
    task: str = "semantic",
    labels: LabelTable | None = None,
    slices: str | None = None,
) -> Evaluation:
    """Scores of predictions against their references.

    Two folders are paired by file name without suffix; the results of `medseg batch` by the names of its cases. For
    `isbi2012` a stack is scored slice by slice: its cases are called `slice_20` and so on, and its files may hold
    {0, 255}, the challenge's coding (0 is membrane), or {0, 1}, medseg's (1 is membrane).

    Args:
        prediction: label map, its file, or a folder of such files.
        reference: the same of the truth.
        task: "semantic" or "isbi2012".
        labels: the classes; from the maps where absent.
        slices: slices along the first axis of stacks, "20-23" or "0,5,20-23", from 0; all where absent.

    Raises:
        InputError: paths, slices or the task's name are wrong, or a reference has no prediction.
        ImageFormatError: a file cannot be read.
        GeometryError: prediction and reference do not lie on one grid.
        LabelError: values outside the classes, or a coding that cannot be told.
    """
    task = Task.of(task)
    pairs, notes = pairing.find_pairs(reference=_as_source(reference), prediction=_as_source(prediction))
    scored = [
        score_pair(reference=case.reference, prediction=case.prediction, task=task, case_id=case.case_id)
        for case in case_maps(pairs, task=task, labels=labels, slices=slices)
    ]
    provenance = Provenance(medseg_version(), tuple(_records(pairs)), slices)
    return aggregate(scored, notes=notes, provenance=provenance)


def score_pair(*, prediction: LabelMap, reference: LabelMap, task: str = "semantic", case_id: str) -> CaseScores:
    """Scores of one case in memory; its classes are those of the reference's table.

    Args:
        prediction: the map to judge.
        reference: the truth.
        task: "semantic" or "isbi2012" (a stack's slices, along the first axis, are then taken together).
        case_id: the case.

    Raises:
        GeometryError: they do not lie on one grid.
        LabelError: values that are not in the table.
        UnknownNameError: no such task.
    """
    names = (
        f"reference of case {case_id!r} ({pairing.name_of(reference, role='reference')})",
        f"prediction of case {case_id!r} ({pairing.name_of(prediction, role='prediction')})",
    )
    pairing.check_grids(reference=reference, prediction=prediction, names=names)
    return look_up(_SCORERS, task, kind="task")(reference, prediction, case_id, names)


def _score_semantic(reference: LabelMap, prediction: LabelMap, case_id: str, names: tuple[str, str]) -> CaseScores:
    labels = reference.labels
    try:
        confusion = confusion_table(reference=reference.array, prediction=prediction.array, class_values=labels.values)
    except LabelError:
        # The slower check knows the file and the names of the classes.
        for label_map, name in ((reference, names[0]), (prediction, names[1])):
            label_map.replace(labels=labels, kind=LabelKind.SEMANTIC).check_values(name=name)
        raise
    has_volume = reference.array.ndim == 3 and reference.metadata.spacing_is_known
    volume = reference.grid.voxel_volume_mm3 if has_volume else None
    scores = overlap_scores(confusion.counts, labels, voxel_volume_mm3=volume)
    return CaseScores(case_id, scores, labels, confusion)


def _score_membranes(reference: LabelMap, prediction: LabelMap, case_id: str, names: tuple[str, str]) -> CaseScores:
    ours, theirs = membranes_of(reference, name=names[0]), membranes_of(prediction, name=names[1])
    labels = reference.labels if reference.labels.values == (0, 1) else MEMBRANE_LABELS
    confusion = confusion_table(
        reference=ours.view(np.uint8), prediction=theirs.view(np.uint8), class_values=labels.values
    )
    stack = (-1, *ours.shape[-2:])
    parts = [
        region_overlap(reference_cells=~one, prediction_cells=~other)
        for one, other in zip(ours.reshape(stack), theirs.reshape(stack), strict=True)
    ]
    regions: RegionOverlap = sum(parts[1:], start=parts[0])
    scores = {**region_scores(regions), **overlap_scores(confusion.counts, labels)}
    return CaseScores(case_id, scores, labels, confusion, regions)


_SCORERS: Mapping[str, Callable[[LabelMap, LabelMap, str, tuple[str, str]], CaseScores]] = MappingProxyType(
    {Task.SEMANTIC.value: _score_semantic, Task.ISBI2012.value: _score_membranes}
)


def _as_source(source: str | Path | LabelMap) -> Path | LabelMap:
    return source if isinstance(source, LabelMap) else Path(source)


def _records(pairs: Sequence[pairing.CasePair]) -> list[InputRecord]:
    return [
        record_input(source, role=role)
        for pair in pairs
        for role, source in (("reference", pair.reference), ("prediction", pair.prediction))
        if isinstance(source, Path)
    ]
