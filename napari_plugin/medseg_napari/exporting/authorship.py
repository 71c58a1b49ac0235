"""Who or what made each object and each class, as DICOM objects state it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from medseg.io.dicom import AlgorithmIdentity, SegmentOrigin
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.review.records import AlgorithmType, MadeBy, ObjectRecord, ObjectState

_VERSION_NOT_STATED = "not stated"


def object_origins(subject: ExportSubject) -> dict[int, SegmentOrigin]:
    """Number of the object -> who or what made it."""
    origins: dict[int, SegmentOrigin] = {}
    for number in subject.ids:
        record = subject.review.table.record(number)
        origins[number] = SegmentOrigin(
            record.algorithm_type.value,
            identity(subject, record.made_by),
            description=_history(record),
            tracking_id=f"{record.class_name} {number}",
        )
    return origins


def class_origins(subject: ExportSubject) -> dict[int, SegmentOrigin]:
    """Value of the class -> who or what made the segment.

    A class from which a person took objects is no longer the model's alone, even where those that are left are.
    """
    kept = set(subject.ids)
    origins: dict[int, SegmentOrigin] = {}
    for label in subject.table.foreground:
        known = {n: one for n, one in subject.review.audit.objects.items() if one.class_name == label.name}
        if not known:
            continue
        present = [one for number, one in known.items() if number in kept]
        gone = [one for number, one in known.items() if number not in kept and not one.is_drawn]
        makers = {one.made_by for one in (*present, *gone) if one.made_by is not None}
        made_by = makers.pop() if len(makers) == 1 else None
        origins[label.value] = SegmentOrigin(
            _common_type(present, is_reduced=bool(gone)).value,
            identity(subject, made_by),
            description=_counts(present, gone),
        )
    return origins


def identity(subject: ExportSubject, made_by: MadeBy | None) -> AlgorithmIdentity | None:
    """The model as DICOM states it; None where there was none."""
    if made_by is None:
        return None
    answer = subject.model_answer
    extra = {} if answer is None else answer.metadata.extra
    version = extra.get("model_version") if extra.get("weights_sha256") == made_by.sha256 else None
    return AlgorithmIdentity(made_by.model_name, str(version or _VERSION_NOT_STATED), made_by.sha256)


def creator(subject: ExportSubject) -> str:
    """The person who answers for the content: whoever edited or judged objects, where it was one person."""
    return subject.editors[0] if len(subject.editors) == 1 else ""


def _common_type(present: Iterable[ObjectRecord], *, is_reduced: bool) -> AlgorithmType:
    types = {one.algorithm_type for one in present}
    if len(types) == 1 and not is_reduced:
        return types.pop()
    return AlgorithmType.SEMIAUTOMATIC


def _history(record: ObjectRecord) -> str:
    """Such as: Accepted by Jo; edits: grow, 2 x paint, last by Jo at 2026-01-02T03:04:05+00:00."""
    by = f" by {record.judged_by}" if record.judged_by else ""
    judged = {ObjectState.ACCEPTED, ObjectState.REJECTED}
    parts = [f"{record.state.value.capitalize()}{by if record.state in judged else ''}"]
    if record.edits:
        counts = Counter(entry.kind for entry in record.edits)
        kinds = ", ".join(kind if count == 1 else f"{count} x {kind}" for kind, count in counts.items())
        last = record.edits[-1]
        parts.append(f"edits: {kinds}, last{f' by {last.editor}' if last.editor else ''} at {last.time}")
    return "; ".join(parts)


def _counts(present: list[ObjectRecord], gone: list[ObjectRecord]) -> str:
    """Such as: 14 objects: 2 accepted, 12 proposed; 1 more left out."""
    states = Counter(one.state.value for one in present)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    text = f"{len(present)} object{'' if len(present) == 1 else 's'}{f': {listed}' if listed else ''}"
    return f"{text}; {len(gone)} more left out" if gone else text
