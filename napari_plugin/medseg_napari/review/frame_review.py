"""The review of the objects of a time series, whose frames are pictures of their own."""

from __future__ import annotations

from dataclasses import replace

from medseg_napari.review.objects import Measurement
from medseg_napari.review.review import Review

_FAR_APART = 1e9
"""Size of a voxel along time, in pixels: no distance reaches from one frame into the next."""


class FrameReview(Review):
    """A review of (frames, y, x) labels: edits stay in the frames that an object is in, and sizes are areas.

    The voxel size along time, which means nothing, is 1 mm in `spacing_mm`.
    """

    def fill_holes(self, object_id: int, *, slice_axis: int | None = None) -> tuple[int, ...]:
        """An object takes the background that it encloses within each frame."""
        return super().fill_holes(object_id, slice_axis=0 if slice_axis is None else slice_axis)

    def measure(self, object_id: int) -> Measurement:
        """As of a picture; of an object that is in several frames, the area is that of all."""
        found = super().measure(object_id)
        area_mm2 = None if found.volume_ml is None else found.volume_ml * 1000.0
        return replace(found, volume_ml=None, area_mm2=area_mm2)

    @property
    def _sampling(self) -> tuple[float, ...]:
        _, height, width = super()._sampling
        return (_FAR_APART * max(height, width), height, width)
