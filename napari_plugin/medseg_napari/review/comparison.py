"""Labels against a reference while they are edited: where they differ, and how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, LabelError
from medseg.metrics import hausdorff_95_pooled_mm, nsd_area_weighted, overlap_table, surface_distances
from medseg.metrics.lesions import MIN_IOU
from medseg_napari.review.boxes import Box, ObjectBoxes, union
from medseg_napari.review.records import ObjectState
from medseg_napari.review.review import Review
from medseg_napari.review.steps import ReviewChange


class Difference(IntEnum):
    """What a voxel of the map of differences says."""

    NONE = 0
    MISSED = 1
    """Of a reference object that no object finds."""
    SPURIOUS = 2
    """Of an object that finds no reference object."""
    BOUNDARY = 3
    """Foreground in one of the two only, of an object that finds or is found."""


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

    An object finds a reference object when the two have an intersection over union of at least `MIN_IOU`, the limit of
    the scores for lesions; so a neighbour that touches it does not. Voxels differ by foreground, not by id: two objects
    where the reference has one differ nowhere. Rejected objects count as background.

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
        overlap = overlap_table(reference_labels=reference, prediction_labels=review.labels)
        self._rejected = {number for number in review.table.ids if self._is_rejected(number)}
        ids, reference_ids = overlap.prediction_ids.tolist(), overlap.reference_ids.tolist()
        self._sizes = dict(zip(ids, overlap.prediction_sizes.tolist(), strict=True))
        self._reference_sizes = dict(zip(reference_ids, overlap.reference_sizes.tolist(), strict=True))
        self._shared: dict[int, dict[int, int]] = {number: {} for number in ids}
        pairs = zip(overlap.pair_prediction, overlap.pair_reference, overlap.intersections.tolist(), strict=True)
        for at, reference_at, voxels in pairs:
            self._shared[ids[at]][reference_ids[reference_at]] = voxels
        self._boxes = {number: review.box_of(number) for number in ids}
        for number in self._rejected:
            self._forget(number)
        self._found, self._right = self._matched()
        # Without a difference drawn yet, the labels are taken to be the reference: drawing counts what differs.
        self._in_reference = self._in_labels = self._in_both = sum(self._reference_sizes.values())
        self.differences = np.zeros(reference.shape, dtype=np.uint8)
        self._draw((slice(None),) * reference.ndim)

    @property
    def dice(self) -> float:
        """Dice coefficient of the foreground; nan where both are empty."""
        size = self._in_labels + self._in_reference
        return 2 * self._in_both / size if size else float("nan")

    @property
    def missed(self) -> tuple[int, ...]:
        """Ids of the reference objects that no object finds."""
        return tuple(sorted(set(self._reference_boxes) - self._found))

    @property
    def spurious(self) -> tuple[int, ...]:
        """Ids of the objects that find no reference object."""
        return tuple(sorted(set(self._sizes) - self._right))

    @property
    def rejected(self) -> tuple[int, ...]:
        """Ids of the objects that are there and do not count, since they were rejected."""
        return tuple(sorted(self._rejected))

    def surface_scores(self, *, tolerance_mm: float) -> SurfaceScores:
        """How far the surfaces are apart; over all voxels, so not for every edit: call it beside the window.

        Args:
            tolerance_mm: distance up to which surfaces count as the same.
        """
        labels = self._counted((slice(None),) * self._reference.ndim)
        distances = surface_distances(
            reference=self._reference != 0, prediction=labels != 0, spacing_mm=self._spacing_mm
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

    def reach(self, change: ReviewChange) -> Box | None:
        """Box of what a change of the review touches: voxels, and objects that were rejected or are so no longer."""
        table = self._review.table
        switched = [n for n in change.ids if n in table and self._is_rejected(n) != (n in self._rejected)]
        boxes = [] if change.box is None else [change.box]
        boxes += [self._review.box_of(number) for number in switched]
        return union(boxes) if boxes else None

    def update(self, change: ReviewChange) -> Box | None:
        """Box of the differences that were drawn anew after a change of the review; None where none could differ.

        What it takes goes with the change's reach, so one that spans the volume belongs beside the window; changes made
        meanwhile are followed when their own update comes.
        """
        reach = self.reach(change)
        if reach is None:
            return None
        for number in (*change.ids, *change.removed):
            self._share(number)
        found, right = self._found, self._right
        self._found, self._right = self._matched()
        around = [reach]
        around += [self._reference_boxes[number] for number in found ^ self._found]
        around += [self._boxes[number] for number in right ^ self._right if number in self._boxes]
        self._draw(union(around))
        return union(around)

    def _share(self, number: int) -> None:
        """Count the voxels that an object has, and has in common with each reference object."""
        self._forget(number)
        self._rejected.discard(number)
        try:
            box = self._review.box_of(number)
        except LabelError:  # it is gone, or has gone since
            return
        if self._is_rejected(number):
            self._rejected.add(number)
            return
        inside = self._reference[box][self._review.labels[box] == number]
        ids, counts = np.unique(inside, return_counts=True)
        shared = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        shared.pop(0, None)
        self._sizes[number], self._boxes[number], self._shared[number] = inside.size, box, shared

    def _forget(self, number: int) -> None:
        for known in (self._shared, self._sizes, self._boxes):
            known.pop(number, None)

    def _is_rejected(self, number: int) -> bool:
        return self._review.table.record(number).state is ObjectState.REJECTED

    def _counted(self, box: Box) -> NDArray[np.integer]:
        """The labels in a box, rejected objects as background."""
        labels = self._review.labels[box]
        if not self._rejected:
            return labels
        counted: NDArray[np.integer] = np.where(np.isin(labels, _as_array(self._rejected, labels.dtype)), 0, labels)
        return counted

    def _matched(self) -> tuple[set[int], set[int]]:
        """Ids of the reference objects that are found, and of the objects that find one."""
        found, right = set(), set()
        for number, shared in self._shared.items():
            for reference_id, voxels in shared.items():
                together = self._sizes[number] + self._reference_sizes[reference_id] - voxels
                if voxels >= MIN_IOU * together:
                    found.add(reference_id)
                    right.add(number)
        return found, right

    def _draw(self, box: Box) -> None:
        """Draw the differences in a box, and count what is foreground there anew.

        What was foreground can be told from the differences, since the reference does not change; so the counts are
        those of what is drawn, whatever else was edited meanwhile.
        """
        labels, reference, drawn = self._counted(box), self._reference[box], self.differences[box]
        wanted = reference != 0
        before = (drawn != Difference.NONE) ^ wanted
        now = labels != 0
        drawn[...] = Difference.NONE
        for ids, differs, known, alone in (
            (reference, wanted & ~now, self._found, Difference.MISSED),
            (labels, now & ~wanted, self._right, Difference.SPURIOUS),
        ):
            is_known = np.isin(ids[differs], _as_array(known, ids.dtype))
            drawn[differs] = np.where(is_known, Difference.BOUNDARY, alone)
        self._in_labels += int(np.count_nonzero(now)) - int(np.count_nonzero(before))
        self._in_both += int(np.count_nonzero(now & wanted)) - int(np.count_nonzero(before & wanted))


def _as_array(ids: Iterable[int], dtype: np.dtype) -> NDArray[np.integer]:
    return np.fromiter(ids, dtype=dtype)
