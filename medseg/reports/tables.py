"""Scores, cases and definitions as HTML tables."""

from __future__ import annotations

import math

from medseg.evaluation import CaseScores, Comparison, Evaluation
from medseg.evaluation.text import (
    AGREEMENT_HEADINGS,
    COMPARISON_HEADINGS,
    agreement_rows,
    case_columns,
    comparison_rows,
    definitions_used,
    number_text,
    presence_rows,
    score_heading,
    score_name,
    score_rows,
)
from medseg.metrics import definition_of
from medseg.reports.document import escape, fold, table

_CASE_CHIPS = 4
_OPEN_ROWS = 20


def scores_table(evaluation: Evaluation) -> str:
    """Each score with its unit, the cases it rests on and those it leaves out."""
    headings, *rows = score_rows(evaluation)
    return table([heading[:1].upper() + heading[1:] for heading in headings], rows)


def presence_table(evaluation: Evaluation) -> str:
    """Of each class, how many cases hold it in both maps, in one, or in neither; empty where all hold all."""
    rows = presence_rows(evaluation)
    return table(("Class", "In both", "Missed", "Falsely there", "In neither"), rows) if rows else ""


def agreement_table(evaluation: Evaluation) -> str:
    """Bias and limits of agreement of the volumes of each class."""
    return table([heading[:1].upper() + heading[1:] for heading in AGREEMENT_HEADINGS], agreement_rows(evaluation))


def comparison_table(comparison: Comparison) -> str:
    """Each score of two models, paired."""
    return table([heading[:1].upper() + heading[1:] for heading in COMPARISON_HEADINGS], comparison_rows(comparison))


def cases_table(evaluation: Evaluation) -> str:
    """The cases, worst first; all but the first ones are folded away."""
    keys = case_columns(evaluation)
    headings = ("Case", *(score_heading(key) for key in keys))
    rows = [(case.case_id, *(_value(case, key) for key in keys)) for case in evaluation.worst_first()]
    rest = rows[_OPEN_ROWS:]
    folded = fold(f"{len(rest)} more cases", table(headings, rest)) if rest else ""
    return table(headings, rows[:_OPEN_ROWS]) + folded


def case_chips(evaluation: Evaluation, case: CaseScores) -> str:
    """The scores that tell the case apart, as small labels."""
    keys = case_columns(evaluation)[:_CASE_CHIPS]
    return "".join(
        f'<span class="chip">{escape(score_name(key))} <b>{escape(_value(case, key))}</b></span>' for key in keys
    )


def definitions_table(evaluation: Evaluation) -> str:
    """What each score means and when it is undefined."""
    rows = []
    for entry in definitions_used(evaluation).values():
        unit = "" if entry["unit"] == "1" else f" {entry['unit']}"
        meaning = f"{entry['meaning']}. {entry['range']}{unit}, {entry['direction']}."
        rows.append((entry["name"], meaning, entry["undefined"], entry["over_cases"], entry["citation"]))
    return table(("Score", "Meaning", "Undefined when", "Over cases", "Source"), rows, numeric_from=5)


def _value(case: CaseScores, key: str) -> str:
    return number_text(case.scores.get(key, math.nan), unit=definition_of(key).unit)
