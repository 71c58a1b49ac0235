"""The colours of objects: one a class, safe for colour-blind eyes, the selected ones bright and the others dimmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from medseg_napari.review.records import ObjectState
from medseg_napari.review.review import Review

Colour = tuple[float, float, float, float]

CLASS_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Okabe and Ito's, without black; a class keeps its colour whatever is edited."""
SELECTED_COLOUR = "#FFFFFF"
REJECTED_COLOUR = "#8C8C8C"
_DIMMED = 0.55
"""Opacity of the objects that are not selected while others are."""


def class_colour(review: Review, class_name: str) -> str:
    """Colour of a class, "#rrggbb"."""
    return CLASS_COLOURS[review.classes.index(class_name) % len(CLASS_COLOURS)]


def colours_of(review: Review, selected: Collection[int] = ()) -> dict[int | None, Colour]:
    """Object -> colour, for those that differ from the most frequent class, which stands under None; 0 is clear."""
    alpha = _DIMMED if selected else 1.0
    looks = {number: _look(review, number) for number in review.table.ids}
    usual = Counter(looks.values()).most_common(1)
    most = usual[0][0] if usual else class_colour(review, review.drawing_class)
    colours: dict[int | None, Colour] = {None: _rgba(most, alpha), 0: (0.0, 0.0, 0.0, 0.0)}
    colours |= {number: _rgba(look, alpha) for number, look in looks.items() if look != most}
    return colours | {number: _rgba(SELECTED_COLOUR, 1.0) for number in selected}


def paint_layer(layer: Any, review: Review, selected: Collection[int] = ()) -> None:
    """Give the layer its colours, where they differ from those it has."""
    from napari.utils.colormaps import DirectLabelColormap

    colours = colours_of(review, selected)
    if getattr(layer, "medseg_colours", None) != colours:
        layer.medseg_colours = colours
        layer.colormap = DirectLabelColormap(color_dict=colours)


def _look(review: Review, number: int) -> str:
    record = review.table.record(number)
    return REJECTED_COLOUR if record.state is ObjectState.REJECTED else class_colour(review, record.class_name)


def _rgba(colour: str, alpha: float) -> Colour:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue, alpha
