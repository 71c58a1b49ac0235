"""Whose each case is, from a table that the user gives."""

from __future__ import annotations

import csv
from pathlib import Path

from medseg.errors import InputError


def read_patients(path: Path) -> dict[str, str]:
    """Case id -> patient, from a CSV file with the columns `case_id` and `patient`.

    Raises:
        InputError: the file cannot be read, lacks a column, leaves a patient out or names a case twice.
    """
    patients: dict[str, str] = {}
    for number, row in enumerate(read_rows(path, columns=("case_id", "patient")), start=2):
        case_id, patient = row["case_id"].strip(), row["patient"].strip()
        if not case_id or not patient or case_id in patients:
            message = f"{path}: expected a new case id and its patient in line {number}, got {case_id!r}, {patient!r}."
            raise InputError(message)
        patients[case_id] = patient
    return patients


def read_rows(path: Path, *, columns: tuple[str, ...], may_be_empty: bool = False) -> list[dict[str, str]]:
    """The rows of a CSV file with a line of column names.

    Args:
        path: the file.
        columns: names that must be there.
        may_be_empty: whether a table without rows is taken.

    Raises:
        InputError: the file cannot be read, lacks one of `columns`, or has no row where it must.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            found = tuple(reader.fieldnames or ())
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: cannot be read as a table ({error}). Expected CSV with the columns {', '.join(columns)}."
        raise InputError(message) from error
    lacking = [column for column in columns if column not in found]
    if lacking or not (rows or may_be_empty):
        what = f"no column {lacking[0]}" if lacking else "no row"
        message = f"{path}: expected a CSV table with the columns {', '.join(columns)}, got {what}."
        raise InputError(message)
    return rows
