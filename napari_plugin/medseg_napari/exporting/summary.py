"""What a report says before its table: counts, where the objects come from, and what it must not be taken for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version

from medseg.reports.document import DISCLAIMER, Card
from medseg_napari.exporting.columns import length_unit, shown
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.review.records import ObjectState

NOTICE = f"{DISCLAIMER} A person must check every object before anything is concluded from it."
_WITHOUT_IDENTITY = "no name, number, birth date or file of the patient is in this report"


def heading(subject: ExportSubject, *, with_title: bool) -> str:
    """Of the report; the layer's title may hold the name of a file, so it is there when it is asked for only."""
    if with_title:
        return f"Objects in {subject.title}"
    modality = subject.origin.image.metadata.modality
    return f"Objects in an image ({modality})" if modality else "Objects in an image"


def cards_of(subject: ExportSubject) -> list[Card]:
    """The numbers that a reader looks for first."""
    states = Counter(row.state.value for row in subject.rows)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    left_out = len(subject.rejected)
    cards = [Card("Objects", str(len(subject.rows)), f"{left_out} rejected left out" if left_out else "")]
    for name, count in sorted(Counter(row.class_name for row in subject.rows).items()):
        cards.append(Card(name, str(count), _total(subject, name)))
    return [*cards, Card("States", listed or "–")]


def facts_of(subject: ExportSubject, *, with_title: bool) -> list[tuple[str, str]]:
    """What the objects rest on."""
    image, made_by = subject.origin.image, subject.source.note.made_by
    unit, factor = length_unit(subject)
    sizes = " × ".join(shown(size * factor) for size in image.spacing_mm)
    pairs = [
        ("Model", made_by.model_name if made_by else "not stated"),
        ("Weights (SHA-256)", made_by.sha256 if made_by else "–"),
        ("Rejected objects", rejected_in_words(subject)),
        ("Edited or judged by", ", ".join(subject.editors) or "nobody"),
        ("Voxels", " × ".join(map(str, image.spatial_shape))),
        ("Voxel size", f"{sizes} {unit}" if image.metadata.spacing_is_known else "not known"),
        ("Written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("medseg", version("medseg")),
    ]
    return pairs if with_title else [*pairs, ("Identity", _WITHOUT_IDENTITY)]


def left_out(count: int) -> str:
    """What became of rejected objects, in a sentence; empty where there are none."""
    return f"{count} rejected object{'' if count == 1 else 's'} left out." if count else ""


def rejected_in_words(subject: ExportSubject) -> str:
    """What becomes of rejected objects: every kind of file does the same with them."""
    states = Counter(subject.review.table.record(number).state for number in subject.review.table.ids)
    count = states[ObjectState.REJECTED]
    if not count:
        return "none"
    return f"{count}, left out" if subject.leaves_out_rejected else f"{count}, counted as all others"


def doubts_of(subject: ExportSubject) -> list[str]:
    """What the model and its answer say should be known about the result, in sentences."""
    answer = subject.model_answer
    notes = (*subject.source.note.notes, *(answer.metadata.notes if answer is not None else ()))
    return [f"{note[:1].upper()}{note[1:]}." for note in dict.fromkeys(notes)]


def _total(subject: ExportSubject, class_name: str) -> str:
    rows = [row.measured for row in subject.rows if row.class_name == class_name]
    if subject.source.spacing_mm is None:
        return f"{sum(one.voxels for one in rows)} voxels in all"
    if subject.source.labels.ndim == 2 or not subject.origin.is_patient_volume:
        return ""
    return f"{shown(sum(one.volume_ml or 0.0 for one in rows))} ml in all"
