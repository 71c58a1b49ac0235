"""The table of objects as a CSV file: one row an object, one column a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

from medseg.inference.objects import ObjectRow

_NAMES = tuple(field.name for field in fields(ObjectRow))
_AXES = {"centroid_mm": "xyz", "centroid_voxel": "012", "box_start": "012", "box_stop": "012"}
"""Fields that hold one number an axis: letters of the world axes, or positions of the array axes."""


def objects_csv(objects: Sequence[ObjectRow], *, ndim: int) -> str:
    """The rows as CSV text with a header; unknown values are empty cells.

    Args:
        objects: the rows.
        ndim: number of spatial axes, which decides how many columns a position has.
    """
    return _text([_header(ndim), *(_line(row, ndim) for row in objects)])


def frames_csv(objects: Mapping[int, Sequence[ObjectRow]], *, ndim: int) -> str:
    """The same for a time series, with the number of the frame in the first column.

    Args:
        objects: number of a frame -> its rows.
        ndim: as in `objects_csv`.
    """
    lines = ([str(frame), *_line(row, ndim)] for frame, rows in objects.items() for row in rows)
    return _text([["frame", *_header(ndim)], *lines])


def _text(lines: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()


def _header(ndim: int) -> list[str]:
    return [column for name in _NAMES for column in _columns(name, ndim)]


def _line(row: ObjectRow, ndim: int) -> list[str]:
    content = asdict(row)
    return [cell for name in _NAMES for cell in _cells(name, content[name], ndim)]


def _columns(name: str, ndim: int) -> list[str]:
    if name not in _AXES:
        return [name]
    return [f"{name}_{axis}" for axis in _AXES[name][:ndim]]


def _cells(name: str, value: object, ndim: int) -> list[str]:
    if name in _AXES:
        numbers = value if isinstance(value, tuple) else (None,) * ndim
        return ["" if number is None else f"{number:.6g}" for number in numbers]
    if isinstance(value, float):
        return [f"{value:.6g}"]
    return ["" if value is None else str(value)]
