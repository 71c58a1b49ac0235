"""Objects of one layer against a reference layer: what has to be there, and the layer of their differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg_napari.layers.placement import LayerData
from medseg_napari.review.comparison import Comparison, Difference
from medseg_napari.review.records import ObjectState
from medseg_napari.review.review import Review
from medseg_napari.reviewing.source import ReviewSource, objects_of_classes, shows_classes

DIFFERENCES = "medseg_differences"
"""Key in the metadata of a layer of differences: it is no mask."""
COLOURS = {Difference.MISSED: "#56B4E9", Difference.SPURIOUS: "#E69F00", Difference.BOUNDARY: "#CC79A7"}
"""Okabe and Ito's: told apart with the common colour-vision deficiencies as well."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What was made beside the window.

    Attributes:
        review: of the objects.
        reference: the reference's objects by number, without those that were rejected.
        comparison: of the two.
        left_out: number of the reference's objects that were rejected.
    """

    review: Review
    reference: NDArray[np.integer]
    comparison: Comparison
    left_out: int = 0


def check_same_place(layer: Any, reference: Any) -> None:
    """Pass when the two layers have their voxels at the same places.

    Raises:
        GeometryError: they have not; nothing is resampled, since that would change both masks.
    """
    if tuple(layer.data.shape) == tuple(reference.data.shape) and list(layer.units) == list(reference.units):
        corners = (np.zeros(layer.ndim), np.asarray(layer.data.shape, dtype=float))
        if all(np.allclose(layer.data_to_world(corner), reference.data_to_world(corner)) for corner in corners):
            return
    message = (
        f"{layer.name} and {reference.name} lie on different grids ({_grid(layer)} and {_grid(reference)}). Choose a "
        "reference on the same image, or bring it onto this one with medseg convert --like."
    )
    raise GeometryError(message)


def compare(
    layer: Any,
    reference: Any,
    source: ReviewSource,
    review: Review | None,
    *,
    reference_review: Review | None = None,
) -> Compared:
    """The comparison of the objects of a layer. It looks at every voxel; call it beside the window.

    Args:
        layer: of objects.
        reference: of objects, or of classes whose connected regions are the objects.
        source: of `layer`.
        review: of `layer`; None makes one.
        reference_review: of `reference`, whose rejected objects do not count; they are those of this moment.

    Raises:
        InputError: the layer shows classes.
    """
    if review is None:
        if shows_classes(layer):
            message = f"{layer.name} shows classes. Find its objects in the Objects dock first."
            raise InputError(message)
        review = source.review(editor="")
    left_out = 0
    if reference_review is not None:
        numbers, left_out = reference_review.without_rejected(), len(rejected_in(reference_review))
    else:
        numbers = objects_of_classes(reference)[0] if shows_classes(reference) else np.array(reference.data)
    spacing = source.spacing_mm or (1.0,) * source.labels.ndim
    return Compared(review, numbers, Comparison(review, numbers, spacing_mm=spacing), left_out)


def rejected_in(review: Review) -> tuple[int, ...]:
    """Numbers of the objects that are there and were rejected."""
    table = review.table
    return tuple(number for number in table.ids if table.record(number).state is ObjectState.REJECTED)


def differences_layer(layer: Any, reference: Any, comparison: Comparison) -> LayerData:
    """Layer data of the differences: missed, spurious and boundary in three colours."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    settings = {
        "name": f"{layer.name} against {reference.name}",
        "metadata": {DIFFERENCES: True},
        "scale": layer.scale,
        "translate": layer.translate,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "colormap": DirectLabelColormap(color_dict=colours | {int(key): value for key, value in COLOURS.items()}),
        "opacity": 0.9,
    }
    return comparison.differences, settings, "labels"


def _grid(layer: Any) -> str:
    sizes = " × ".join(str(size) for size in layer.data.shape)
    return f"{sizes} voxels of {' × '.join(f'{size:.3g}' for size in layer.scale)} {layer.units[-1]:~}"
