"""What a model found as layers on its image, and what later steps need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.images import LabelMap, LabelTable
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import LayerData, layer_settings
from medseg_napari.review.audit import AuditTrail
from medseg_napari.review.records import MadeBy

RESULT = "medseg_result"
"""Key in the metadata of a layer of objects under which its `ResultNote` stands."""


@dataclass(frozen=True, eq=False)
class ResultNote:
    """What a layer of objects is of.

    Attributes:
        table: the model's classes.
        class_of: number of an object -> name of its class.
        confidence: number -> mean probability of its class, where the model gives one.
        made_by: the model; None for objects of unknown origin.
        notes: what to know about the result.
        label_map: the model's own answer on the image's grid; None where it ran on a region.
        audit: of an earlier review of these objects; None where there was none.
    """

    table: LabelTable
    class_of: Mapping[int, str]
    confidence: Mapping[int, float]
    made_by: MadeBy | None = None
    notes: tuple[str, ...] = ()
    label_map: LabelMap | None = None
    audit: AuditTrail | None = None


def objects_layer(origin: Origin, numbers: NDArray[np.integer], note: ResultNote, *, name: str) -> LayerData:
    """Layer data of objects on an image.

    Args:
        origin: of the image's layer.
        numbers: number of the object at each voxel, in the order of the layer's axes; a copy is made where napari
            could not paint on it.
        note: what they are.
        name: of the layer.
    """
    settings = layer_settings(Origin(origin.image), name)
    settings["metadata"] |= {RESULT: note}
    paintable = np.ascontiguousarray(numbers)
    return paintable if paintable.flags.writeable else paintable.copy(), settings, "labels"


def probability_layers(
    origin: Origin, probabilities: NDArray[np.floating], table: LabelTable, *, name: str
) -> list[LayerData]:
    """Layer data of the probability of each class but the background, hidden at first."""
    layers: list[LayerData] = []
    for channel, label in zip(probabilities[1:], table.labels[1:], strict=True):
        settings = layer_settings(Origin(origin.image), f"{name}, {label.name} 0 to 1")
        settings |= {"contrast_limits": (0.0, 1.0), "colormap": "magma", "blending": "additive", "visible": False}
        settings["metadata"] |= {RESULT: label.name}
        layers.append((channel, settings, "image"))
    return layers
