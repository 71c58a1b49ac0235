"""Labels begun with napari's own button: they lie on an image, and must know on which to be written where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN


def adopt(layer: Any, others: Iterable[Any]) -> None:
    """Give a layer of labels that was not made by medseg the origin of the layer that it lies on, voxel for voxel.

    An oblique scan is shown in its own frame, so that napari alone cannot tell where in the patient a new layer lies.

    Args:
        layer: any layer; only labels without an origin are changed.
        others: layers of the viewer, the topmost last. Of several that fit, the one is taken after which napari named
            the layer, else the topmost.
    """
    from napari.layers import Labels

    if not isinstance(layer, Labels) or ORIGIN in layer.metadata:
        return
    fitting = [other for other in others if other is not layer and _lies_on(layer, other)]
    named = [other for other in fitting if layer.name.startswith(other.name)]
    if fitting:
        layer.metadata[ORIGIN] = Origin((named or fitting)[-1].metadata[ORIGIN].image)


def _lies_on(layer: Any, other: Any) -> bool:
    origin, shape = other.metadata.get(ORIGIN), tuple(layer.data.shape)
    if not isinstance(origin, Origin) or origin.shape != shape or tuple(other.units) != tuple(layer.units):
        return False
    corners = np.array([np.zeros(len(shape)), *(np.eye(len(shape)) * shape)])
    return all(np.allclose(layer.data_to_world(corner), other.data_to_world(corner)) for corner in corners)
