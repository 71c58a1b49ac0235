"""Sequences of the Cell Tracking Challenge as an evaluation: scores over sequences, and each frame as a case."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from medseg.errors import InputError
from medseg.evaluation.aggregate import aggregate
from medseg.evaluation.case_maps import CaseMaps
from medseg.evaluation.ctc import FrameScores, SequenceScores, evaluate_ctc
from medseg.evaluation.ctc_layout import CtcSequence, find_sequences
from medseg.evaluation.instances import OBJECT_LABELS
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import Presence
from medseg.evaluation.provenance import InputRecord, Provenance, medseg_version, record_input
from medseg.evaluation.result import CaseScores, Evaluation
from medseg.evaluation.task import Task
from medseg.images import LabelKind, LabelMap
from medseg.io import read_label_map


def evaluate_sequences(
    *, reference: Path | LabelMap, prediction: Path | LabelMap, options: ScoringOptions
) -> Evaluation:
    """SEG, DET and TRA of the sequences in two folders; the cases are their frames.

    Raises:
        InputError: not the challenge's layout, a frame without mask, or tracks that contradict the masks.
        ImageFormatError: a file cannot be read.
        GeometryError: a mask has not its reference's size.
    """
    if isinstance(reference, LabelMap) or isinstance(prediction, LabelMap):
        message = "task ctc: expected two folders of the challenge's layout (01_GT and 01_RES), got maps in memory."
        raise InputError(message)
    reference, prediction = Path(reference), Path(prediction)
    sequences = evaluate_ctc(reference=reference, prediction=prediction, border_pixels=options.border_pixels)
    over_sequences = aggregate(
        [_sequence_as_case(sequence) for sequence in sequences],
        notes=[note for sequence in sequences for note in sequence.notes],
        provenance=Provenance(
            medseg_version(),
            tuple(_records(find_sequences(reference=reference, prediction=prediction))),
            options=asdict(options),
        ),
        replicates=options.replicates,
        seed=options.seed,
    )
    frames = tuple(
        _frame_as_case(frame, sequence.sequence_id, several=len(sequences) > 1)
        for sequence in sequences
        for frame in sequence.frames
    )
    how = (
        f"Scores are formed over all frames of each of {len(sequences)} sequence(s), as the challenge does; the cases "
        "below are single frames."
    )
    return dataclasses.replace(
        over_sequences, cases=frames, sequences=over_sequences.cases, notes=(how, *over_sequences.notes)
    )


def frame_maps(*, reference: Path, prediction: Path, wanted: Collection[str]) -> Iterator[CaseMaps]:
    """The masks of the wanted frames, to be drawn: the reference's segmentation, or its markers where it has none.

    Raises:
        MedsegError: see `evaluate_sequences`.
    """
    sequences = find_sequences(reference=reference, prediction=prediction)
    for sequence in sequences:
        whole = {frame: path for (frame, place), path in sequence.segmentation.items() if place is None}
        references = {**sequence.markers, **whole}
        for frame, path in sorted(references.items()):
            case_id = frame_case_id(sequence.sequence_id, frame, several=len(sequences) > 1)
            if case_id in wanted:
                maps = [read_label_map(one, kind=LabelKind.INSTANCES) for one in (path, sequence.masks[frame])]
                yield CaseMaps(case_id, maps[0], maps[1], case_id)


def frame_case_id(sequence_id: str, frame: int, *, several: bool) -> str:
    """What a frame is called among the cases: "t007", or "01_t007" where there are several sequences."""
    return f"{sequence_id}_t{frame:03d}" if several else f"t{frame:03d}"


def _sequence_as_case(sequence: SequenceScores) -> CaseScores:
    return CaseScores(sequence.sequence_id, sequence.scores, OBJECT_LABELS, task=Task.CTC.value)


def _frame_as_case(frame: FrameScores, sequence_id: str, *, several: bool) -> CaseScores:
    counts = {"segmentation": frame.segmentation, "detection": frame.detection}
    presence = {}
    if frame.detection is not None:
        both = Presence.of(reference=frame.detection.objects, prediction=frame.detection.predictions)
        presence["object"] = both
    return CaseScores(
        frame_case_id(sequence_id, frame.frame, several=several),
        frame.scores,
        OBJECT_LABELS,
        task=Task.CTC.value,
        statistics={name: value for name, value in counts.items() if value is not None},
        presence=presence,
        patient=sequence_id,
    )


def _records(sequences: tuple[CtcSequence, ...]) -> list[InputRecord]:
    records = []
    for sequence in sequences:
        tracks = (("reference", sequence.reference_tracks), ("prediction", sequence.prediction_tracks))
        files = [
            *(("reference", path) for path in (*sequence.segmentation.values(), *sequence.markers.values())),
            *(("prediction", path) for path in sequence.masks.values()),
            *((role, path) for role, path in tracks if path is not None),
        ]
        records += [record_input(path, role=role) for role, path in files]
    return records
