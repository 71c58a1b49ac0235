"""Pictures of single objects for a report: the slice of the largest extent, its outline and its diameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medseg.reports.layers import Layer, grey_levels
from medseg_napari.exporting.columns import length_unit, shown
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.review.boxes import widened
from medseg_napari.review.objects import TableRow

PER_SHEET = 12
"""Objects on a sheet."""
MOST_PICTURED = 2 * PER_SHEET
"""Objects in a report that have a picture of their own: the largest."""
_COLUMNS = 4
_DPI = 130
_GROUND, _INK, _LINE = "#14181d", "#e8ebef", "#ffd84d"
_LEAST_MARGIN = 8
"""Voxels around an object."""
_OPACITY = 0.15


def largest_first(subject: ExportSubject, *, most: int) -> list[TableRow]:
    """The objects with most voxels, the largest first."""
    return sorted(subject.rows, key=lambda row: (-row.measured.voxels, row.object_id))[:most]


def sheet_of(subject: ExportSubject, rows: Sequence[TableRow]) -> Figure:
    """A sheet of up to `PER_SHEET` objects."""
    lines = -(-len(rows) // _COLUMNS)
    figure = Figure(figsize=(8.2, 2.35 * lines), dpi=_DPI, facecolor=_GROUND)
    FigureCanvasAgg(figure)
    places = figure.subplots(lines, _COLUMNS, squeeze=False)
    for axes in places.flat:
        axes.set_axis_off()
    for axes, row in zip(places.flat, rows, strict=False):
        _paint(axes, subject, row)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.3 / (2.35 * lines), wspace=0.05, hspace=0.22)
    return figure


def save_sheet(figure: Figure, path: Path) -> None:
    """Write a sheet as a PNG."""
    figure.savefig(path, format="png", dpi=_DPI, facecolor=_GROUND, metadata={"Software": "medseg"})


def _paint(axes: Axes, subject: ExportSubject, row: TableRow) -> None:
    labels = subject.source.labels
    if labels.ndim == 3:
        at = row.measured.largest_slice
        diameters = row.measured.diameters
        at = at if diameters is None else diameters.slice_index
        labels, box = labels[at], row.measured.box[1:]
        image = None if subject.source.image is None else subject.source.image[at]
    else:
        box, image = row.measured.box, subject.source.image
    steps = (subject.source.spacing_mm or (1.0, 1.0))[-2:]
    around = _around(box, labels.shape, steps)
    mask = labels[around] == row.object_id
    axes.imshow(_grey(subject, image, around), cmap="gray", vmin=0, vmax=1, aspect=steps[0] / steps[1])
    axes.imshow(Layer(mask, _colour(subject, row), "", _OPACITY).rgba(), aspect=steps[0] / steps[1])
    _draw_diameters(axes, row, around)
    axes.set_title(_caption(subject, row), fontsize=6.5, color=_INK, pad=3)


def _around(box: tuple[slice, ...], shape: tuple[int, ...], steps: Sequence[float]) -> tuple[slice, ...]:
    """A part that looks square around an object, with about its size as a margin."""
    sides = [(side.stop - side.start) * step for side, step in zip(box, steps, strict=True)]
    wanted = 1.8 * max(sides) + 2 * _LEAST_MARGIN * min(steps)
    margins = tuple(
        max(2, round((wanted / step - (side.stop - side.start)) / 2)) for side, step in zip(box, steps, strict=True)
    )
    return widened(box, margins, shape=shape)


def _grey(subject: ExportSubject, image: NDArray | None, part: tuple[slice, ...]) -> NDArray[np.floating]:
    if image is None or subject.shows_text:
        return np.zeros(tuple(side.stop - side.start for side in part), dtype=np.float32)
    levels: NDArray[np.floating] = grey_levels(image, value_unit=subject.source.value_unit or None)[part]
    return levels


def _colour(subject: ExportSubject, row: TableRow) -> str:
    return next(label.colour for label in subject.table if label.name == row.class_name)


def _draw_diameters(axes: Axes, row: TableRow, part: tuple[slice, ...]) -> None:
    found = row.measured.diameters
    if found is None:
        return
    for ends in (found.longest_ends_voxel, found.across_ends_voxel):
        points = np.asarray(ends)[:, -2:] - [side.start for side in part]
        axes.plot(points[:, 1], points[:, 0], color=_LINE, linewidth=0.8)


def _caption(subject: ExportSubject, row: TableRow) -> str:
    found = row.measured.diameters
    unit, factor = length_unit(subject)
    size = "" if found is None else f"{found.longest_mm * factor:.1f} × {found.across_mm * factor:.1f} {unit}, "
    confidence = "" if row.confidence is None else f", {shown(row.confidence)}"
    return f"#{row.object_id} {row.class_name}\n{size}{row.state.value}{confidence}"
