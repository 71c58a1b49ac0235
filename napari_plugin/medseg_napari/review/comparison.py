"""Labels against a reference while they are edited: where they differ, and how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.metrics import hausdorff_95_pooled_mm, nsd_area_weighted, surface_distances
from medseg_napari.review.boxes import Box, ObjectBoxes, union
from medseg_napari.review.review import Review
from medseg_napari.review.steps import ReviewChange


class Difference(IntEnum):
    """What a voxel of the map of differences says."""

    NONE = 0
    MISSED = 1
    """Of a reference object that no object overlaps."""
    SPURIOUS = 2
    """Of an object that overlaps no reference object."""
    BOUNDARY = 3
    """Foreground in one of the two only, of an object that the other has as well."""


@dataclass(frozen=True)
class SurfaceScores:
    """How far the surfaces of all foreground are apart.

    Attributes:
        hausdorff_95_mm: 95th percentile of the distances, both ways pooled; as the metric says where one is empty.
        nsd: share of both surfaces within the tolerance of the other, 0 to 1.
        tolerance_mm: that tolerance.
    """

    hausdorff_95_mm: float
    nsd: float
    tolerance_mm: float


class Comparison:
    """The differences between the labels of a review and a reference; an edit costs a look at the boxes around it.

    Foreground counts, not ids: two objects where the reference has one differ nowhere.

    Args:
        review: its labels are compared, and its edits followed by `update`.
        reference: object ids on the same grid.
        spacing_mm: voxel size in array axis order.

    Attributes:
        differences: (*spatial) uint8 of `Difference`, changed in place.

    Raises:
        GeometryError: the reference has another shape.
        LabelError: its ids are not whole numbers of 0 or more.
    """

    def __init__(self, review: Review, reference: NDArray[np.integer], *, spacing_mm: tuple[float, ...]) -> None:
        if reference.shape != review.labels.shape:
            message = f"compare: expected a reference of shape {review.labels.shape}, got {reference.shape}."
            raise GeometryError(message)
        self._review = review
        self._reference = reference
        self._reference_boxes = ObjectBoxes(reference)
        self._spacing_mm = spacing_mm
        both = (review.labels != 0) & (reference != 0)
        self._found = set(np.unique(reference[both]).tolist())
        self._right = set(np.unique(review.labels[both]).tolist())
        self._in_both = int(np.count_nonzero(both))
        self._in_labels = int(np.count_nonzero(review.labels))
        self._in_reference = int(np.count_nonzero(reference))
        self.differences = np.zeros(reference.shape, dtype=np.uint8)
        self._draw((slice(None),) * reference.ndim)

    @property
    def dice(self) -> float:
        """Dice coefficient of the foreground; nan where both are empty."""
        size = self._in_labels + self._in_reference
        return 2 * self._in_both / size if size else float("nan")

    @property
    def missed(self) -> tuple[int, ...]:
        """Ids of the reference objects that no object overlaps."""
        return tuple(sorted(set(self._reference_boxes) - self._found))

    @property
    def spurious(self) -> tuple[int, ...]:
        """Ids of the objects that overlap no reference object."""
        return tuple(sorted(set(self._review.table.ids) - self._right))

    def surface_scores(self, *, tolerance_mm: float) -> SurfaceScores:
        """How far the surfaces are apart; over all voxels, so not for every edit: call it beside the window.

        Args:
            tolerance_mm: distance up to which surfaces count as the same.
        """
        distances = surface_distances(
            reference=self._reference != 0, prediction=self._review.labels != 0, spacing_mm=self._spacing_mm
        )
        return SurfaceScores(
            hausdorff_95_pooled_mm(distances), nsd_area_weighted(distances, tolerance_mm=tolerance_mm), tolerance_mm
        )

    def place_of_missed(self, reference_id: int) -> Box:
        """Bounding box of a reference object.

        Raises:
            LabelError: there is no such object.
        """
        return self._reference_boxes[reference_id]

    def update(self, change: ReviewChange) -> Box | None:
        """Box of the differences that were drawn anew after a change of the review; None where none could differ."""
        if change.box is None:
            return None
        labels, reference = self._review.labels[change.box], self._reference[change.box]
        drawn, wanted = self.differences[change.box] != Difference.NONE, reference != 0
        # What was foreground before can be told from the differences: the reference did not change.
        before, now = drawn ^ wanted, labels != 0
        self._in_labels += int(np.count_nonzero(now)) - int(np.count_nonzero(before))
        self._in_both += int(np.count_nonzero(now & (reference != 0))) - int(
            np.count_nonzero(before & (reference != 0))
        )
        ids = {*change.ids, *np.unique(labels).tolist()} - {0}
        reference_ids = set(np.unique(reference).tolist()) - {0}
        self._right -= set(change.removed)
        boxes = {number: self._review.box_of(number) for number in ids}
        reference_boxes = {number: self._reference_boxes[number] for number in reference_ids}
        _mark(self._right, boxes, self._review.labels, against=self._reference)
        _mark(self._found, reference_boxes, self._reference, against=self._review.labels)
        around = union([change.box, *boxes.values(), *reference_boxes.values()])
        self._draw(around)
        return around

    def _draw(self, box: Box) -> None:
        labels, reference, drawn = self._review.labels[box], self._reference[box], self.differences[box]
        drawn[...] = Difference.NONE
        for one, other, known, alone in (
            (reference, labels, self._found, Difference.MISSED),
            (labels, reference, self._right, Difference.SPURIOUS),
        ):
            differs = (one != 0) & (other == 0)
            is_known = np.isin(one[differs], _as_array(known, one.dtype))
            drawn[differs] = np.where(is_known, Difference.BOUNDARY, alone)


def _mark(
    overlapping: set[int], boxes: dict[int, Box], labels: NDArray[np.integer], *, against: NDArray[np.integer]
) -> None:
    """Add the objects that overlap the foreground of `against` to the set, and take the others from it."""
    for number, box in boxes.items():
        if ((labels[box] == number) & (against[box] != 0)).any():
            overlapping.add(number)
        else:
            overlapping.discard(number)


def _as_array(ids: Iterable[int], dtype: np.dtype) -> NDArray[np.integer]:
    return np.fromiter(ids, dtype=dtype)
