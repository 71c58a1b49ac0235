"""The table of objects as a CSV file: one row an object, one column a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from medseg.inference.objects import ObjectRow

_AXES = {"centroid_mm": "xyz", "centroid_voxel": "012", "box_start": "012", "box_stop": "012"}
"""Fields that hold one number an axis: letters of the world axes, or positions of the array axes."""


def objects_csv(objects: Sequence[ObjectRow], *, ndim: int) -> str:
    """The rows as CSV text with a header; unknown values are empty cells.

    Args:
        objects: the rows.
        ndim: number of spatial axes, which decides how many columns a position has.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [field.name for field in fields(ObjectRow)]
    writer.writerow([column for name in names for column in _columns(name, ndim)])
    for row in objects:
        content = asdict(row)
        writer.writerow([cell for name in names for cell in _cells(name, content[name], ndim)])
    return stream.getvalue()


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
