"""What is painted over a slice: masks with colours, grey levels, and the part worth enlarging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from scipy import ndimage

from medseg.images import LabelKind, LabelMap, LabelTable, object_seams

_SOFT_TISSUE_HU = (-160.0, 240.0)
"""Window in which CT is shown; lesions of soft organs are told apart in it."""
_DARK_PERCENTILE, _BRIGHT_PERCENTILE = 0.5, 99.5
_MOST_NAMED = 4

FOUND, EXTRA, MISSED, CONFUSED = "#2fc48d", "#ff8a3d", "#3da5ff", "#d780ff"
"""Colours of right and wrong voxels; told apart with the common colour-vision deficiencies as well."""

_SMALL_SHARE = 0.015
"""Findings that cover less than this share of the picture are also shown enlarged."""
_BLACK = 0.04
_MARGIN_SHARE = 0.03
_WIDEST_BOX = 0.34
_NARROWEST_BOX = 0.08


@dataclass(frozen=True, eq=False)
class Layer:
    """A mask and how it is painted.

    Attributes:
        mask: (rows, columns), True where it is painted.
        colour: "#rrggbb".
        name: in the legend; empty leaves it out.
        opacity: of the inside, 0..1.
        outlined: whether its edge is painted full.
    """

    mask: NDArray[np.bool_]
    colour: str
    name: str
    opacity: float = 0.4
    outlined: bool = True

    def rgba(self) -> NDArray[np.float32]:
        """(rows, columns, 4) picture with a clear ground."""
        picture = np.zeros((*self.mask.shape, 4), dtype=np.float32)
        picture[..., :3] = to_rgb(self.colour)
        picture[..., 3] = self.opacity * self.mask
        if self.outlined:
            edge = self.mask & ~ndimage.binary_erosion(self.mask, border_value=1)
            picture[edge, 3] = 0.95
        return picture

    def cropped(self, part: tuple[slice, slice]) -> Layer:
        """The same of a part of the picture."""
        return replace(self, mask=self.mask[part])


@dataclass(frozen=True)
class Box:
    """Part of a picture, in pixels; the ends are not included.

    Attributes:
        top: first row.
        bottom: row after the last.
        left: first column.
        right: column after the last.
    """

    top: int
    bottom: int
    left: int
    right: int


def grey_levels(plane: NDArray[Any], *, value_unit: str | None) -> NDArray[np.float32]:
    """(rows, columns) brightness 0..1: a soft-tissue window for HU, else between two far percentiles.

    A constant plane is mid grey; what is not finite is black.
    """
    values = np.where(np.isfinite(plane), plane, np.nan).astype(np.float32)
    finite = values[np.isfinite(values)]
    if value_unit == "HU":
        dark, bright = _SOFT_TISSUE_HU
    elif finite.size:
        dark, bright = (float(level) for level in np.percentile(finite, (_DARK_PERCENTILE, _BRIGHT_PERCENTILE)))
        if bright <= dark:
            dark, bright = float(finite.min()), float(finite.max())
    else:
        dark, bright = 0.0, 1.0
    if bright <= dark:
        return np.full(plane.shape, 0.5, dtype=np.float32)
    levels: NDArray[np.float32] = np.nan_to_num(np.clip((values - dark) / (bright - dark), 0, 1), nan=0.0)
    return levels


def label_layers(plane: NDArray[Any], labels: LabelTable) -> tuple[Layer, ...]:
    """A layer for each foreground class that the plane holds."""
    present = {int(value) for value in np.unique(plane)}
    found = [label for label in labels.foreground if label.value in present]
    layers = [Layer(plane == label.value, label.colour, label.name) for label in found]
    unnamed = [replace(layer, name="") for layer in layers[_MOST_NAMED:]]
    strangers = plane > 0
    for layer in layers:
        strangers = strangers & ~layer.mask
    rest = [Layer(strangers, "#ffffff", "not in the class table")] if strangers.any() else []
    return (*layers[:_MOST_NAMED], *unnamed, *rest)


def painted(label_map: LabelMap) -> LabelMap:
    """The map with the classes that are painted: objects in the colour of theirs, with free seams where they touch."""
    if label_map.kind is not LabelKind.INSTANCES or not label_map.labels.foreground:
        return label_map
    numbers, label = label_map.array, label_map.labels.foreground[0]
    classes = np.where((numbers > 0) & ~object_seams(numbers), label.value, 0).astype(np.uint16)
    return label_map.replace(array=classes, kind=LabelKind.SEMANTIC)


def error_layers(reference: NDArray[Any], prediction: NDArray[Any]) -> tuple[Layer, ...]:
    """What was found, missed, added and confused in a plane, with counts of pixels."""
    hit = (reference > 0) & (reference == prediction)
    parts = [
        (hit, FOUND, "found", 0.35),
        ((reference > 0) & (prediction == 0), MISSED, "missed", 0.9),
        ((reference == 0) & (prediction > 0), EXTRA, "extra", 0.9),
    ]
    confused = (reference > 0) & (prediction > 0) & ~hit
    if confused.any():
        parts.append((confused, CONFUSED, "other class", 0.9))
    return tuple(
        Layer(mask, colour, f"{name} {np.count_nonzero(mask):,} px", opacity, outlined=False)
        for mask, colour, name, opacity in parts
    )


def zoom_box(masks: Sequence[NDArray[np.bool_]], *, pixel_aspect: float) -> Box | None:
    """The part of the picture around its largest finding where the findings are small; None where they are not.

    Args:
        masks: what is painted, (rows, columns) each.
        pixel_aspect: height of a pixel over its width; the box is square to the eye.
    """
    if not masks:
        return None
    union = np.logical_or.reduce(masks)
    if not union.any() or union.mean() > _SMALL_SHARE:
        return None
    components, _ = ndimage.label(union, structure=np.ones((3, 3)))
    largest = int(np.argmax(np.bincount(components.ravel())[1:])) + 1
    rows, columns = ndimage.find_objects(components)[largest - 1]
    side = 1.8 * max((rows.stop - rows.start) * pixel_aspect, columns.stop - columns.start)
    limit = min(union.shape[0] * pixel_aspect, union.shape[1])
    if side > _WIDEST_BOX * limit:
        return None
    side = max(side, _NARROWEST_BOX * limit, 12.0)
    top, bottom = _around(rows, round(side / pixel_aspect), union.shape[0])
    left, right = _around(columns, round(side), union.shape[1])
    return Box(top, bottom, left, right)


def content(grey: NDArray[np.floating], masks: Sequence[NDArray[np.bool_]]) -> tuple[slice, slice]:
    """Rows and columns of the picture without its black margin (air around a body); masks are never cut."""
    filled = np.logical_or.reduce([grey > _BLACK, *masks])
    # Single specks of noise in air are no content.
    filled = ndimage.binary_opening(filled) | np.logical_or.reduce([np.zeros_like(filled), *masks])
    if not filled.any():
        return slice(0, grey.shape[0]), slice(0, grey.shape[1])
    spans = []
    for axis, size in enumerate(grey.shape):
        inside = np.flatnonzero(filled.any(axis=1 - axis))
        margin = round(_MARGIN_SHARE * size)
        spans.append(slice(max(int(inside[0]) - margin, 0), min(int(inside[-1]) + 1 + margin, size)))
    return spans[0], spans[1]


def _around(extent: slice, length: int, size: int) -> tuple[int, int]:
    """Start and stop of `length` pixels around `extent`, within `size`."""
    length = min(max(length, 1), size)
    start = (extent.start + extent.stop - length) // 2
    start = min(max(start, 0), size - length)
    return start, start + length
