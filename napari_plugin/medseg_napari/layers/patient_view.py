"""A viewer that shows a patient as a patient is: letters at the edges, places in words, and no mirror image in 3-D.

napari's own 3-D view of LPS volumes is a mirror image: growing z comes towards the viewer, which makes of (S, P, L) a
left-handed body, and so does a change of the order of the axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medseg_napari.keys import PAGE, key_of
from medseg_napari.layers.adoption import adopt
from medseg_napari.layers.letters import EdgeLetters, edge_letters, is_of_patient, true_depth
from medseg_napari.layers.status import speak_of_patient
from medseg_napari.layers.window_choice import show_window
from medseg_napari.layers.windows import WINDOWS, window_action
from medseg_napari.settings import follow

_SIDES = {"left": "middle_left", "right": "middle_right", "top": "top_center", "bottom": "bottom_center"}
"""Side of the canvas -> where napari calls it so."""
_FONT_SIZE = 14
_TURNS = ("affine", "rotate", "scale", "shear")
"""Events of a layer after which its axes may lead elsewhere."""


def patient_layer(viewer: Any) -> Any | None:
    """The layer by which the view is told: the active one if it is a patient's, else the topmost such that is seen."""
    active = viewer.layers.selection.active
    if active is not None and is_of_patient(active):
        return active
    shown = [layer for layer in viewer.layers if layer.visible and is_of_patient(layer)]
    return shown[-1] if shown else None


def watch(viewer: Any) -> None:
    """Keep letters, camera and status true for volumes of patients, and bind the windows' keys; may be called again."""
    if getattr(viewer.layers, "shown_by_medseg", None) is None:
        viewer.layers.shown_by_medseg = _PatientView(viewer)  # events hold their listeners weakly: somebody must


def _letters_of(viewer: Any, layer: Any) -> EdgeLetters | None:
    dims, orientation = viewer.dims, viewer.scene.camera.orientation2d
    return edge_letters(layer, dims.displayed, ndim=dims.ndim, orientation=orientation)


def _showing(window: str) -> Callable[[Any], None]:
    """What a key does; napari wants a function with a name."""

    def show(viewer: Any) -> None:
        show_window(viewer, window)

    show.__doc__ = f"{window} window."
    return show


class _PatientView:
    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        layers, dims = viewer.layers, viewer.dims
        layers.events.inserted.connect(self._follow)
        layers.events.removed.connect(self._update)
        layers.events.reordered.connect(self._update)
        layers.selection.events.active.connect(self._update)
        for event in (
            dims.events.order,
            dims.events.ndisplay,
            dims.events.ndim,
            viewer.scene.camera.events.orientation,
            viewer.canvas.grid.events.enabled,
        ):
            event.connect(self._update)
        for layer in layers:
            adopt(layer, layers)
            self._listen(layer)
        self._keys: list[str] = []
        self._bind_keys()
        follow(PAGE, self._bind_keys)
        self._update()

    def _bind_keys(self, *_: object) -> None:
        for key in self._keys:
            self._viewer.bind_key(key, None)
        keys = {key_of(window_action(name)): name for name in WINDOWS}
        self._keys = [key for key in keys if key]
        for key in self._keys:
            self._viewer.bind_key(key, _showing(keys[key]), overwrite=True)

    def _follow(self, event: Any) -> None:
        adopt(event.value, self._viewer.layers)
        self._listen(event.value)
        self._update()

    def _listen(self, layer: Any) -> None:
        if is_of_patient(layer):
            for event in (*_TURNS, "visible"):
                getattr(layer.events, event).connect(self._update)
            speak_of_patient(layer)

    def _update(self, _event: Any = None) -> None:
        layer = patient_layer(self._viewer)
        if layer is not None:
            self._straighten_camera(layer)
        self._draw(self._letters(layer))

    def _straighten_camera(self, layer: Any) -> None:
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        depth = true_depth(layer, dims.order[-3:], ndim=dims.ndim, orientation=camera.orientation2d)
        if depth is not None and str(camera.orientation[0]) != depth:
            camera.orientation = (depth, *camera.orientation2d)

    def _letters(self, layer: Any | None) -> EdgeLetters | None:
        viewer = self._viewer
        if layer is None or viewer.dims.ndisplay != 2:
            return None
        if not viewer.canvas.grid.enabled:
            return _letters_of(viewer, layer)
        # Side by side, all have the same letters: right for each of them, or not there.
        shown = [one for one in viewer.layers if one.visible]
        found = {_letters_of(viewer, one) if is_of_patient(one) else None for one in shown}
        return found.pop() if len(found) == 1 else None

    def _draw(self, letters: EdgeLetters | None) -> None:
        for side in _SIDES:
            overlay = self._overlay(side, is_needed=letters is not None)
            if overlay is not None:
                overlay.text = getattr(letters, side, "")
                overlay.visible = letters is not None

    def _overlay(self, side: str, *, is_needed: bool) -> Any | None:
        from napari.components.overlays import TextOverlay

        overlays, name = self._viewer.canvas.overlays, f"medseg_{side}"
        if name not in overlays and is_needed:
            overlays[name] = TextOverlay(position=_SIDES[side], font_size=_FONT_SIZE, gridded=True)
        return overlays.get(name)
