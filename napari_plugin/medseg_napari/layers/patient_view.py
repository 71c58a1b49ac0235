"""A viewer that shows a patient as a patient is: napari's own 3-D view of LPS volumes is a mirror image."""

from __future__ import annotations

from typing import Any

from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN

TRUE_ORIENTATION = ("away", "down", "right")
"""Where growing z, y and x point on the screen. napari's default, z towards the viewer, makes of (S, P, L) a
left-handed body: with P down and L right, S must point away."""


def shows_patient(viewer: Any) -> bool:
    """Whether some layer of the viewer is a volume of a patient."""
    return any(_is_patient(layer) for layer in viewer.layers)


def watch(viewer: Any) -> None:
    """Keep the 3-D camera true whenever a volume of a patient is among the layers; call it as often as you like."""
    if getattr(viewer.layers, "shown_by_medseg", False):
        return
    viewer.layers.shown_by_medseg = True
    viewer.layers.events.inserted.connect(lambda event: _orient(viewer, event.value))
    for layer in viewer.layers:
        _orient(viewer, layer)


def _orient(viewer: Any, layer: Any) -> None:
    if _is_patient(layer):
        viewer.scene.camera.orientation = TRUE_ORIENTATION


def _is_patient(layer: Any) -> bool:
    origin = layer.metadata.get(ORIGIN)
    return isinstance(origin, Origin) and origin.is_patient_volume
