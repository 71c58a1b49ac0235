"""The audit trail beside a mask that is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medseg.files import write_text_atomically
from medseg_napari.exporting.formats import Choices, Format
from medseg_napari.exporting.label_maps import holds_objects
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.layers.upright import upright
from medseg_napari.review.audit import audit_path
from medseg_napari.review.places import MaskRecord, MaskValues, places_in


def write_trail(subject: ExportSubject, mask: Path, *, one: Format, choices: Choices) -> Path:
    """Path of the trail, written beside the mask of kind `one` at `mask`.

    Raises:
        StorageError: it could not be written.
    """
    has_objects = one.is_of_objects or holds_objects(subject, as_objects=choices.as_objects)
    record = _mask_record(subject, MaskValues.OBJECTS if has_objects else MaskValues.CLASSES)
    write_text_atomically(audit_path(mask), replace(subject.review.audit, mask=record).to_json())
    return audit_path(mask)


def _mask_record(subject: ExportSubject, values: MaskValues) -> MaskRecord:
    numbers = upright(subject.origin.image.grid).apply(subject.origin.from_layer(subject.source.labels))
    places, first = places_in(numbers, subject.ids)
    return MaskRecord(values, numbers.shape, first, subject.table, places)
