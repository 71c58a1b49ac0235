"""Small tables that a user gives beside the maps: what values mean, and whose each case is."""

from __future__ import annotations

import csv
from pathlib import Path

from medseg.errors import InputError
from medseg.images import Label, LabelTable

_COLOURS = LabelTable.from_names([str(number) for number in range(16)]).labels


def read_labels(path: Path) -> LabelTable:
    """The classes in a CSV file with the columns `value` and `name`, and `colour` ("#rrggbb") where wanted.

    The background is added where the file does not name value 0.

    Raises:
        InputError: the file cannot be read, lacks a column, or a value is no whole number.
        LabelError: a value or name stands twice.
    """
    labels = []
    for number, row in enumerate(_rows(path, columns=("value", "name")), start=2):
        text = row["value"].strip()
        if not text.isdigit():
            message = f"{path}: expected a whole number from 0 on as value in line {number}, got {text!r}."
            raise InputError(message)
        colour = (row.get("colour") or "").strip() or _COLOURS[int(text) % len(_COLOURS)].colour
        labels.append(Label(int(text), row["name"].strip(), colour))
    if all(label.value for label in labels):
        labels.append(Label(0, "background", "#000000"))
    return LabelTable(tuple(labels))


def read_patients(path: Path) -> dict[str, str]:
    """Case id -> patient, from a CSV file with the columns `case_id` and `patient`.

    Raises:
        InputError: the file cannot be read, lacks a column, leaves a patient out or names a case twice.
    """
    patients: dict[str, str] = {}
    for number, row in enumerate(_rows(path, columns=("case_id", "patient")), start=2):
        case_id, patient = row["case_id"].strip(), row["patient"].strip()
        if not case_id or not patient or case_id in patients:
            message = f"{path}: expected a new case id and its patient in line {number}, got {case_id!r}, {patient!r}."
            raise InputError(message)
        patients[case_id] = patient
    return patients


def _rows(path: Path, *, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            found = tuple(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: cannot be read as a table ({error}). Expected CSV with the columns {', '.join(columns)}."
        raise InputError(message) from error
    lacking = [column for column in columns if column not in found]
    if lacking or not rows:
        what = f"no column {lacking[0]}" if lacking else "no row"
        message = f"{path}: expected a CSV table with the columns {', '.join(columns)}, got {what}."
        raise InputError(message)
    return rows
