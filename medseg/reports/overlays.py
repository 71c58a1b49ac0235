"""Pictures of an image with its reference, its prediction and the errors, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.files import atomic_path
from medseg.images import Image, LabelMap
from medseg.reports.layers import Box, Layer, content, error_layers, grey_levels, label_layers, painted, zoom_box
from medseg.reports.plane import DisplayPlane, choose_plane

_BACKGROUND = "#14181d"
_INK = "#e8ebef"
_FAINT = "#9aa4af"
_MARK = "#ffd84d"
_DPI = 150
_PANEL_INCHES = 3.42
"""Width of a panel: 512 pixels of the picture, so that a slice of 512 pixels is shown one to one."""
_MARGIN_INCHES = 0.09
_HEAD_INCHES = 0.24
_LINE_INCHES = 0.2
_ERROR_GROUND = 0.5
"""Brightness of the image below the error map: dimmed, so that the errors stand out."""
_FOOT_INCHES = 0.34
_BURNED_IN_TEXT = "burned-in-text"
"""Code of the DICOM reader's verdict on an image that shows text."""
_HIDDEN = "(image not drawn: text is burned into its pixels)"
_LETTER_PLACES = (
    (0.015, 0.5, "left", "center"),
    (0.985, 0.5, "right", "center"),
    (0.5, 0.985, "center", "top"),
    (0.5, 0.015, "center", "bottom"),
)
"""For the letters at the left, right, top and bottom: place in the panel and how the text is anchored there."""
_TALLEST_PANEL = 1.35
_FLATTEST_PANEL = 0.45


@dataclass(frozen=True)
class _Panel:
    """One picture of the row.

    Attributes:
        heading: what it shows.
        layers: masks over the image.
        brightness: of the image below them, 0..1.
    """

    heading: str
    layers: tuple[Layer, ...] = ()
    brightness: float = 1.0

    def cropped(self, part: tuple[slice, slice]) -> _Panel:
        """The same of a part of the picture."""
        return replace(self, layers=tuple(layer.cropped(part) for layer in self.layers))


def write_overlay(
    path: Path,
    *,
    image: Image | None = None,
    reference: LabelMap | None = None,
    prediction: LabelMap | None = None,
    title: str = "",
) -> None:
    """Write a PNG with the image, its reference, its prediction and the errors side by side, as far as they are given.

    Of a volume it shows the slice with most wrong voxels, patients' volumes in radiological convention with letters
    at the edges; the line below the title says which slice it is. Small findings are also shown enlarged. Without an
    image the masks lie on black; likewise where the file says that text is burned into its pixels (DICOM PS3.3
    C.7.6.1.1.1, Burned In Annotation), since pictures are passed on more freely than images. Objects have the colour of
    their class and a free seam where they touch.

    Args:
        path: the PNG.
        image: the image; several channels are averaged where they are colours, else the first counts.
        reference: the truth, on the image's grid.
        prediction: the prediction, on the image's grid.
        title: the heading.

    Raises:
        InputError: neither an image nor a label map.
        GeometryError: a label map has another size than the image.
        StorageError: the file cannot be written.
    """
    shown = next((one for one in (image, reference, prediction) if one is not None), None)
    if shown is None:
        message = f"overlay {title or path}: expected an image or a label map to draw, got neither."
        raise InputError(message)
    reference, prediction = (None if one is None else painted(one) for one in (reference, prediction))
    _check_sizes(shown.spatial_shape, reference=reference, prediction=prediction, title=title)
    plane = choose_plane(
        shown.grid,
        axes=shown.axes.removeprefix("C"),
        reference=None if reference is None else reference.array,
        prediction=None if prediction is None else prediction.array,
    )
    panels = _panels(plane, reference, prediction)
    if image is None:
        grey = _black(plane, shown.spatial_shape)
        panels = panels[1:]
    elif _shows_text(image):
        grey = _black(plane, shown.spatial_shape)
        title = f"{title} {_HIDDEN}".strip()
    else:
        grey = grey_levels(plane.cut(_single_channel(image)), value_unit=image.metadata.value_unit)
    figure = _draw(grey, panels, plane=plane, title=title)
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, facecolor=_BACKGROUND, metadata={"Software": "medseg"})


def _check_sizes(
    expected: tuple[int, ...], *, reference: LabelMap | None, prediction: LabelMap | None, title: str
) -> None:
    for name, label_map in (("reference", reference), ("prediction", prediction)):
        if label_map is not None and label_map.spatial_shape != expected:
            message = (
                f"{name} of {title or 'the image'}: expected the image's size {expected}, "
                f"got {label_map.spatial_shape}. Resample it like the image first."
            )
            raise GeometryError(message)


def _shows_text(image: Image) -> bool:
    return any(verdict.code == _BURNED_IN_TEXT for verdict in image.metadata.verdicts)


