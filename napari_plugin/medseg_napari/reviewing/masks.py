"""Which layers of a viewer are masks that can be worked on."""

from __future__ import annotations

from typing import Any

from medseg_napari.layers.straight import STRAIGHT_OF
from medseg_napari.reviewing.comparing import DIFFERENCES


def is_mask(layer: Any) -> bool:
    """Whether it holds objects or classes of an image; differences and straight copies are for looking only."""
    from napari.layers import Labels

    return isinstance(layer, Labels) and not {DIFFERENCES, STRAIGHT_OF} & set(layer.metadata)


def masks_of(viewer: Any) -> list[Any]:
    """The masks of a viewer, the topmost last."""
    return [layer for layer in viewer.layers if is_mask(layer)]
