"""The objects of a mask as a DICOM measurement report, with a segmentation in which each object is a segment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import InputError
from medseg.geometry import check_same_grid
from medseg.geometry.diameters import slice_diameters
from medseg.images import Image, Label, LabelKind, LabelMap, LabelTable
from medseg.inference.objects import ObjectRow, measure_objects
from medseg.io.dicom import AlgorithmIdentity, MeasuredObject, SegmentOrigin, write_measurements, write_segmentation


def write_measurement_report(
    label_map: LabelMap,
    path: str | Path,
    *,
    source: Image,
    segmentation: str | Path,
    algorithm: AlgorithmIdentity | None = None,
) -> tuple[MeasuredObject, ...]:
    """What was measured, after the report (TID 1500) was written to `path` and its segmentation to `segmentation`.

    Objects are those of `medseg.inference.objects.measure_objects`: connected regions of a class, or the objects of an
    instance map. Of each: the volume, the longest diameter in a slice of the series, the mean of the image.

    Args:
        label_map: on the grid of `source`.
        path: report to write, ".dcm".
        source: the image read from the DICOM series that was segmented.
        segmentation: DICOM segmentation to write, ".dcm".
        algorithm: the model; what the label map says of its model where absent.

    Raises:
        InputError: the mask has no objects, or `source` is not from DICOM.
        GeometryError: the mask is on another grid than `source`.
        RefusedImageError: the series lacks what DICOM objects must name.
        StorageError: a file cannot be written.
    """
    check_same_grid(source.grid, label_map.grid, names=("the series", "the mask"))
    rows = measure_objects(label_map)
    labels = [_label(row, label_map) for row in rows]
    table = LabelTable((Label(0, "background", "#000000"), *labels))
    objects = LabelMap(_numbers(label_map), label_map.affine, label_map.axes, table, metadata=label_map.metadata)
    return write_object_report(objects, path, source=source, segmentation=segmentation, algorithm=algorithm)


def write_object_report(
    objects: LabelMap,
    path: str | Path,
    *,
    source: Image,
    segmentation: str | Path,
    algorithm: AlgorithmIdentity | None = None,
    origins: Mapping[int, SegmentOrigin] | None = None,
    creator: str = "",
) -> tuple[MeasuredObject, ...]:
    """As `write_measurement_report`, of a map in which each object has a value and a label of its own.

    Args:
        objects: on the grid of `source`; labels that occur nowhere are left out.
        path: report to write, ".dcm".
        source: the image read from the DICOM series that was segmented.
        segmentation: DICOM segmentation to write, ".dcm".
        algorithm: the model; what the label map says of its model where absent.
        origins: value -> who or what made the object, where it was not the model alone.
        creator: name of the person who answers for the content.

    Raises:
        InputError: there are no objects, or `source` is not from DICOM.
        GeometryError: the objects are on another grid than `source`.
        RefusedImageError: the series lacks what DICOM objects must name.
        StorageError: a file cannot be written.
    """
    check_same_grid(source.grid, objects.grid, names=("the series", "the mask"))
    rows = {row.object_id: row for row in measure_objects(objects.replace(kind=LabelKind.INSTANCES), image=source)}
    if not rows:
        message = f"{path}: a measurement report holds at least one object, and the mask has none."
        raise InputError(message)
    labels = [label for label in objects.labels.foreground if label.value in rows]
    objects = objects.replace(labels=LabelTable((Label(0, "background", "#000000"), *labels)))
    made_by = algorithm or AlgorithmIdentity.of(objects)
    write_segmentation(objects, segmentation, source=source, algorithm=made_by, origins=origins, creator=creator)
    measured = tuple(
        MeasuredObject(
            segment_number,
            label,
            volume_mm3=rows[label.value].volume_mm3,
            longest_diameter_mm=_longest(rows[label.value], objects),
            mean_value=rows[label.value].mean_intensity,
        )
        for segment_number, label in enumerate(labels, start=1)
    )
    write_measurements(measured, path, source=source, segmentation=segmentation, algorithm=made_by)
    return measured


def _label(row: ObjectRow, label_map: LabelMap) -> Label:
    of = next((one for one in label_map.labels.foreground if one.name == row.label), Label(1, row.label))
    return Label(row.object_id, f"{row.label} {row.object_id}", of.colour, of.concept)


def _numbers(label_map: LabelMap) -> NDArray[np.integer]:
    """The map with each object's number, as `measure_objects` counts them."""
    if label_map.kind is LabelKind.INSTANCES:
        return label_map.array
    numbers = np.zeros(label_map.spatial_shape, dtype=np.int32)
    total = 0
    for label in label_map.labels.foreground:
        found, count = ndimage.label(label_map.array == label.value, structure=np.ones((3,) * label_map.affine.ndim))
        numbers[found > 0] = found[found > 0] + total
        total += count
    return numbers


def _longest(row: ObjectRow, objects: LabelMap) -> float:
    box = tuple(slice(start, stop) for start, stop in zip(row.box_start, row.box_stop, strict=True))
    mask = objects.array[box] == row.object_id
    diameters = slice_diameters(mask, objects.affine.linear, slice_axis=objects.axes.index("Z"))
    return 0.0 if diameters is None else diameters.longest_mm
