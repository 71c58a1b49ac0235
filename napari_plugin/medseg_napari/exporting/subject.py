"""The objects of a layer as they stood at one moment, so that they can be written while they are edited further."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medseg.errors import InputError
from medseg.images import LabelMap, LabelTable
from medseg_napari.layers import Origin
from medseg_napari.review.objects import TableRow
from medseg_napari.review.records import ObjectState
from medseg_napari.review.review import Review
from medseg_napari.reviewing.source import ReviewSource

_MOST_ATTEMPTS = 5
_BURNED_IN_TEXT = "burned-in-text"
"""Code of the DICOM reader's verdict on an image that shows text."""


@dataclass(frozen=True, eq=False)
class ExportSubject:
    """What is exported; nobody else edits it.

    Attributes:
        title: of the layer; it may hold the name of a file, and so of a patient.
        origin: of the image that the objects lie on.
        source: what the review began with.
        review: of a copy of the objects.
        leaves_out_rejected: whether rejected objects stay out of everything that is written.
    """

    title: str
    origin: Origin
    source: ReviewSource
    review: Review
    leaves_out_rejected: bool = True

    @cached_property
    def rows(self) -> tuple[TableRow, ...]:
        """The objects that are exported, by ascending number."""
        return tuple(self.review.table[number] for number in self.ids)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Numbers of the objects that are exported, ascending."""
        left_out = set(self.rejected)
        return tuple(number for number in self.review.table.ids if number not in left_out)

    @property
    def rejected(self) -> tuple[int, ...]:
        """Numbers of the objects that are there, were rejected and stay out."""
        table = self.review.table
        states = {number: table.record(number).state for number in table.ids}
        return tuple(n for n, state in states.items() if self.leaves_out_rejected and state is ObjectState.REJECTED)

    @cached_property
    def table(self) -> LabelTable:
        """The classes with the model's values; classes that it does not know follow."""
        known = self.source.note.table
        records = [self.review.table.record(number) for number in self.ids]
        unknown = sorted({record.class_name for record in records} - set(known.names))
        if not unknown:
            return known
        first = max(known.values, default=0) + 1
        colours = LabelTable.from_names(("background", *unknown)).foreground
        added = [replace(label, value=first + at) for at, label in enumerate(colours)]
        return LabelTable((*known.labels, *added))

    @property
    def model_answer(self) -> LabelMap | None:
        """What the model answered, before any edit."""
        return self.source.note.label_map

    @property
    def shows_text(self) -> bool:
        """Whether text is burned into the image: pictures of it may then show a name."""
        return any(verdict.code == _BURNED_IN_TEXT for verdict in self.origin.image.metadata.verdicts)

    @property
    def editors(self) -> tuple[str, ...]:
        """Names of those who edited or judged objects that are or were there."""
        records = self.review.audit.objects.values()
        names = {entry.editor for record in records for entry in record.edits}
        return tuple(sorted((names | {record.judged_by for record in records}) - {""}))


def subject_of(
    title: str, origin: Origin, source: ReviewSource, *, review: Review | None = None, leave_out_rejected: bool = True
) -> ExportSubject:
    """The objects as they are now. It copies all voxels and looks at each; call it beside the window.

    Args:
        title: of the layer.
        origin: of the layer.
        source: of the layer.
        review: what was done with the objects; None where nobody looked at them.
        leave_out_rejected: whether rejected objects stay out.

    Raises:
        InputError: the objects were edited all the while.
    """
    for _ in range(_MOST_ATTEMPTS):
        audit = source.note.audit if review is None else review.audit
        labels = np.array(source.labels)
        if review is None or review.audit == audit:
            break
    else:
        message = f"{title}: expected objects that rest while they are copied, got edits. Export them again."
        raise InputError(message)
    copied = replace(source, labels=labels)
    own = source.kind_of_review(
        labels,
        spacing_mm=source.spacing_mm,
        image=source.image,
        class_of=source.note.class_of,
        classes=source.classes,
        confidence=source.note.confidence,
        made_by=source.note.made_by,
        audit=audit,
    )
    return ExportSubject(title, origin, copied, own, leave_out_rejected)
