"""The review of one label array: every edit, undo and redo, and who did what. The one object that widgets talk to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError, UnknownNameError
from medseg_napari.review.edits.compute import Compute, here
from medseg_napari.review.edits.delete import delete
from medseg_napari.review.edits.fill_holes import fill_holes
from medseg_napari.review.edits.grow import grow, shrink
from medseg_napari.review.edits.interpolate import interpolate_between_slices
from medseg_napari.review.edits.merge import merge
from medseg_napari.review.edits.restrict import restrict_to_range
from medseg_napari.review.edits.split_by_line import split_by_line
from medseg_napari.review.edits.split_by_seeds import split_by_seeds
from medseg_napari.review.edits.superpixels import paint_superpixels
from medseg_napari.review.records import ObjectState
from medseg_napari.review.steps import ReviewSteps
from medseg_napari.review.strokes import Stroke, stroke_change


class _Distance(TypedDict):
    object_id: int
    spacing_mm: tuple[float, ...]
    distance_mm: float


class Review(ReviewSteps):
    """Every edit of the objects of one label array; each method that edits is one undoable step.

    An edit looks at the boxes of its objects and never at the whole array. It returns the ids of the objects that are
    there and were touched: none where nothing changed. What it takes, see `ReviewSteps`.

    Attributes:
        compute: where the slow part of an edit is computed; set it for the edits of a large object.
    """

    compute: Compute = staticmethod(here)

    def merge(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Several objects become one with the id and class of the first."""
        if len(set(ids)) < 2:
            message = f"merge: expected two or more objects, got {len(set(ids))}. Select another one."
            raise InputError(message)
        return self.commit("merge", merge(self.labels, self._boxes_of(ids), into=ids[0]))

    def delete(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Objects become background."""
        return self.commit("delete", delete(self.labels, self._boxes_of(ids)))

    def split_by_seeds(self, object_id: int, seeds: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """An object becomes one for each seed, parted where it is thinnest; the largest part keeps the id."""
        box, new_ids = self._boxes[object_id], self.free_ids(len(seeds) - 1)
        changes = split_by_seeds(
            self.labels,
            box,
            seeds,
            object_id=object_id,
            new_ids=new_ids,
            spacing_mm=self._sampling,
            compute=self.compute,
        )
        return self.commit("split", changes, came_from=object_id)

    def split_by_line(
        self,
        object_id: int,
        line: tuple[Sequence[float], Sequence[float]],
        *,
        slice_axis: int = 0,
        only_slice: bool = False,
    ) -> tuple[int, ...]:
        """An object becomes two along a line drawn in a slice; the larger side keeps the id.

        Args:
            object_id: the object.
            line: two points in voxel indices, in array axis order.
            slice_axis: axis along which slices are counted.
            only_slice: divide it in the line's slice only; else along the plane through the line and the slice axis.
        """
        changes = split_by_line(
            self.labels,
            self._boxes[object_id],
            object_id=object_id,
            line=line,
            new_id=self.free_ids(1)[0],
            slice_axis=slice_axis,
            only_slice=only_slice,
        )
        return self.commit("split", changes, came_from=object_id)

    def grow(self, object_id: int, *, distance_mm: float | None = None) -> tuple[int, ...]:
        """An object takes the background around it, by the smallest voxel side unless a distance is given."""
        return self.commit("grow", grow(self.labels, self._boxes[object_id], **self._by(object_id, distance_mm)))

    def shrink(self, object_id: int, *, distance_mm: float | None = None) -> tuple[int, ...]:
        """An object gives up its rim, by the smallest voxel side unless a distance is given."""
        return self.commit("shrink", shrink(self.labels, self._boxes[object_id], **self._by(object_id, distance_mm)))

    def fill_holes(self, object_id: int, *, slice_axis: int | None = None) -> tuple[int, ...]:
        """An object takes the background that it encloses, on all sides or within each slice along an axis."""
        changes = fill_holes(
            self.labels, self._boxes[object_id], object_id=object_id, slice_axis=slice_axis, compute=self.compute
        )
        return self.commit("fill holes", changes)

    def interpolate(self, object_id: int, *, slice_axis: int = 0) -> tuple[int, ...]:
        """An object's empty slices between two that have it get its shape in between."""
        changes = interpolate_between_slices(
            self.labels,
            self._boxes[object_id],
            object_id=object_id,
            spacing_mm=self._sampling,
            slice_axis=slice_axis,
        )
        return self.commit("interpolate", changes)

    def restrict(self, object_id: int, *, low: float | None = None, high: float | None = None) -> tuple[int, ...]:
        """An object gives up its voxels whose value in the image is out of a range."""
        changes = restrict_to_range(
            self.labels, self._boxes[object_id], self._image_for("restrict"), object_id=object_id, low=low, high=high
        )
        return self.commit("restrict", changes)

    def paint_superpixels(
        self, object_id: int, points: Sequence[Sequence[int]], *, region_voxels: int = 8, slice_axis: int = 0
    ) -> tuple[int, ...]:
        """An object, there already or new, takes the background of the superpixels that the points lie in.

        Args:
            object_id: the object, from 1.
            points: indices of voxels, such as those under the pointer during a stroke.
            region_voxels: side of a superpixel, about.
            slice_axis: axis along which slices are counted.
        """
        changes = paint_superpixels(
            self.labels,
            self._image_for("superpixels"),
            points,
            object_id=object_id,
            region_voxels=region_voxels,
            slice_axis=slice_axis,
        )
        return self.commit("superpixels", changes)

    def accept(self, ids: Iterable[int]) -> tuple[int, ...]:
        """The objects are right as they are."""
        return self._restate("accept", ids, state=ObjectState.ACCEPTED)

    def reject(self, ids: Iterable[int]) -> tuple[int, ...]:
        """The objects are wrong; their voxels stay until they are deleted."""
        return self._restate("reject", ids, state=ObjectState.REJECTED)

    def reclassify(self, ids: Iterable[int], class_name: str) -> tuple[int, ...]:
        """The objects are of another class.

        Raises:
            UnknownNameError: there is no such class.
        """
        if class_name not in self._classes:
            message = f"class: expected one of {', '.join(self._classes)}, got {class_name!r}. Choose one of these."
            raise UnknownNameError(message)
        entry = self._entry("reclassify", voxels=0)
        records = {
            number: replace(record, class_name=class_name, state=record.state_after_edit, edits=(*record.edits, entry))
            for number, record in self._present(ids).items()
            if record.class_name != class_name
        }
        return self._do("reclassify", (), records)

    def record_stroke(self, stroke: Stroke) -> tuple[int, ...]:
        """What napari painted already becomes one step as well.

        Args:
            stroke: value of the event of napari's `Labels.events.paint`.
        """
        change = stroke_change(self.labels, stroke)
        return () if change is None else self.commit("paint", (change,))

    def without_rejected(self) -> NDArray[np.integer]:
        """A copy of the labels without the rejected objects."""
        kept = self.labels.copy()
        for number in self._boxes:
            if self._records[number].state is ObjectState.REJECTED:
                box = self._boxes[number]
                kept[box][kept[box] == number] = 0
        return kept

    @property
    def _sampling(self) -> tuple[float, ...]:
        """Voxel size for edits: voxels are cubes where it is not known."""
        return self._spacing_mm or (1.0,) * self.labels.ndim

    def _by(self, object_id: int, distance_mm: float | None) -> _Distance:
        """What growing and shrinking take."""
        distance = min(self._sampling) if distance_mm is None else distance_mm
        return {"object_id": object_id, "spacing_mm": self._sampling, "distance_mm": distance}

    def _image_for(self, edit: str) -> NDArray:
        if self._image is None:
            message = f"{edit}: expected an image under the labels, got none. Open the image that they belong to."
            raise InputError(message)
        return self._image

    def _restate(self, name: str, ids: Iterable[int], *, state: ObjectState) -> tuple[int, ...]:
        """Objects get a state; it says nothing of their voxels, so it is no edit."""
        records = {
            number: replace(record, state=state, judged_by=self.editor)
            for number, record in self._present(ids).items()
            if record.state is not state
        }
        return self._do(name, (), records)
