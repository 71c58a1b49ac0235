"""The tables with the scores of predicted objects that belong to the cases of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medseg.errors import InputError
from medseg.evaluation.cases import CasePair
from medseg.evaluation.option_files import file_of_each
from medseg.io.patient_table import read_rows

_COLUMNS = ("object_id", "score")
_BATCH_TABLE = "objects.csv"


def with_object_scores(pairs: Sequence[CasePair], source: Path) -> tuple[CasePair, ...]:
    """The pairs, each with the table of its objects; a single pair takes a single file whatever its name.

    In a folder the table of a case is CASE.csv, or, in the results of a batch, CASE/objects.csv.

    Raises:
        InputError: no such path, one file for several cases, or a case without a file.
    """
    paths = file_of_each(
        pairs,
        source,
        option="--scores",
        remedy="Write it with medseg predict --objects.",
        in_folder=lambda names: [_table_of(name, source) for name in names],
    )
    return tuple(replace(pair, object_scores=path) for pair, path in zip(pairs, paths, strict=True))


def _table_of(case_id: str, folder: Path) -> Path:
    for path in (folder / f"{case_id}.csv", folder / case_id / _BATCH_TABLE):
        if path.is_file():
            return path
    message = f"--scores {folder}: expected {case_id}.csv or {case_id}/{_BATCH_TABLE} there. Predict or rename it."
    raise InputError(message)


def load_object_scores(path: Path) -> Mapping[int, float]:
    """Object number -> confidence, from a CSV file with the columns `object_id` and `score`.

    Raises:
        InputError: the file cannot be read, lacks a column, names an object twice, or holds no number there.
    """
    scores: dict[int, float] = {}
    for line, row in enumerate(read_rows(path, columns=_COLUMNS, may_be_empty=True), start=2):
        number, score = row["object_id"].strip(), _number(row["score"])
        if not number.isdecimal() or int(number) in scores or not math.isfinite(score):
            message = (
                f"{path}: expected a new object_id and its score in line {line}, got {number!r}, {row['score']!r}. "
                "Tables of models that find no single objects have no scores."
            )
            raise InputError(message)
        scores[int(number)] = score
    return scores


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
