"""The place under the pointer in words of the patient: "L 12.3  P 45.6  S 30.2 mm: 38 HU" in napari's status bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import WorldFrame
from medseg_napari.layers.letters import is_of_patient
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN

_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))


def speak_of_patient(layer: Any) -> None:
    """Let the status of a patient's layer name the place in the patient, also where the layer lies oblique in it."""
    layer = getattr(layer, "__wrapped__", layer)  # a widget's view of a layer has the layer inside
    if not is_of_patient(layer) or "get_status" in vars(layer):
        return
    origin: Origin = layer.metadata[ORIGIN]
    reference: Callable[[], Any] = ref(layer)  # a layer that held itself would keep its array until the collector comes

    def get_status(position: Any = None, **options: Any) -> dict[str, str]:
        layer = reference()
        status: dict[str, str] = type(layer).get_status(layer, position, **options)
        if position is None or not options.get("world"):
            return status
        place = place_in_words(origin, np.asarray(layer.world_to_data(np.asarray(position))))
        value = f"{status['value']} {_unit(origin)}".rstrip() if status["value"] else ""
        return {**status, "coords": place, "value": value, "coordinates": f"{place}: {value}" if value else place}

    layer.get_status = get_status


def place_in_words(origin: Origin, index: NDArray[np.floating]) -> str:
    """How far an index of the layer lies to the left, back and head of the origin: "L 12.3  P 45.6  S 30.2 mm"."""
    place = origin.affine.to_frame(WorldFrame.LPS).apply(index)
    parts = (
        f"{letters[0 if value >= 0 else 1]} {abs(value):.1f}" for letters, value in zip(_LETTERS, place, strict=True)
    )
    return f"{'  '.join(parts)} mm"


def _unit(origin: Origin) -> str:
    """Unit of the values; none for labels and for what a model made."""
    return "" if origin.channel is None else origin.image.metadata.value_unit or ""
