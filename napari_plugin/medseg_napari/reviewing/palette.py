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
    """Colour of a class, "#rrggbb"; grey where the mask's table has no such class."""
    return _class_colours(review).get(class_name, REJECTED_COLOUR)


def colours_of(review: Review, selected: Collection[int] = ()) -> dict[int | None, Colour]:
    """Object -> colour, for those that differ from the most frequent class, which stands under None; 0 is clear."""
    alpha = _DIMMED if selected else 1.0
    by_class, record_of = _class_colours(review), review.table.record
    looks: dict[int, str] = {}
    for number in review.table.ids:
        record = record_of(number)
        is_out = record.state is ObjectState.REJECTED
        looks[number] = REJECTED_COLOUR if is_out else by_class.get(record.class_name, REJECTED_COLOUR)
    usual = Counter(looks.values()).most_common(1)
    most = usual[0][0] if usual else class_colour(review, review.drawing_class)
    colours: dict[int | None, Colour] = {None: _rgba(most, alpha), 0: (0.0, 0.0, 0.0, 0.0)}
    colours |= {number: _rgba(look, alpha) for number, look in looks.items() if look != most}
    return colours | {number: _rgba(SELECTED_COLOUR, 1.0) for number in selected}


def paint_layer(layer: Any, review: Review, selected: Collection[int] = ()) -> None:
    """Give the layer its colours, where they differ from those it has."""
    from medseg_napari.reviewing.colour_table import ObjectColours

    colours = colours_of(review, selected)
    if getattr(layer, "medseg_colours", None) != colours:
        layer.medseg_colours = colours
        layer.colormap = ObjectColours(color_dict=colours)


def _class_colours(review: Review) -> dict[str, str]:
    return {name: CLASS_COLOURS[place % len(CLASS_COLOURS)] for place, name in enumerate(review.classes)}


def _rgba(colour: str, alpha: float) -> Colour:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue, alpha
