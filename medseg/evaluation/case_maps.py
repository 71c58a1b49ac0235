"""The maps of each case as they are compared: read, in one coding, with one table, on one grid, slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.evaluation import cases as pairing
from medseg.evaluation.membranes import check_coding_can_be_told, in_medseg_coding
from medseg.evaluation.slices import check_slices, parse_slices, take_slice
from medseg.evaluation.task import Task
from medseg.images import LabelMap, LabelTable


@dataclass(frozen=True)
class CaseMaps:
    """What is compared as one case.

    Attributes:
        case_id: the case, "slice_20" for a slice of a stack.
        reference: the truth.
        prediction: the map to judge.
        pair_id: case id of the files.
        slice_number: which slice of the stack this is; None for a whole map.
    """

    case_id: str
    reference: LabelMap
    prediction: LabelMap
    pair_id: str
    slice_number: int | None = None


def case_maps(
    pairs: Sequence[pairing.CasePair],
    *,
    task: Task,
    labels: LabelTable | None = None,
    slices: str | None = None,
    wanted: Collection[str] | None = None,
) -> Iterator[CaseMaps]:
    """Read the pairs one after the other and yield their cases.

    Args:
        pairs: what to read.
        task: the slices of a stack of membranes are cases of their own.
        labels: the classes; from the maps where absent.
        slices: the slices to take, as in `medseg.evaluation.evaluate`.
        wanted: ids of the cases to yield, all where absent; files with none of them are not read.

    Raises:
        MedsegError: see `medseg.evaluation.evaluate`.
    """
    numbers = None if slices is None else parse_slices(slices)
    for pair in pairs:
        prefix = "" if len(pairs) == 1 else f"{pair.case_id}_"
        if wanted is not None and not any(one == pair.case_id or one.startswith(f"{prefix}slice_") for one in wanted):
            continue
        reference, prediction = _read(pair, task=task, labels=labels, numbers=numbers)
        is_stack = task is Task.ISBI2012 and reference.array.ndim > 2
        taken = tuple(range(reference.array.shape[0])) if numbers is None and is_stack else numbers
        if taken is None:
            yield CaseMaps(pair.case_id, reference, prediction, pair.case_id)
            continue
        for number in taken:
            case_id = f"{prefix}slice_{number:02d}"
            if wanted is None or case_id in wanted:
                slices_of_both = take_slice(reference, number), take_slice(prediction, number)
                yield CaseMaps(case_id, *slices_of_both, pair.case_id, number)


def _read(
    pair: pairing.CasePair, *, task: Task, labels: LabelTable | None, numbers: tuple[int, ...] | None
) -> tuple[LabelMap, LabelMap]:
    """Reference and prediction of a pair, checked to be comparable."""
    sources = (pair.reference, pair.prediction)
    names = (pairing.name_of(pair.reference, role="reference"), pairing.name_of(pair.prediction, role="prediction"))
    table = None if task is Task.ISBI2012 else labels
    maps = [pairing.load(source, labels=table) for source in sources]
    if task is Task.ISBI2012:
        # The coding is told from the whole file: a single slice may lack one of its two values.
        for source, one, name in zip(sources, maps, names, strict=True):
            if isinstance(source, Path):
                check_coding_can_be_told(one, name=name)
        maps = [in_medseg_coding(one, name=name, labels=labels) for one, name in zip(maps, names, strict=True)]
    elif labels is None:
        table = pairing.common_labels(reference=maps[0], prediction=maps[1], names=names)
        maps = [one.replace(labels=table) for one in maps]
    if numbers is None:
        pairing.check_grids(reference=maps[0], prediction=maps[1], names=names)
    else:
        for one, name in zip(maps, names, strict=True):
            check_slices(one, numbers, name=name)
    return maps[0], maps[1]
