"""What a layer was made from, so that models and writers see the image itself and not what napari draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.geometry.orientation import AxisReordering
from medseg.images import Image
from medseg.io.time_series import FrameTimes, frame_times
from medseg_napari.layers.upright import upright

_ALONG_AXES = 1e-3
"""Largest component of a unit axis across the world axis that it follows, for a volume that counts as upright."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The image of a layer, and the way from its axes to the layer's.

    napari's axes are those of numpy, the slowest first. A volume of a patient is shown as (z, y, x) with the world axes
    of LPS growing along them, so that an axial slice looks as radiologists expect: the patient's right on the screen's
    left. Nothing is interpolated: the layer's array is a view of the image's.

    Attributes:
        image: as its reader gave it.
        channel: which of its channels the layer shows; None for a layer of labels on it.
    """

    image: Image
    channel: int | None = None

    @property
    def is_patient_volume(self) -> bool:
        """Whether the axes mean directions in a patient."""
        return self.image.axes == "CXYZ"

    @cached_property
    def times(self) -> FrameTimes | None:
        """What the first axis means where it is time; None for pictures and volumes."""
        return frame_times(self.image.metadata)

    @cached_property
    def reordering(self) -> AxisReordering:
        """From the image's spatial axes to the layer's."""
        if not self.is_patient_volume:
            axes = range(len(self.image.spatial_shape))
            return AxisReordering(tuple(axes), (False,) * len(axes))
        return upright(self.image.grid)

    @cached_property
    def affine(self) -> Affine:
        """The layer's index -> world mm, RAS."""
        return self.reordering.apply_to_grid(self.image.grid).affine

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along the layer's axes."""
        return self.reordering.apply_to_grid(self.image.grid).spatial_shape

    @property
    def is_oblique(self) -> bool:
        """Whether the axes of a patient volume do not run along those of the world."""
        if not self.is_patient_volume:
            return False
        direction = self.affine.to_frame(WorldFrame.LPS).direction
        return not np.allclose(direction, np.eye(3)[:, ::-1], atol=_ALONG_AXES)

    def to_layer(self, array: NDArray) -> NDArray:
        """View of (*leading, *spatial in the image's order) in the layer's order."""
        return self.reordering.apply(array)

    def from_layer(self, array: NDArray) -> NDArray:
        """View of (*leading, *spatial in the layer's order) in the image's order."""
        return self.reordering.inverse().apply(array)
