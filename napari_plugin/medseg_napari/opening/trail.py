"""What an earlier review left beside a mask: taken up again, or told in one line why not."""

from __future__ import annotations

from pathlib import Path

from medseg.errors import MedsegError, StorageError
from medseg.images import LabelMap, LabelTable
from medseg_napari.layers.results import ResultNote
from medseg_napari.review.audit import AuditTrail, MaskValues, audit_path
from medseg_napari.review.records import ObjectState

_LEFT_OUT = "The record of an earlier review beside this mask was left out: {}"
_DAMAGED = _LEFT_OUT.format("it is damaged, or of another version of medseg")
_OF_CLASSES = _LEFT_OUT.format("it is of single objects, and the mask holds classes. Export it with objects next time")
_FOREIGN = _LEFT_OUT.format("it lists other objects than the mask holds")


def has_trail(mask: Path) -> bool:
    """Whether an audit trail lies beside the file or folder, which is therefore a mask."""
    return audit_path(mask).is_file()


def trail_beside(mask: Path) -> AuditTrail | None:
    """The audit trail beside a mask; None where it cannot be read."""
    try:
        return AuditTrail.from_json(_text(audit_path(mask)))
    except MedsegError:
        return None


def note_from(trail: AuditTrail | None, label_map: LabelMap) -> tuple[ResultNote | None, str]:
    """What the layer of the mask says of its objects, and a sentence where the trail says nothing of them.

    The trail counts where its objects that are there, those that were rejected aside, are just those of the mask:
    numbers of objects mean nothing in another mask.
    """
    if trail is None:
        return None, _DAMAGED
    if trail.mask_values is MaskValues.CLASSES:
        return None, _OF_CLASSES
    numbers = set(label_map.present_values()) - {0}
    known = {number for number, record in trail.objects.items() if record.state is not ObjectState.REMOVED}
    judged_wrong = {number for number in known if trail.objects[number].state is ObjectState.REJECTED}
    if not known - judged_wrong <= numbers <= known:
        return None, _FOREIGN
    return _note(trail, numbers), ""


def _note(trail: AuditTrail, numbers: set[int]) -> ResultNote:
    records = {number: trail.objects[number] for number in sorted(numbers)}
    names = dict.fromkeys(("background", *sorted(record.class_name for record in trail.objects.values())))
    makers = {record.made_by for record in records.values()} - {None}
    return ResultNote(
        LabelTable.from_names(names),
        {number: record.class_name for number, record in records.items()},
        {number: record.confidence for number, record in records.items() if record.confidence is not None},
        made_by=makers.pop() if len(makers) == 1 else None,
        audit=trail,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: expected an audit trail that can be read, got {type(error).__name__}. Check the file."
        raise StorageError(message) from error
