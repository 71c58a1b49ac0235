"""The objects as label maps on the grid of their image's file: by class, by number, or one label an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from skimage.util import map_array

from medseg.images import ImageMetadata, Label, LabelKind, LabelMap, LabelTable
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.review.places import MaskValues

_BACKGROUND = Label(0, "background", "#000000")


def mask_of(subject: ExportSubject, *, as_objects: bool | None = None) -> LabelMap:
    """The mask that is written: what nobody edited equals the model's own answer.

    Args:
        subject: the objects.
        as_objects: whether each object has a value of its own, else each class; None is as the model or the file has
            it, and the numbers of objects where neither says.
    """
    return object_map(subject) if holds_objects(subject, as_objects=as_objects) else class_map(subject)


def holds_objects(subject: ExportSubject, *, as_objects: bool | None = None) -> bool:
    """Whether each object has a value of its own in the mask that `mask_of` gives."""
    if as_objects is not None:
        return as_objects
    answer, note = subject.model_answer, subject.source.note
    if answer is not None:
        return answer.kind is LabelKind.INSTANCES
    if note.audit is not None and note.audit.mask is not None:
        return note.audit.mask.values is MaskValues.OBJECTS
    return note.made_by is None


def class_map(subject: ExportSubject) -> LabelMap:
    """Value of the class at each voxel."""
    value_of = {label.name: label.value for label in subject.table}
    records = {number: subject.review.table.record(number) for number in subject.ids}
    values = {number: value_of[record.class_name] for number, record in records.items()}
    return _on_grid(subject, values, subject.table, LabelKind.SEMANTIC)


def object_map(subject: ExportSubject) -> LabelMap:
    """Number of the object at each voxel."""
    values = {number: number for number in subject.ids}
    return _on_grid(subject, values, subject.table, LabelKind.INSTANCES)


def labelled_objects(subject: ExportSubject) -> LabelMap:
    """Number of the object at each voxel, with a table that names each of them, "lesion 3" for example."""
    of = {label.name: label for label in subject.table}
    labels = [_BACKGROUND]
    for number in subject.ids:
        name = subject.review.table.record(number).class_name
        labels.append(replace(of[name], value=number, name=f"{name} {number}"))
    values = {number: number for number in subject.ids}
    return _on_grid(subject, values, LabelTable(tuple(labels)), LabelKind.SEMANTIC)


def _on_grid(subject: ExportSubject, values: Mapping[int, int], table: LabelTable, kind: LabelKind) -> LabelMap:
    image = subject.origin.image
    array = np.ascontiguousarray(subject.origin.from_layer(_mapped(subject.source.labels, values)))
    return LabelMap(array, image.affine, image.axes[1:], table, kind, _metadata(subject))


def _mapped(labels: NDArray[np.integer], values: Mapping[int, int]) -> NDArray[np.integer]:
    """The labels with each number replaced by its value; other numbers become background."""
    dtype = np.min_scalar_type(max(values.values(), default=0))
    numbers = np.array([0, *values], dtype=labels.dtype)
    mapped: NDArray[np.integer] = map_array(labels, numbers, np.array([0, *values.values()], dtype=dtype))
    return mapped


def _metadata(subject: ExportSubject) -> ImageMetadata:
    """What the model's answer says of itself; of a part of an image, the image's with the model's name."""
    if subject.model_answer is not None:
        return subject.model_answer.metadata
    metadata, made_by = subject.origin.image.metadata, subject.source.note.made_by
    if made_by is None:
        return metadata
    model = {"model": made_by.model_name, "weights_sha256": made_by.sha256}
    return replace(metadata, extra={**metadata.extra, **model}, notes=(*metadata.notes, *subject.source.note.notes))
