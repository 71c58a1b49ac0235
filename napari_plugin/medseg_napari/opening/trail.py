"""What an earlier review left beside a mask: taken up again, or told in one line why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import MedsegError, StorageError
from medseg.images import LabelMap
from medseg_napari.layers.results import ResultNote
from medseg_napari.layers.upright import upright
from medseg_napari.review.audit import AuditTrail, audit_path
from medseg_napari.review.matching import Matched, matched
from medseg_napari.review.places import MaskRecord
from medseg_napari.review.records import EditEntry, ObjectRecord, ObjectState

_LEFT_OUT = "The record of an earlier review beside this mask was left out: {}"
_DAMAGED = _LEFT_OUT.format("it is damaged, or of another version of medseg")
_FOREIGN = _LEFT_OUT.format("it tells of other objects than the mask holds")
_MOST_LISTED = 5


@dataclass(frozen=True, eq=False)
class TakenUp:
    """The objects of a mask as an earlier review left them.

    Attributes:
        numbers: id of the object at each voxel, in the order of the mask's axes.
        note: what they are.
        remarks: sentences on objects that are not as they were.
    """

    numbers: NDArray[np.integer]
    note: ResultNote
    remarks: tuple[str, ...]


def has_trail(mask: Path) -> bool:
    """Whether an audit trail lies beside the file or folder, which is therefore a mask."""
    return audit_path(mask).is_file()


def trail_beside(mask: Path) -> AuditTrail | None:
    """The audit trail beside a mask; None where it cannot be read."""
    try:
        return AuditTrail.from_json(_text(audit_path(mask)))
    except MedsegError:
        return None


def taken_up(trail: AuditTrail | None, label_map: LabelMap) -> TakenUp | str:
    """The objects of a mask, told apart by where they lie in it, or a sentence where the trail says nothing of them.

    The numbers in the file do not matter, since a DICOM object numbers its segments anew, and a mask of classes has
    none. Where not one object is as it was left, the trail is of another mask.
    """
    if trail is None or trail.mask is None or not trail.mask.places.keys() <= trail.objects.keys():
        return _DAMAGED
    way = upright(label_map.grid)
    names = {number: record.class_name for number, record in trail.objects.items()}
    values = way.apply(label_map.array)
    try:
        found = matched(values, trail.mask, names=names) if len(trail.mask.grid) == values.ndim else None
    except ValueError:  # a shape that is none
        return _DAMAGED
    if found is None or (not found.kept and (trail.mask.places or found.new)):
        return _FOREIGN
    return TakenUp(way.inverse().apply(found.numbers), _note(trail, trail.mask, found), _remarks(found))


def _note(trail: AuditTrail, mask: MaskRecord, found: Matched) -> ResultNote:
    records = dict(trail.objects)
    records |= {number: _changed(records[number], voxels) for number, voxels in found.changed.items()}
    first = mask.classes.foreground[0].name if mask.classes.foreground else "object"
    records |= {
        number: ObjectRecord(found.class_of.get(value, first), ObjectState.PROPOSED)
        for number, value in found.new.items()
    }
    present = {number: records[number] for number in sorted({*found.kept, *found.changed, *found.new})}
    makers = {record.made_by for record in present.values()} - {None}
    return ResultNote(
        mask.classes,
        {number: record.class_name for number, record in present.items()},
        {number: record.confidence for number, record in present.items() if record.confidence is not None},
        made_by=makers.pop() if len(makers) == 1 else None,
        audit=replace(trail, objects=records),
    )


def _changed(record: ObjectRecord, voxels: int) -> ObjectRecord:
    """What was changed elsewhere has to be judged anew, and nobody knows by whom it was."""
    entry = EditEntry("changed elsewhere", voxels, "", datetime.now(UTC).isoformat(timespec="seconds"))
    return replace(record, state=record.state_after_edit, edits=(*record.edits, entry))


def _remarks(found: Matched) -> tuple[str, ...]:
    told = (
        (found.changed, "Changed since its review, to be judged anew", "Changed since their review, to be judged anew"),
        (found.gone, "No longer in the mask", "No longer in the mask"),
        (found.new, "New since the review", "New since the review"),
    )
    return tuple(f"{one if len(ids) == 1 else several}: {_listed(ids)}" for ids, one, several in told if ids)


def _listed(ids: Iterable[int]) -> str:
    numbers = sorted(ids)
    listed = ", ".join(map(str, numbers[:_MOST_LISTED])) + (", ..." if len(numbers) > _MOST_LISTED else "")
    return f"object{'' if len(numbers) == 1 else 's'} {listed}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: expected an audit trail that can be read, got {type(error).__name__}. Check the file."
        raise StorageError(message) from error
