"""Whose each case of a folder is: so that no patient trains a network and judges it as well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from medseg.datasets.pairing import Pair
from medseg.errors import ConfigError, InputError
from medseg.io.dispatch import DICOM_READER, reader_of
from medseg.io.patient_table import read_patients


def patients_of(pairs: Sequence[Pair], *, pattern: str | None, table: Path | None, where: str) -> dict[str, str]:
    """Case id -> name of its patient.

    A table or a pattern is believed. Without either, cases whose DICOM images state one Patient ID are one patient,
    under a number, since the ID itself may not be shown; any other case is a patient of its own.

    Args:
        pairs: the cases.
        pattern: regular expression with one group that finds the patient in a case's name.
        table: CSV file with the columns case_id and patient.
        where: name of the options, for messages.

    Raises:
        ConfigError: the pattern does not match a case.
        InputError: the table cannot be read or lacks a case.
    """
    if table is not None:
        return _of_table(pairs, table)
    if pattern is not None:
        return {pair.case_id: _of_name(pair.case_id, pattern, where=where) for pair in pairs}
    numbers: dict[str, int] = {}
    return {pair.case_id: _of_image(pair, numbers, where=where) for pair in pairs}


def _of_table(pairs: Sequence[Pair], table: Path) -> dict[str, str]:
    patients = read_patients(table)
    missing = [pair.case_id for pair in pairs if pair.case_id not in patients]
    if missing:
        message = f"{table}: has no row for case {missing[0]!r} ({len(missing)} missing). Give each case its patient."
        raise InputError(message)
    return patients


def _of_name(case_id: str, pattern: str, *, where: str) -> str:
    match = re.search(pattern, case_id)
    if match is None:
        message = f"{where}.group_pattern: {pattern!r} does not match case {case_id!r}. Make it match every case."
        raise ConfigError(message)
    return match[1]


def _of_image(pair: Pair, numbers: dict[str, int], *, where: str) -> str:
    if reader_of(pair.image) is not DICOM_READER:
        return pair.case_id
    from medseg.io.dicom.patient import stated_patient  # pydicom is loaded for DICOM alone

    patient = stated_patient(pair.image)
    if not patient:
        return pair.case_id
    number = numbers.setdefault(patient, len(numbers) + 1)
    return f"patient {number} by DICOM Patient ID; {where}.patients says otherwise"
