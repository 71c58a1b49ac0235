"""Scores predictions against references: files, folders or maps in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.evaluation import cases as pairing
from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.calibration_scores import with_calibration
from medseg.evaluation.case_maps import CaseMaps, case_maps
from medseg.evaluation.ctc_evaluation import evaluate_sequences
from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.object_scores import with_object_scores
from medseg.evaluation.options import ScoringOptions, check_choices
from medseg.evaluation.probability_files import with_probabilities
from medseg.evaluation.provenance import InputRecord, Provenance, medseg_version, record_input
from medseg.evaluation.result import CaseScores, Evaluation
from medseg.evaluation.scheme import SCHEMES
from medseg.evaluation.task import Task
from medseg.images import LabelMap, LabelTable
from medseg.registry import look_up


def evaluate(  # noqa: PLR0913 - the settings of one call
    *,
    prediction: Path | LabelMap,
    reference: Path | LabelMap,
    task: str = "semantic",
    probabilities: Path | None = None,
    object_scores: Path | None = None,
    labels: LabelTable | None = None,
    slices: str | None = None,
    patients: Mapping[str, str] | None = None,
    options: ScoringOptions | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Scores of predictions against their references.

    Two folders are paired by file name without suffix; the results of `medseg batch` by the names of its cases. For
    `isbi2012` a stack is scored slice by slice: its cases are called `slice_20` and so on, and its files may hold
    {0, 255}, the challenge's coding (0 is membrane), or {0, 1}, medseg's (1 is membrane). For `ctc` both are folders
    in the challenge's layout. One pair of files is in memory at a time.

    Args:
        prediction: label map, its file, or a folder of such files.
        reference: the same of the truth.
        task: "semantic", "instances", "lesions", "isbi2012" or "ctc".
        probabilities: file of the prediction's class probabilities, or folder of such files named like the references:
            adds Brier score and calibration (semantic, lesions).
        object_scores: table of the predicted objects' scores, or folder of such tables: adds AP by score (instances).
        labels: the classes; from the maps where absent.
        slices: slices along the first axis of stacks, "20-23" or "0,5,20-23", from 0; all where absent.
        patients: case id -> patient, for confidence intervals; where absent, each file is a patient of its own.
        options: how maps are scored; as in `ScoringOptions()` where absent.
        progress: called with the share of the references that are scored, 0 to 1, after each; never for `ctc`.

    Raises:
        InputError: paths, slices or the task's name are wrong, a reference has no prediction, a case no patient, or a
            choice means nothing to the task.
        ImageFormatError: a file cannot be read.
        GeometryError: prediction and reference do not lie on one grid.
        LabelError: values outside the classes, or a coding that cannot be told.
    """
    task = Task.of(task)
    options = options or ScoringOptions()
    files = {"probabilities": probabilities, "scores": object_scores}
    chosen = {"labels": labels, "slices": slices, "patients": patients, **files}
    check_choices(task, {**asdict(options), **chosen, "no_surfaces": not options.surfaces})
    if task is Task.CTC:
        return evaluate_sequences(reference=reference, prediction=prediction, options=options)
    pairs, notes = pairing.find_pairs(reference=_as_source(reference), prediction=_as_source(prediction))
    if probabilities is not None:
        pairs = with_probabilities(pairs, Path(probabilities))
    if object_scores is not None:
        pairs = with_object_scores(pairs, Path(object_scores))
    _check_patients(patients, pairs)
    about_cases: list[str] = []
    maps = case_maps(pairs, task=task, labels=labels, slices=slices, resample=options.resample)
    tell = _teller(progress, pairs)
    scored = list(_scored(maps, task=task, options=options, patients=patients, notes=about_cases, tell=tell))
    provenance = Provenance(medseg_version(), tuple(_records(pairs)), slices, asdict(options))
    return aggregate(
        scored,
        notes=(*notes, *dict.fromkeys(about_cases)),
        provenance=provenance,
        replicates=options.replicates,
        seed=options.seed,
    )


def score_pair(
    *,
    prediction: LabelMap,
    reference: LabelMap,
    task: str = "semantic",
    case_id: str,
    confidence: NDArray[np.floating] | None = None,
    object_scores: Mapping[int, float] | None = None,
    options: ScoringOptions | None = None,
) -> CaseScores:
    """Scores of one case in memory; its classes are those of the reference's table.

    Args:
        prediction: the map to judge.
        reference: the truth.
        task: as in `evaluate`, but for "ctc" (for isbi2012 a stack's slices, along the first axis, are taken together).
        case_id: the case.
        confidence: of each voxel, where the prediction of lesions is a detection map.
        object_scores: number of a predicted object -> its confidence: adds AP by score (instances).
        options: how maps are scored; where absent, without surfaces, which training has no time for.

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
    scheme = look_up(SCHEMES, task, kind="task")
    pair = MapPair(case_id, reference, prediction, names, confidence, object_scores)
    return scheme.score(pair, options=options or ScoringOptions(surfaces=False))


def _scored(
    maps: Iterator[CaseMaps],
    *,
    task: Task,
    options: ScoringOptions,
    patients: Mapping[str, str] | None,
    notes: list[str],
    tell: Callable[[str], None],
) -> Iterator[CaseScores]:
    """Scores of the cases, one pair of maps in memory at a time; what was done to them is added to `notes`.

    `tell` is called with the pair of each case that is scored.
    """
    while (case := next(maps, None)) is not None:
        scores = score_pair(
            reference=case.reference,
            prediction=case.prediction,
            task=task,
            case_id=case.case_id,
            confidence=case.confidence,
            object_scores=case.object_scores,
            options=options,
        )
        if case.probabilities is not None:
            scores, left_out = with_calibration(
                scores,
                reference=case.reference,
                probabilities=case.probabilities,
                name=f"probabilities of case {case.case_id!r}",
            )
            notes += [left_out] if left_out else []
        if case.note:
            notes.append(case.note)
        # The slices of a stack are one patient's.
        patient = case.pair_id if patients is None else patients[case.pair_id]
        tell(case.pair_id)
        del case  # before the next pair is read
        yield replace(scores, patient=patient)


def _teller(progress: Callable[[float], None] | None, pairs: Sequence[pairing.CasePair]) -> Callable[[str], None]:
    """What is called with the name of a pair that was scored; they come in the order of `pairs`."""
    places = {pair.case_id: number for number, pair in enumerate(pairs, start=1)}

    def tell(pair_id: str) -> None:
        if progress is not None:
            progress(places[pair_id] / len(pairs))

    return tell


def _check_patients(patients: Mapping[str, str] | None, pairs: Sequence[pairing.CasePair]) -> None:
    lacking = [] if patients is None else [pair.case_id for pair in pairs if pair.case_id not in patients]
    if lacking:
        listed = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        message = f"patients: expected a patient for each case, got none for {listed}. Add them to the table."
        raise InputError(message)


def _as_source(source: str | Path | LabelMap) -> Path | LabelMap:
    return source if isinstance(source, LabelMap) else Path(source)


def _records(pairs: Sequence[pairing.CasePair]) -> list[InputRecord]:
    return [
        record_input(source, role=role)
        for pair in pairs
        for role, source in (
            ("reference", pair.reference),
            ("prediction", pair.prediction),
            ("probabilities", pair.probabilities),
            ("scores", pair.object_scores),
        )
        if isinstance(source, Path)
    ]
