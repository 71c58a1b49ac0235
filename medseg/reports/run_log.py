"""The log of a training run as columns of numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import InputError

VALIDATION_PREFIX = "val/"


@dataclass(frozen=True)
class RunLog:
    """What a run wrote down as it went.

    Attributes:
        columns: name -> one number a row; nan where the row says nothing.
    """

    columns: dict[str, list[float]]

    def points(self, name: str, *, against: str = "step") -> tuple[list[float], list[float]]:
        """Positions and values of the rows that say something about `name`; empty where none does."""
        values = self.columns.get(name, [])
        positions = self.columns.get(against, [])
        kept = [
            (position, value)
            for position, value in zip(positions, values, strict=False)
            if not (math.isnan(value) or math.isnan(position))
        ]
        return [position for position, _ in kept], [value for _, value in kept]

    def scores(self) -> tuple[str, ...]:
        """Names of the validation scores, without their prefix."""
        return tuple(
            name.removeprefix(VALIDATION_PREFIX)
            for name, values in self.columns.items()
            if name.startswith(VALIDATION_PREFIX) and not all(math.isnan(value) for value in values)
        )

    def last(self, name: str) -> float:
        """Last number of a column; nan where it has none."""
        values = [value for value in self.columns.get(name, []) if not math.isnan(value)]
        return values[-1] if values else math.nan


def read_run_log(path: Path) -> RunLog:
    """The log in `path`.

    Raises:
        InputError: it cannot be read, or has no column `step`.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            names: Sequence[str] = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: cannot be read as CSV ({error})."
        raise InputError(message) from error
    if "step" not in names:
        message = (
            f"{path}: expected the log of a training run with a column 'step', got {', '.join(names) or 'nothing'}."
        )
        raise InputError(message)
    return RunLog({name: [_number(row.get(name)) for row in rows] for name in names})


def _number(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan
