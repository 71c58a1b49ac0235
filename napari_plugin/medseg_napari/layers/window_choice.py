"""Which layer the windows of CT are for."""

from __future__ import annotations

from typing import Any

from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN
from medseg_napari.layers.windows import WINDOWS


def is_in_hounsfield_units(layer: Any) -> bool:
    """Whether a layer shows a channel of an image in HU."""
    origin = layer.metadata.get(ORIGIN)
    return isinstance(origin, Origin) and origin.channel is not None and origin.image.metadata.value_unit == "HU"


def windowed_layer(viewer: Any) -> Any | None:
    """The layer that the windows of CT are for: the active one if it is in HU, else the topmost such that is seen."""
    active = viewer.layers.selection.active
    if active is not None and is_in_hounsfield_units(active):
        return active
    shown = [layer for layer in viewer.layers if layer.visible and is_in_hounsfield_units(layer)]
    return shown[-1] if shown else None


def show_window(viewer: Any, name: str) -> None:
    """Draw the HU of a window; nothing happens where no image is in HU."""
    layer = windowed_layer(viewer)
    if layer is not None:
        layer.contrast_limits = WINDOWS[name]
