"""The maps of each case as they are compared: read, in one coding, with one table, on one grid, slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.evaluation import cases as pairing
from medseg.evaluation.membranes import check_coding_can_be_told, in_medseg_coding
from medseg.evaluation.object_scores import load_object_scores
from medseg.evaluation.probability_files import load_probabilities
from medseg.evaluation.slices import check_slices, parse_slices, take_slice
from medseg.evaluation.task import Task
from medseg.images import LabelKind, LabelMap, LabelTable


@dataclass(frozen=True)
class CaseMaps:
    """What is compared as one case.

    Attributes:
        case_id: the case, "slice_20" for a slice of a stack.
        reference: the truth.
        prediction: the map to judge.
        pair_id: case id of the files.
        slice_number: which slice of the stack this is; None for a whole map.
        note: what was done to make the maps comparable; empty where nothing was.
        confidence: of each voxel, where the prediction is a detection map (lesions); `prediction` is where it is
            above 0.
        probabilities: (K, *spatial) of the prediction, one channel a class; None where none are judged.
        object_scores: number of a predicted object -> its confidence; None where not given.
    """

    case_id: str
    reference: LabelMap
    prediction: LabelMap
    pair_id: str
    slice_number: int | None = None
    note: str = ""
    confidence: NDArray[np.floating] | None = None
    probabilities: NDArray[np.floating] | None = None
    object_scores: Mapping[int, float] | None = None


def case_maps(
    pairs: Sequence[pairing.CasePair],
    *,
    task: Task,
    labels: LabelTable | None = None,
    slices: str | None = None,
    resample: bool = False,
    wanted: Collection[str] | None = None,
) -> Iterator[CaseMaps]:
    """Read the pairs one after the other and yield their cases.

    Args:
        pairs: what to read.
        task: the slices of a stack of membranes are cases of their own.
        labels: the classes; from the maps where absent.
        slices: the slices to take, as in `medseg.evaluation.evaluate`.
        resample: whether a prediction on another grid is brought to the reference's, not refused.
        wanted: ids of the cases to yield, all where absent; files with none of them are not read.

    Raises:
        MedsegError: see `medseg.evaluation.evaluate`.
    """
    numbers = None if slices is None else parse_slices(slices)
    for pair in pairs:
        prefix = "" if len(pairs) == 1 else f"{pair.case_id}_"
        if wanted is not None and not any(one == pair.case_id or one.startswith(f"{prefix}slice_") for one in wanted):
            continue
        # Nothing here holds a pair while the next is read: a thousand volumes need the memory of one.
        yield from _cases_of(
            _read(pair, task=task, labels=labels, numbers=numbers, resample=resample),
            numbers=() if numbers is None and task is Task.ISBI2012 else numbers,
            prefix=prefix,
            wanted=wanted,
        )


def _cases_of(
    whole: CaseMaps, *, numbers: tuple[int, ...] | None, prefix: str, wanted: Collection[str] | None
) -> Iterator[CaseMaps]:
    """The pair as one case, or its slices as cases of their own."""
    if numbers is None or (not numbers and whole.reference.array.ndim < 3):
        yield whole
        return
    for number in numbers or range(whole.reference.array.shape[0]):
        case_id = f"{prefix}slice_{number:02d}"
        if wanted is None or case_id in wanted:
            yield replace(
                whole,
                case_id=case_id,
                reference=take_slice(whole.reference, number),
                prediction=take_slice(whole.prediction, number),
                slice_number=number,
                confidence=None if whole.confidence is None else whole.confidence[number],
                probabilities=None if whole.probabilities is None else whole.probabilities[:, number],
            )


def _read(
    pair: pairing.CasePair, *, task: Task, labels: LabelTable | None, numbers: tuple[int, ...] | None, resample: bool
) -> CaseMaps:
    """The maps of a pair, and its probabilities and scores where they are judged."""
    maps = _read_maps(pair, task=task, labels=labels, numbers=numbers, resample=resample)
    if pair.object_scores is not None:
        maps = replace(maps, object_scores=load_object_scores(pair.object_scores))
    if pair.probabilities is None:
        return maps
    found = load_probabilities(
        pair.probabilities, reference=maps.reference, reference_source=pair.reference, numbers=numbers
    )
    return replace(maps, probabilities=found)


def _read_maps(
    pair: pairing.CasePair, *, task: Task, labels: LabelTable | None, numbers: tuple[int, ...] | None, resample: bool
) -> CaseMaps:
    """Reference and prediction of a pair, made and checked to be comparable."""
    sources = (pair.reference, pair.prediction)
    names = (pairing.name_of(pair.reference, role="reference"), pairing.name_of(pair.prediction, role="prediction"))
    table = None if task is Task.ISBI2012 else labels
    kind = LabelKind.INSTANCES if task is Task.INSTANCES else LabelKind.SEMANTIC
    if task is Task.LESIONS:
        return _read_lesions(pair, names=names, numbers=numbers, resample=resample)
    maps = [pairing.load(source, labels=table, kind=kind) for source in sources]
    if task is Task.ISBI2012:
        # The coding is told from the whole file: a single slice may lack one of its two values.
        for source, one, name in zip(sources, maps, names, strict=True):
            if isinstance(source, Path):
                check_coding_can_be_told(one, name=name)
        maps = [in_medseg_coding(one, name=name, labels=labels) for one, name in zip(maps, names, strict=True)]
    elif labels is None and kind is LabelKind.SEMANTIC:
        table = pairing.common_labels(reference=maps[0], prediction=maps[1], names=names)
        maps = [one.replace(labels=table) for one in maps]
    note = ""
    if resample:
        maps[1], note = pairing.brought_to(maps[1], reference=maps[0], name=names[1])
    _check(maps[0], maps[1], names=names, numbers=numbers)
    return CaseMaps(pair.case_id, maps[0], maps[1], pair.case_id, note=note)


def _read_lesions(
    pair: pairing.CasePair, *, names: tuple[str, str], numbers: tuple[int, ...] | None, resample: bool
) -> CaseMaps:
    """A pair in which every value but 0 is lesion, and the prediction may be a detection map of confidences."""
    reference = pairing.load(pair.reference, labels=None)
    prediction, confidence = pairing.load_detection(pair.prediction)
    note = ""
    if resample and confidence is None:
        prediction, note = pairing.brought_to(prediction, reference=reference, name=names[1])
    if confidence is not None or int(prediction.array.max()) > 1:
        note = " ".join(filter(None, (note, "Values of predictions are taken as confidences of lesions.")))
    _check(reference, prediction, names=names, numbers=numbers)
    return CaseMaps(pair.case_id, reference, prediction, pair.case_id, note=note, confidence=confidence)


def _check(
    reference: LabelMap, prediction: LabelMap, *, names: tuple[str, str], numbers: tuple[int, ...] | None
) -> None:
    """Pass when both lie on one grid, or both hold the slices that are asked for."""
    if numbers is None:
        pairing.check_grids(reference=reference, prediction=prediction, names=names)
        return
    for one, name in zip((reference, prediction), names, strict=True):
        check_slices(one, numbers, name=name)