def _black(plane: DisplayPlane, spatial_shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.zeros_like(plane.cut(np.empty(spatial_shape, dtype=np.uint8)), dtype=np.float32)


def _single_channel(image: Image) -> NDArray[Any]:
    colours = image.num_channels == 3 and image.array.dtype == np.uint8
    plane: NDArray[Any] = image.array.mean(axis=0) if colours else image.array[0]
    return plane


def _panels(plane: DisplayPlane, reference: LabelMap | None, prediction: LabelMap | None) -> list[_Panel]:
    panels = [_Panel("Image")]
    for heading, label_map in (("Reference", reference), ("Prediction", prediction)):
        if label_map is not None:
            panels.append(_Panel(heading, label_layers(plane.cut(label_map.array), label_map.labels)))
    if reference is not None and prediction is not None:
        errors = error_layers(plane.cut(reference.array), plane.cut(prediction.array))
        panels.append(_Panel("Errors", errors, brightness=_ERROR_GROUND))
    return panels


def _draw(grey: NDArray[Any], panels: list[_Panel], *, plane: DisplayPlane, title: str) -> Figure:
    if plane.letters is not None:
        part = content(grey, _masks(panels))
        grey, panels = grey[part], [panel.cropped(part) for panel in panels]
    rows, columns = grey.shape
    shape = float(np.clip(rows * plane.pixel_aspect / columns, _FLATTEST_PANEL, _TALLEST_PANEL))
    lines = [line for line in (title, plane.caption) if line]
    width = len(panels) * (_PANEL_INCHES + _MARGIN_INCHES) + _MARGIN_INCHES
    height = _HEAD_INCHES + len(lines) * _LINE_INCHES + _PANEL_INCHES * shape + _FOOT_INCHES
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    _write_heading(figure, lines, has_title=bool(title))
    box = zoom_box(_masks(panels), pixel_aspect=plane.pixel_aspect)
    for index, panel in enumerate(panels):
        left = _MARGIN_INCHES + index * (_PANEL_INCHES + _MARGIN_INCHES)
        place = (left / width, _FOOT_INCHES / height, _PANEL_INCHES / width, _PANEL_INCHES * shape / height)
        axes = figure.add_axes(place, facecolor=_BACKGROUND)
        _paint(axes, grey, panel, pixel_aspect=plane.pixel_aspect)
        axes.set_title(panel.heading, loc="left", fontsize=8.5, color=_INK, pad=3)
        if plane.letters is not None:
            _write_letters(axes, plane.letters)
        if box is not None:
            _add_inset(axes, grey, panel, box, pixel_aspect=plane.pixel_aspect)
        _add_legend(axes, panel.layers)
    return figure


def _masks(panels: list[_Panel]) -> list[NDArray[Any]]:
    return [layer.mask for panel in panels for layer in panel.layers]


def _write_heading(figure: Figure, lines: list[str], *, has_title: bool) -> None:
    height = figure.get_figheight()
    left = _MARGIN_INCHES / figure.get_figwidth()
    for number, line in enumerate(lines):
        is_title = has_title and number == 0
        figure.text(
            left,
            1 - (0.07 + number * _LINE_INCHES) / height,
            line,
            va="top",
            fontsize=10.5 if is_title else 7.5,
            color=_INK if is_title else _FAINT,
            fontweight="bold" if is_title else "normal",
        )


def _paint(axes: Axes, grey: NDArray[Any], panel: _Panel, *, pixel_aspect: float) -> None:
    ground = grey * panel.brightness
    axes.imshow(ground, cmap="gray", vmin=0, vmax=1, aspect=pixel_aspect, interpolation="auto")
    for layer in panel.layers:
        axes.imshow(layer.rgba(), aspect=pixel_aspect, interpolation="auto")
    axes.set_axis_off()


def _write_letters(axes: Axes, letters: tuple[str, str, str, str]) -> None:
    for letter, (x, y, horizontal, vertical) in zip(letters, _LETTER_PLACES, strict=True):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            ha=horizontal,
            va=vertical,
            fontsize=8,
            color=_MARK,
            fontweight="bold",
            bbox={"facecolor": "black", "alpha": 0.45, "pad": 1.2, "linewidth": 0},
        )


def _add_inset(axes: Axes, grey: NDArray[Any], panel: _Panel, box: Box, *, pixel_aspect: float) -> None:
    """An enlarged view of `box` in the corner farthest from it."""
    rows, columns = grey.shape
    middle_row, middle_column = (box.top + box.bottom) / 2, (box.left + box.right) / 2
    share = 0.36
    x = 0.0 if middle_column > columns / 2 else 1 - share
    y = 0.0 if middle_row < rows / 2 else 1 - share
    inset = axes.inset_axes((x, y, share, share))
    inset.set_anchor(("N" if y else "S") + ("E" if x else "W"))
    part = (slice(box.top, box.bottom), slice(box.left, box.right))
    _paint(inset, grey[part], panel.cropped(part), pixel_aspect=pixel_aspect)
    inset.add_patch(
        Rectangle((-0.5, -0.5), box.right - box.left, box.bottom - box.top, fill=False, edgecolor=_MARK, linewidth=1.6)
    )
    axes.add_patch(
        Rectangle(
            (box.left - 0.5, box.top - 0.5),
            box.right - box.left,
            box.bottom - box.top,
            fill=False,
            edgecolor=_MARK,
            linewidth=0.9,
        )
    )


def _add_legend(axes: Axes, layers: tuple[Layer, ...]) -> None:
    handles = [Patch(facecolor=layer.colour, label=layer.name) for layer in layers if layer.name]
    if not handles:
        return
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=min(len(handles), 4),
        fontsize=7,
        frameon=False,
        labelcolor=_FAINT,
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=1.0,
        borderaxespad=0.25,
        borderpad=0.2,
    )
