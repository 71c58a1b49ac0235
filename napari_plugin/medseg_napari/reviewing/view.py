"""The view at an object: its place, and its diameters drawn over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box
from medseg_napari.review.objects import Measurement

DIAMETERS = "diameters"
OVERLAY = "medseg_overlay"
"""Key in the metadata of a layer that is drawn over others, and is neither data nor a result."""
_WIDTH_PIXELS = 2.0
_COLOUR = "#FFFFFF"


def fly_to(viewer: Any, layer: Any, box: Box, measured: Measurement | None) -> None:
    """Show the slice of the object's largest extent, its centre in the middle; the zoom stays.

    Args:
        viewer: that shows the layer.
        layer: of labels.
        box: of the object, whose middle is taken where nothing is measured yet.
        measured: of the object.
    """
    centre = list(measured.centre) if measured else [(side.start + side.stop - 1) / 2 for side in box]
    if measured and layer.ndim == 3:
        centre[0] = measured.largest_slice
    world = np.asarray(layer.data_to_world(centre), dtype=float)
    dims = viewer.dims
    beyond = dims.ndim - layer.ndim
    for axis in dims.not_displayed:
        if axis >= beyond:
            dims.set_point(axis, world[axis - beyond])
    shown = [world[axis - beyond] for axis in dims.displayed]
    viewer.scene.camera.center = (*[0.0] * (3 - len(shown)), *shown)


class DiameterLines:
    """The two diameters of the selected object as lines in one layer of vectors, in the mask's own millimetres.

    The layer cannot be edited, is offered nowhere, and goes with the layer of the mask.
    Vectors and not shapes, which napari 0.9 takes several times as long to make and to change.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None
        self._mask: Any = None

    def draw(self, layer: Any, measured: Measurement | None) -> None:
        """Draw the diameters of an object of `layer`; none where they are not known."""
        found = None if measured is None else measured.diameters
        if found is None or layer.ndim not in {2, 3}:
            self.clear()
            return
        ends = np.array([found.longest_ends_voxel, found.across_ends_voxel], dtype=float)
        lines = np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1)  # where each begins, and how far it goes
        if not self._is_there or self._layer.ndim != layer.ndim:
            self.remove()
            self._add(layer, lines)
            self._mask = layer
            return
        self._mask = layer
        self._place(layer)
        width = self._width(layer)
        if self._layer.edge_width != width:
            self._layer.edge_width = width
        self._layer.data = lines

    def clear(self) -> None:
        """Draw nothing."""
        if self._is_there and len(self._layer.data):
            self._layer.data = np.empty((0, 2, self._layer.ndim))

    def remove(self) -> None:
        """Take the layer away."""
        self._viewer.layers.events.removed.disconnect(self._go_with_mask)
        if self._is_there:
            self._viewer.layers.remove(self._layer)
        self._layer = self._mask = None

    def _go_with_mask(self, event: Any) -> None:
        if event.value is self._mask:
            self.remove()

    @property
    def _is_there(self) -> bool:
        return self._layer is not None and self._layer in self._viewer.layers

    def _width(self, layer: Any) -> float:
        """Width of the lines in voxels, so that they are two pixels wide as the view is now."""
        return float(_WIDTH_PIXELS / (self._viewer.scene.camera.zoom * abs(layer.scale[-1])))

    def _add(self, layer: Any, lines: NDArray[np.floating]) -> None:
        active = self._viewer.layers.selection.active
        self._layer = self._viewer.add_vectors(
            lines,
            name=DIAMETERS,
            vector_style="line",
            edge_width=self._width(layer),
            edge_color=_COLOUR,
            opacity=1.0,
            metadata={OVERLAY: True},
            **placement_of(layer),
        )
        self._layer.editable = False
        self._viewer.layers.events.removed.connect(self._go_with_mask)
        self._viewer.layers.selection.active = active

    def _place(self, layer: Any) -> None:
        for name in ("scale", "translate"):
            if not np.array_equal(getattr(self._layer, name), getattr(layer, name)):
                setattr(self._layer, name, getattr(layer, name))


def placement_of(layer: Any) -> dict[str, Any]:
    """What puts another layer where this one is."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "affine": layer.affine,
    }


def shown_axis(viewer: Any, layer: Any) -> int:
    """The layer's axis along which slices are leafed through; 0 for a picture or in 3-D."""
    beyond = viewer.dims.ndim - layer.ndim
    hidden: Sequence[int] = [axis - beyond for axis in viewer.dims.not_displayed if axis >= beyond]
    return hidden[0] if hidden else 0
