"""The objects of a label array as rows of a table; a row is measured when it is asked for and kept until an edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.geometry.diameters import SliceDiameters, slice_diameters
from medseg_napari.review.boxes import Box, ObjectBoxes, starts
from medseg_napari.review.records import ObjectRecord, ObjectState


@dataclass(frozen=True)
class Measurement:
    """What the voxels of one object say; sizes in mm are None where the voxel size is not known.

    Attributes:
        voxels: number of voxels.
        volume_ml: volume; None for a picture.
        area_mm2: area; None for a volume.
        diameters: longest diameter in a slice along the first axis and the one across it; end points are indices of
            the label array, of a picture without the slice's.
        mean_value: mean of the image inside it; None without an image.
        mean_confidence: mean of the confidence map inside it; None without a map.
        centre: mean index of its voxels.
        box: its bounding box.
        largest_slice: index along the first axis of the slice in which it has most voxels; 0 for a picture.
    """

    voxels: int
    volume_ml: float | None
    area_mm2: float | None
    diameters: SliceDiameters | None
    mean_value: float | None
    mean_confidence: float | None
    centre: tuple[float, ...]
    box: Box
    largest_slice: int


@dataclass(frozen=True)
class TableRow:
    """One object: what is known of it and what was measured.

    Attributes:
        object_id: its value in the label array.
        record: class, state, origin, edits.
        measured: sizes and places.
    """

    object_id: int
    record: ObjectRecord
    measured: Measurement

    @property
    def class_name(self) -> str:
        """Its class."""
        return self.record.class_name

    @property
    def state(self) -> ObjectState:
        """Where it stands in the review."""
        return self.record.state

    @property
    def confidence(self) -> float | None:
        """The model's, stated for the object or the mean of its map inside it; None where neither is given."""
        return self.measured.mean_confidence if self.record.confidence is None else self.record.confidence


class ObjectTable:
    """Rows by object id; only objects that an edit touched are measured again.

    Args:
        boxes: bounding boxes, kept up to date by the review.
        record_of: id -> record.
        measure: id -> measurement.
    """

    def __init__(
        self, boxes: ObjectBoxes, *, record_of: Callable[[int], ObjectRecord], measure: Callable[[int], Measurement]
    ) -> None:
        self._boxes = boxes
        self._record_of = record_of
        self._measure = measure
        self._measured: dict[int, Measurement] = {}

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the objects that are there, ascending."""
        return tuple(sorted(self._boxes))

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._boxes

    def __getitem__(self, object_id: int) -> TableRow:
        measured = self._measured.get(object_id)
        if measured is None:
            measured = self._measured[object_id] = self._measure(object_id)
        return TableRow(object_id, self._record_of(object_id), measured)

    def measured(self, object_id: int) -> Measurement | None:
        """What was measured of an object; None where nothing was since it last changed, and nothing is measured."""
        return self._measured.get(object_id)

    def keep(self, object_id: int, measurement: Measurement) -> None:
        """Take what was measured elsewhere, beside the window for example, of the object as it is now."""
        self._measured[object_id] = measurement

    def record(self, object_id: int) -> ObjectRecord:
        """What is known of an object beside its voxels; nothing is measured for it."""
        return self._record_of(object_id)

    def rows(self) -> tuple[TableRow, ...]:
        """All rows, by ascending id; what was not measured yet is measured."""
        return tuple(self[object_id] for object_id in self.ids)

    def forget(self, ids: Iterable[int]) -> None:
        """Measure these objects again when they are next asked for."""
        for object_id in ids:
            self._measured.pop(object_id, None)


def measure_object(
    labels: NDArray[np.integer],
    object_id: int,
    box: Box,
    *,
    spacing_mm: tuple[float, ...] | None,
    image: NDArray | None = None,
    confidence: NDArray | None = None,
) -> Measurement:
    """What the voxels of one object say; only its box is looked at.

    Args:
        labels: object ids, of two or three axes.
        object_id: the object.
        box: its bounding box.
        spacing_mm: voxel size in array axis order; None where it is not known.
        image: (*spatial) for the mean value.
        confidence: (*spatial) for the mean confidence.
    """
    mask = labels[box] == object_id
    profiles = _profiles(mask)
    voxels = int(profiles[0].sum())
    size = None if spacing_mm is None else voxels * float(np.prod(spacing_mm))
    first = starts(box)
    return Measurement(
        voxels=voxels,
        volume_ml=size / 1000.0 if size is not None and mask.ndim == 3 else None,
        area_mm2=size if mask.ndim == 2 else None,
        diameters=None if spacing_mm is None else _diameters(mask, spacing_mm, first),
        mean_value=None if image is None else float(image[box][mask].mean(dtype=np.float64)),
        mean_confidence=None if confidence is None else float(confidence[box][mask].mean(dtype=np.float64)),
        centre=tuple(
            start + float(profile @ np.arange(profile.size)) / voxels
            for start, profile in zip(first, profiles, strict=True)
        ),
        box=box,
        largest_slice=first[0] + int(profiles[0].argmax()) if mask.ndim == 3 else 0,
    )


def _profiles(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Number of voxels in each slice along each axis; the volume is read twice, whatever its axes."""
    first = np.array([np.count_nonzero(part) for part in mask])
    rest = mask.view(np.uint8).sum(axis=0, dtype=np.int64)
    others = [rest.sum(axis=tuple(other for other in range(rest.ndim) if other != axis)) for axis in range(rest.ndim)]
    return [first, *others]


def _diameters(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...], first: tuple[int, ...]) -> SliceDiameters | None:
    """The diameters, with end points as indices of the whole label array."""
    is_picture = mask.ndim == 2
    volume, sizes, start = (mask[None], (1.0, *spacing_mm), (0, *first)) if is_picture else (mask, spacing_mm, first)
    found = slice_diameters(volume, np.diag(sizes))
    if found is None:
        return None
    dropped = 1 if is_picture else 0

    def placed(ends: tuple[tuple[float, ...], tuple[float, ...]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        one, other = (tuple(at + by for at, by in zip(end, start, strict=True))[dropped:] for end in ends)
        return one, other

    return SliceDiameters(
        found.longest_mm,
        found.across_mm,
        found.slice_index + start[0],
        placed(found.longest_ends_voxel),
        placed(found.across_ends_voxel),
    )
