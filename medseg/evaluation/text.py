"""An evaluation as text: a table for people, CSV for other programs, and the definitions it used."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medseg.metrics import MetricDefinition, definition_of

if TYPE_CHECKING:
    from medseg.evaluation.result import CaseScores, Evaluation

_CASE_COLUMNS = 6
"""Scores shown beside each case; all of them are in the JSON and the CSV."""


_LINE_LENGTH = 110
_USUAL_MEAN = MetricDefinition.over_cases


def number_text(value: float, *, unit: str = "1") -> str:
    """A value with the digits that mean something; an undefined one is a dash."""
    if math.isnan(value):
        return "-"
    return f"{value:+.3f}" if unit == "ml" else f"{value:.4f}"


def score_name(key: str) -> str:
    """Name of a score for people, "Dice, membrane" for "dice/membrane"."""
    name = definition_of(key).name
    _, _, label = key.partition("/")
    return f"{name}, {label}" if label else name


def score_heading(key: str) -> str:
    """Name of a score with its unit, for the head of a column."""
    unit = definition_of(key).unit
    return score_name(key) if unit == "1" else f"{score_name(key)} ({unit})"


def definitions_used(evaluation: Evaluation) -> dict[str, dict[str, str]]:
    """What each score of the evaluation means, by key without its class."""
    keys = dict.fromkeys(key.partition("/")[0] for key in evaluation.means)
    result = {}
    for key in keys:
        entry = definition_of(key)
        result[key] = {
            "name": entry.name,
            "meaning": entry.meaning,
            "unit": entry.unit,
            "range": entry.value_range,
            "direction": entry.direction.value,
            "undefined": entry.when_undefined,
            "over_cases": entry.over_cases,
            "citation": entry.citation,
        }
    return result


def case_columns(evaluation: Evaluation) -> tuple[str, ...]:
    """Keys that a table of cases shows: the main score, then the first few others that tell cases apart."""
    several = len(evaluation.labels.foreground) > 1
    wanted = [key for key in evaluation.means if definition_of(key).key in {"v_rand", "v_info", "mean_dice"}]
    wanted += ["mean_iou", "pixel_accuracy"]
    parts = ("dice",) if several else ("precision", "recall", "volume_difference_ml")
    wanted += [f"{part}/{label.name}" for label in evaluation.labels.foreground for part in parts]
    present = [key for key in dict.fromkeys(wanted) if key in evaluation.means]
    present.sort(key=lambda key: key != evaluation.main_score)
    return tuple(present[:_CASE_COLUMNS])


def evaluation_table(evaluation: Evaluation) -> str:
    """The results as text."""
    blocks = [
        f"{evaluation.task}: {len(evaluation.cases)} case{'s' if len(evaluation.cases) != 1 else ''}",
        _scores_block(evaluation),
    ]
    if len(evaluation.cases) > 1:
        blocks.append(_cases_block(evaluation))
    blocks.append(_definitions_block(evaluation))
    blocks += [f"Note: {note}" for note in evaluation.notes]
    return "\n\n".join(blocks) + "\n"


def cases_csv(evaluation: Evaluation) -> str:
    """One row a case and one column a score; an undefined score is an empty field."""
    keys = tuple(evaluation.means)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("case_id", *keys))
    for case in evaluation.cases:
        values = (case.scores.get(key, math.nan) for key in keys)
        writer.writerow((case.case_id, *("" if math.isnan(value) else repr(float(value)) for value in values)))
    return stream.getvalue()


def _scores_block(evaluation: Evaluation) -> str:
    rows = [("score", "value", "unit", "cases", "undefined", "all voxels")]
    for key, mean in evaluation.means.items():
        unit = definition_of(key).unit
        pooled = evaluation.pooled.get(key)
        rows.append(
            (
                score_name(key),
                number_text(mean.value, unit=unit),
                unit,
                str(mean.num_cases),
                str(mean.num_undefined) if mean.num_undefined else "",
                "" if pooled is None else number_text(pooled, unit=unit),
            )
        )
    return _aligned(rows)


def _cases_block(evaluation: Evaluation) -> str:
    keys = case_columns(evaluation)
    rows = [("case (worst first)", *(score_heading(key) for key in keys))]
    rows += [(case.case_id, *_case_numbers(case, keys)) for case in evaluation.worst_first()]
    return _aligned(rows)


def _case_numbers(case: CaseScores, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(number_text(case.scores.get(key, math.nan), unit=definition_of(key).unit) for key in keys)


def _definitions_block(evaluation: Evaluation) -> str:
    lines = [
        "Definitions (TP, FP, FN: voxels of a class rightly found, wrongly found, missed; - is undefined;",
        f"over cases: {_USUAL_MEAN}, where nothing else is said)",
    ]
    for entry in definitions_used(evaluation).values():
        unit = "" if entry["unit"] == "1" else f"{entry['unit']}, "
        source = f" [{entry['citation']}]" if entry["citation"] else ""
        over_cases = "" if entry["over_cases"] == _USUAL_MEAN else f"; over cases: {entry['over_cases']}"
        line = (
            f"{entry['name']}: {entry['meaning']}. {unit}{entry['range']}, {entry['direction']}; "
            f"undefined: {entry['undefined']}{over_cases}.{source}"
        )
        lines.append(textwrap.fill(line, _LINE_LENGTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as lines: the first column to the left, the others to the right, a rule under the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)
