"""Scores predictions against references: files, folders or maps in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np

from medseg.errors import LabelError
from medseg.evaluation import cases as pairing
from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.provenance import InputRecord, Provenance, medseg_version, record_input
from medseg.evaluation.result import CaseScores, Evaluation
from medseg.evaluation.scores import overlap_scores, region_scores
from medseg.evaluation.slices import check_slices, parse_slices, take_slice
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.metrics import RegionOverlap, confusion_table, region_overlap
from medseg.registry import look_up

MEMBRANE_LABELS = LabelTable.from_names(("cell", "membrane"))
"""Classes of a membrane map in medseg: 0 is cell, 1 is membrane."""


class Task(StrEnum):
    """What the label maps mean, and so which scores they get."""

    SEMANTIC = "semantic"
    """A class for each voxel."""
    ISBI2012 = "isbi2012"
    """Cells and membranes of the ISBI 2012 challenge; V_rand and V_info beside the overlap scores."""


def evaluate(
    *,
    prediction: Path | LabelMap,
    reference: Path | LabelMap,
    task: str = "semantic",
    labels: LabelTable | None = None,
    slices: str | None = None,
) -> Evaluation:
    """Scores of predictions against their references.

    Two folders are paired by file name without suffix. For `isbi2012` a stack is scored slice by slice: its cases are
    called `slice_20` and so on, and its files may hold {0, 255}, the challenge's coding (0 is membrane), or {0, 1},
    medseg's (1 is membrane).

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
    task = Task(look_up({member.value: member.value for member in Task}, task, kind="task"))
    pairs, notes = pairing.find_pairs(reference=_as_source(reference), prediction=_as_source(prediction))
    numbers = None if slices is None else parse_slices(slices)
    scored: list[CaseScores] = []
    for pair in pairs:
        scored += _score_files(pair, task=task, labels=labels, numbers=numbers, alone=len(pairs) == 1)
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
    ours, theirs = _membranes(reference, name=names[0]), _membranes(prediction, name=names[1])
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


def _score_files(
    pair: pairing.CasePair,
    *,
    task: Task,
    labels: LabelTable | None,
    numbers: tuple[int, ...] | None,
    alone: bool,
) -> list[CaseScores]:
    """Scores of one pair: one case, or one for each slice."""
    names = (pairing.name_of(pair.reference, role="reference"), pairing.name_of(pair.prediction, role="prediction"))
    table = None if task is Task.ISBI2012 else labels
    maps = [pairing.load(source, labels=table) for source in (pair.reference, pair.prediction)]
    if task is Task.ISBI2012:
        # The coding is told from the whole file: a single slice may lack one of its two values.
        for source, one, name in zip((pair.reference, pair.prediction), maps, names, strict=True):
            if isinstance(source, Path):
                _check_coding_can_be_told(one, name=name)
        maps = [_in_medseg_coding(one, name=name, labels=labels) for one, name in zip(maps, names, strict=True)]
    elif labels is None:
        table = pairing.common_labels(reference=maps[0], prediction=maps[1], names=names)
        maps = [one.replace(labels=table) for one in maps]
    if numbers is not None:
        for one, name in zip(maps, names, strict=True):
            check_slices(one, numbers, name=name)
    if numbers is None and (task is Task.SEMANTIC or maps[0].array.ndim == 2):
        pairing.check_grids(reference=maps[0], prediction=maps[1], names=names)
        return [score_pair(reference=maps[0], prediction=maps[1], task=task, case_id=pair.case_id)]
    if numbers is None:
        pairing.check_grids(reference=maps[0], prediction=maps[1], names=names)
        numbers = tuple(range(maps[0].array.shape[0]))
    prefix = "" if alone else f"{pair.case_id}_"
    return [
        score_pair(
            reference=take_slice(maps[0], number),
            prediction=take_slice(maps[1], number),
            task=task,
            case_id=f"{prefix}slice_{number:02d}",
        )
        for number in numbers
    ]


def _check_coding_can_be_told(label_map: LabelMap, *, name: str) -> None:
    """Pass unless a file holds zeros only, which mean membrane in one coding and cell in the other.

    Raises:
        LabelError: it does.
    """
    if not label_map.array.any():
        message = (
            f"{name}: all pixels are 0, which is membrane in the challenge's coding (0, 255) and cell in medseg's "
            "(0, 1). Write the map in a coding that can be told."
        )
        raise LabelError(message)


def _in_medseg_coding(label_map: LabelMap, *, name: str, labels: LabelTable | None) -> LabelMap:
    """The map with 0 for cell and 1 for membrane, from either coding.

    Raises:
        LabelError: other values.
    """
    membranes = _membranes(label_map, name=name)
    table = labels if labels is not None and labels.values == (0, 1) else MEMBRANE_LABELS
    return label_map.replace(array=membranes.astype(np.uint8), labels=table)


def _membranes(label_map: LabelMap, *, name: str) -> np.ndarray:
    """True on membrane.

    Raises:
        LabelError: values other than {0, 1} or {0, 255}.
    """
    array = label_map.array
    highest = int(array.max())
    if highest <= 1:
        return np.ascontiguousarray(array == 1)
    if highest == 255 and np.count_nonzero(array == 255) + np.count_nonzero(array == 0) == array.size:
        return np.ascontiguousarray(array == 0)
    found = [int(value) for value in np.unique(array)]
    shown = ", ".join(str(value) for value in found[:5]) + (", ..." if len(found) > 5 else "")
    message = (
        f"{name}: expected membranes as 0 and 255 (0 is membrane) or as 0 and 1 (1 is membrane), got {shown}. "
        "Threshold the map first."
    )
    raise LabelError(message)


def _as_source(source: str | Path | LabelMap) -> Path | LabelMap:
    return source if isinstance(source, LabelMap) else Path(source)


def _records(pairs: Sequence[pairing.CasePair]) -> list[InputRecord]:
    return [
        record_input(source, role=role)
        for pair in pairs
        for role, source in (("reference", pair.reference), ("prediction", pair.prediction))
        if isinstance(source, Path)
    ]
