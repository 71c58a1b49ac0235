"""Drawing that tells an edit where: a line or seeds in a layer of their own, and strokes of superpixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from medseg_napari.reviewing.view import placement_of

Points = list[tuple[float, ...]]
_COLOUR = "#FFFFFF"
_PLACES = 2
_STILL_PIXELS = 3
"""A hand that moves no farther between press and release has clicked."""


@dataclass(frozen=True)
class _Kind:
    """What is drawn: the viewer's method that adds a layer for it, the layer's settings, and its size on the screen."""

    add: str
    name: str
    mode: str
    colour_setting: str
    size_setting: str
    pixels: float


_LINE = _Kind("add_shapes", "draw a line across the object", "add_line", "edge_color", "edge_width", 2.0)
_SEEDS = _Kind("add_points", "click once into each part", "add", "face_color", "size", 10.0)


class DrawnPlaces:
    """Two places that the user draws: the ends of a line, or two seeds.

    A layer for it stands above all others until they are drawn or Escape is pressed; then the labels are active again.

    Args:
        viewer: in which to draw.
        layer: of labels, whose index the places are in.
        on_drawn: gets the places.
        seeds: two single seeds instead of a line.
    """

    def __init__(self, viewer: Any, layer: Any, on_drawn: Callable[[Points], None], *, seeds: bool) -> None:
        self._viewer, self._labels, self._on_drawn = viewer, layer, on_drawn
        self.layer = self._add(_SEEDS if seeds else _LINE)
        self.layer.bind_key("Escape", lambda _layer: self.cancel(), overwrite=True)
        self.layer.events.data.connect(self._look)
        viewer.layers.selection.active = self.layer

    @property
    def is_open(self) -> bool:
        """Whether it still waits for the user."""
        return self.layer is not None and self.layer in self._viewer.layers

    def cancel(self) -> None:
        """End without a drawing."""
        QTimer.singleShot(0, self._end)

    def _add(self, kind: _Kind) -> Any:
        """The layer, with marks as large on the screen as the kind has them."""
        size = kind.pixels / (self._viewer.scene.camera.zoom * abs(self._labels.scale[-1]))
        look = {kind.colour_setting: _COLOUR, kind.size_setting: float(size)}
        add = getattr(self._viewer, kind.add)
        layer = add(ndim=self._labels.ndim, name=kind.name, **look, **placement_of(self._labels))
        layer.mode = kind.mode
        return layer

    def _look(self, event: Any) -> None:
        if str(event.action) != "added" or not self.is_open:
            return
        data = self.layer.data
        places = data if np.ndim(data) == 2 else data[-1] if len(data) else ()
        if len(places) >= _PLACES:
            drawn = [tuple(float(at) for at in place) for place in places]
            # The layer is in the middle of its own event: it is taken away when that is over.
            QTimer.singleShot(0, lambda: self._end(drawn))

    def _end(self, drawn: Points | None = None) -> None:
        if not self.is_open:
            return
        self._viewer.layers.remove(self.layer)
        self.layer = None
        if self._labels in self._viewer.layers:
            self._viewer.layers.selection.active = self._labels
            if drawn is not None:
                self._on_drawn(drawn)


class Strokes:
    """While it lasts, a stroke with the left button gives the voxels under the pointer instead of moving the view."""

    def __init__(self, layer: Any, on_stroke: Callable[[list[tuple[int, ...]]], None]) -> None:
        self._layer, self._on_stroke = layer, on_stroke
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.mouse_drag_callbacks.append(self._drag)

    def end(self) -> None:
        """The left button moves the view again."""
        if self._drag in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._drag)
        self._layer.mouse_pan = self._layer.mode == "pan_zoom"

    def _drag(self, layer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or layer.mode != "pan_zoom":
            return
        places = [self._place(event)]
        yield
        while event.type == "mouse_move":
            places.append(self._place(event))
            yield
        self._on_stroke(list(dict.fromkeys(places)))

    def _place(self, event: Any) -> tuple[int, ...]:
        return tuple(round(float(at)) for at in self._layer.world_to_data(event.position))


def watch_clicks(layer: Any, on_click: Callable[[int, bool], None]) -> Callable[[], None]:
    """Call with the object under a click and whether Ctrl was held, while the view is moved; returns what ends it.

    A drag is no click, and in napari's painting modes a click paints.
    """

    def click(clicked: Any, event: Any) -> Iterator[None]:
        is_ours = clicked.mode == "pick" or (clicked.mode == "pan_zoom" and clicked.mouse_pan)
        if event.button != 1 or not is_ours:
            return
        begun = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - begun).max() > _STILL_PIXELS:
            return
        value = clicked.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        if value:
            on_click(int(value), "Control" in event.modifiers)

    layer.mouse_drag_callbacks.append(click)

    def end() -> None:
        if click in layer.mouse_drag_callbacks:
            layer.mouse_drag_callbacks.remove(click)

    return end
