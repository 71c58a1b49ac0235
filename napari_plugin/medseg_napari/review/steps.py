"""The steps of a review: every change of the labels or of what is known of the objects, made, undone and redone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from medseg.errors import GeometryError
from medseg_napari.review.audit import AuditTrail
from medseg_napari.review.boxes import Box, ObjectBoxes, union
from medseg_napari.review.change import Change
from medseg_napari.review.history import MAX_BYTES, EditHistory, Known, Step
from medseg_napari.review.ids import free_ids
from medseg_napari.review.objects import Measurement, ObjectTable, measure_object
from medseg_napari.review.records import EditEntry, MadeBy, ObjectRecord, ObjectState
from medseg_napari.review.touched import Touched, touched_by


@dataclass(frozen=True)
class ReviewChange:
    """What a step, an undo or a redo changed.

    Attributes:
        box: of the voxels that differ; None where only records do.
        ids: objects that are there and were touched.
        removed: objects that were there before and are not now.
    """

    box: Box | None
    ids: tuple[int, ...]
    removed: tuple[int, ...]


class ReviewSteps:
    """The objects of one label array, and the steps by which they are changed.

    Args:
        labels: object ids, of two or three axes; edited in place, nobody else may write to it without telling.
        spacing_mm: voxel size in array axis order; None where it is not known.
        image: on the grid of `labels`, for mean values and for edits that look at the image.
        class_of: object id -> class; objects that are not in it are of the first class.
        classes: those that an object can be of.
        confidence: a map on the grid of `labels`, or object id -> confidence.
        made_by: the model; None for a mask of unknown origin.
        editor: name under which edits are recorded.
        audit: what is known from an earlier review of the same mask; it goes before the other arguments.
        max_bytes: most memory of the history.

    Attributes:
        changed: emits a `ReviewChange` after every step, undo and redo.
        labels: the array given.
        table: rows of the objects.
        drawing_class: class of objects that are drawn from now on.
        editor: name under which edits are recorded from now on.

    Raises:
        GeometryError: the arrays are not on one grid of two or three axes.
        LabelError: the ids are not whole numbers of 0 or more.
    """

    changed = Signal(ReviewChange)

    def __init__(  # noqa: PLR0913 - what a layer knows of its mask, each said once
        self,
        labels: NDArray[np.integer],
        *,
        spacing_mm: tuple[float, ...] | None = None,
        image: NDArray | None = None,
        class_of: Mapping[int, str] | None = None,
        classes: tuple[str, ...] = ("object",),
        confidence: NDArray | Mapping[int, float] | None = None,
        made_by: MadeBy | None = None,
        editor: str = "",
        audit: AuditTrail | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        maps = confidence if isinstance(confidence, np.ndarray) else None
        _check_grids(labels, spacing_mm, image, maps)
        self.labels = labels
        self.editor = editor
        self.drawing_class = classes[0]
        self._classes = classes
        self._spacing_mm = spacing_mm
        self._image = image
        self._confidence_map = maps
        self._boxes = ObjectBoxes(labels)
        self._history = EditHistory(max_bytes=max_bytes)
        self._records: dict[int, ObjectRecord] = dict(audit.objects) if audit else {}
        for number in self._records.keys() - set(self._boxes):
            self._records[number] = replace(self._records[number], state=ObjectState.REMOVED)
        of_object = confidence if isinstance(confidence, Mapping) else {}
        for number in self._boxes:
            known = self._records.get(number)
            if known is None or known.state is ObjectState.REMOVED:
                class_name = (class_of or {}).get(number, classes[0])
                self._records[number] = ObjectRecord(
                    class_name, ObjectState.PROPOSED, made_by, confidence=of_object.get(number)
                )
        self.table = ObjectTable(self._boxes, record_of=self._records.__getitem__, measure=self.measure)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that an object can be of."""
        return self._classes

    @property
    def audit(self) -> AuditTrail:
        """Who or what made each object, and every edit that was not undone."""
        return AuditTrail(dict(self._records))

    @property
    def dropped_steps(self) -> int:
        """Number of the oldest steps that can no longer be undone because of the history's bound."""
        return self._history.dropped_steps

    @property
    def can_undo(self) -> bool:
        """There is a step to undo."""
        return self._history.undo_name is not None

    @property
    def can_redo(self) -> bool:
        """There is a step to redo."""
        return self._history.redo_name is not None

    @property
    def undo_name(self) -> str | None:
        """Name of the step that `undo` undoes; None where there is none."""
        return self._history.undo_name

    @property
    def redo_name(self) -> str | None:
        """Name of the step that `redo` does again; None where there is none."""
        return self._history.redo_name

    @property
    def undo_voxels(self) -> int:
        """Voxels of the boxes that `undo` looks at, by which its time grows."""
        return self._history.undo_voxels

    @property
    def redo_voxels(self) -> int:
        """Voxels of the boxes that `redo` looks at."""
        return self._history.redo_voxels

    def box_of(self, object_id: int) -> Box:
        """Bounding box of an object.

        Raises:
            LabelError: there is no such object.
        """
        return self._boxes[object_id]

    def free_ids(self, count: int) -> tuple[int, ...]:
        """Ids that no object has or had.

        Raises:
            LabelError: the type of the array holds no more ids.
        """
        return free_ids(count, used=self._records.keys(), dtype=self.labels.dtype)

    def measure(self, object_id: int) -> Measurement:
        """What the voxels of an object say now; the table is not asked and keeps nothing of it."""
        return measure_object(
            self.labels,
            object_id,
            self._boxes[object_id],
            spacing_mm=self._spacing_mm,
            image=self._image,
            confidence=self._confidence_map,
        )

    def commit(self, name: str, changes: Sequence[Change], *, came_from: int | None = None) -> tuple[int, ...]:
        """Ids of the objects that are there and were touched, after the changes were made as one undoable step.

        For edits whose changes were computed elsewhere, such as in the background from the same labels.

        Args:
            name: of the edit, for the history and the audit trail.
            changes: no voxel in two of them.
            came_from: object that new ones were split off from: they inherit its class and origin.
        """
        made = tuple(change for change in changes if change.voxels)
        touched = touched_by(made)
        parent = None if came_from is None else self._records[came_from]
        records = {}
        for number, voxels in touched.voxels.items():
            known = self._records.get(number) or self._new_record(parent, came_from)
            if known.state is ObjectState.REMOVED:
                known = replace(known, class_name=self.drawing_class, made_by=None, is_drawn=True, confidence=None)
            edits = (*known.edits, self._entry(name, voxels=voxels))
            records[number] = replace(known, state=known.state_after_edit, edits=edits)
        return self._do(name, made, records, touched=touched)

    def undo(self) -> ReviewChange | None:
        """Take the newest step back; None where there is none."""
        step = self._history.undo()
        if step is None:
            return None
        changes = tuple(change.unpacked().reversed() for change in step.changes)
        return self._carry_out(changes, step.before)

    def redo(self) -> ReviewChange | None:
        """Do the step again that was undone last; None where there is none."""
        step = self._history.redo()
        if step is None:
            return None
        return self._carry_out(tuple(change.unpacked() for change in step.changes), step.after)

    def _do(
        self,
        name: str,
        changes: tuple[Change, ...],
        records: Mapping[int, ObjectRecord],
        *,
        touched: Touched | None = None,
    ) -> tuple[int, ...]:
        """Make a step, keep it in the history and tell of it; nothing happens where nothing changes."""
        if not changes and not records:
            return ()
        before = Known({number: self._records.get(number) for number in records}, self._known_boxes(records))
        for change in changes:
            change.apply_to(self.labels)
        if touched is not None:
            self._boxes.refresh(gained=touched.gained, lost=touched.lost)
        new = {
            number: record if number in self._boxes else replace(record, state=ObjectState.REMOVED)
            for number, record in records.items()
        }
        after = Known(new, self._known_boxes(records))
        self._history.push(Step.of(name, changes, before=before, after=after))
        return self._tell(changes, after).ids

    def _carry_out(self, changes: tuple[Change, ...], known: Known) -> ReviewChange:
        for change in changes:
            change.apply_to(self.labels)
        self._boxes.restore(known.boxes)
        return self._tell(changes, known)

    def _tell(self, changes: Sequence[Change], known: Known) -> ReviewChange:
        """Set the records and emit what changed."""
        for number, record in known.records.items():
            if record is None:
                self._records.pop(number, None)
            else:
                self._records[number] = record
        self.table.forget(known.records)
        ids = sorted(known.records)
        change = ReviewChange(
            box=union(change.box for change in changes) if changes else None,
            ids=tuple(number for number in ids if number in self._boxes),
            removed=tuple(number for number in ids if number not in self._boxes),
        )
        self.changed.emit(change)
        return change

    def _known_boxes(self, ids: Iterable[int]) -> dict[int, Box | None]:
        return {number: self._boxes.get(number) for number in ids}

    def _boxes_of(self, ids: Iterable[int]) -> dict[int, Box]:
        return {number: self._boxes[number] for number in ids}

    def _present(self, ids: Iterable[int]) -> dict[int, ObjectRecord]:
        return {number: self._records[number] for number in self._boxes_of(ids)}

    def _entry(self, kind: str, *, voxels: int) -> EditEntry:
        return EditEntry(kind, voxels, self.editor, datetime.now(UTC).isoformat(timespec="seconds"))

    def _new_record(self, parent: ObjectRecord | None, came_from: int | None) -> ObjectRecord:
        if parent is None or came_from is None:
            return ObjectRecord(self.drawing_class, ObjectState.DRAWN, is_drawn=True)
        return replace(parent, came_from=(*parent.came_from, came_from))


def _check_grids(
    labels: NDArray, spacing_mm: tuple[float, ...] | None, image: NDArray | None, confidence: NDArray | None
) -> None:
    if labels.ndim not in (2, 3):
        message = f"review: expected labels of 2 or 3 axes, got {labels.ndim}. Review one time point or channel."
        raise GeometryError(message)
    for name, array in (("image", image), ("confidence", confidence)):
        if array is not None and array.shape != labels.shape:
            message = f"review: expected {name} of the labels' shape {labels.shape}, got {array.shape}. Give its own."
            raise GeometryError(message)
    if spacing_mm is not None and (len(spacing_mm) != labels.ndim or not all(0 < size < np.inf for size in spacing_mm)):
        message = f"review: expected a voxel size above 0 mm for each of {labels.ndim} axes, got {spacing_mm}."
        raise GeometryError(message)
