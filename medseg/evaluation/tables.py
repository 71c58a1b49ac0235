"""Small tables that a user gives beside the maps: what values mean, and whose each case is."""

from __future__ import annotations

from pathlib import Path

from medseg.errors import InputError
from medseg.images import Label, LabelTable
from medseg.io.patient_table import read_patients, read_rows

__all__ = ["read_labels", "read_patients"]

_COLOURS = LabelTable.from_names([str(number) for number in range(16)]).labels


def read_labels(path: Path) -> LabelTable:
    """The classes in a CSV file with the columns `value` and `name`, and `colour` ("#rrggbb") where wanted.

    The background is added where the file does not name value 0.

    Raises:
        InputError: the file cannot be read, lacks a column, or a value is no whole number.
        LabelError: a value or name stands twice.
    """
    labels = []
    for number, row in enumerate(read_rows(path, columns=("value", "name")), start=2):
        text = row["value"].strip()
        if not text.isdigit():
            message = f"{path}: expected a whole number from 0 on as value in line {number}, got {text!r}."
            raise InputError(message)
        colour = (row.get("colour") or "").strip() or _COLOURS[int(text) % len(_COLOURS)].colour
        labels.append(Label(int(text), row["name"].strip(), colour))
    if all(label.value for label in labels):
        labels.append(Label(0, "background", "#000000"))
    return LabelTable(tuple(labels))
