"""An evaluation as text: a table for people, CSV for other programs, and the definitions it used."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medseg.evaluation.presence import Presence, presence_counts
from medseg.evaluation.task import TASK_VIEWS
from medseg.metrics import MetricDefinition, definition_of

if TYPE_CHECKING:
    from medseg.evaluation.intervals import Interval
    from medseg.evaluation.paired import Comparison
    from medseg.evaluation.result import CaseScores, Evaluation

_CASE_COLUMNS = 6
"""Scores shown beside each case; all of them are in the JSON and the CSV."""


_LINE_LENGTH = 110
_SMALLEST_P = 0.0001
_FORMATS = {"ml": "{:+.3f}", "mm": "{:.3f}"}
_USUAL_MEAN = MetricDefinition.over_cases


def number_text(value: float, *, unit: str = "1") -> str:
    """A value with the digits that mean something; an undefined one is a dash."""
    if math.isnan(value):
        return "-"
    return _FORMATS.get(unit, "{:.4f}").format(value)


def interval_text(interval: Interval | None, *, unit: str = "1") -> str:
    """The ends of a confidence interval; empty where there is none."""
    return "" if interval is None else " to ".join(number_text(end, unit=unit) for end in interval)


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
    wanted = list(TASK_VIEWS[evaluation.task].columns)
    parts = ("dice",) if several else ("precision", "recall", "hausdorff_95_directed_mm", "volume_difference_ml")
    wanted += [f"{part}/{label.name}" for label in evaluation.labels.foreground for part in parts]
    in_cases = {key for case in evaluation.cases for key in case.scores}
    present = [key for key in dict.fromkeys(wanted) if key in evaluation.means and key in in_cases]
    present.sort(key=lambda key: key != evaluation.main_score)
    return tuple(present[:_CASE_COLUMNS])


def evaluation_table(evaluation: Evaluation) -> str:
    """The results as text."""
    blocks = [
        f"{evaluation.task}: {len(evaluation.cases)} case{'s' if len(evaluation.cases) != 1 else ''}",
        _scores_block(evaluation),
    ]
    presence = presence_rows(evaluation)
    if presence:
        blocks.append(_aligned([PRESENCE_HEADINGS, *presence]))
    agreement = agreement_rows(evaluation)
    if agreement:
        heading = textwrap.fill(f"Agreement of volumes (Bland-Altman). {AGREEMENT_EXPLAINED}", _LINE_LENGTH)
        blocks.append(f"{heading}\n{_aligned([AGREEMENT_HEADINGS, *agreement])}")
    if evaluation.comparison is not None:
        heading = f"Compared with {evaluation.comparison.other} on the same cases. {COMPARISON_EXPLAINED}"
        heading = textwrap.fill(heading, _LINE_LENGTH)
        blocks.append(f"{heading}\n{_aligned([COMPARISON_HEADINGS, *comparison_rows(evaluation.comparison)])}")
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


def presence_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Of each class, the number of cases that hold it in both maps, one, or neither; none where all hold all."""
    counts = presence_counts(dict(case.presence) for case in evaluation.cases)
    if all(kinds[Presence.BOTH.value] == len(evaluation.cases) for kinds in counts.values()):
        return []
    return [(name, *(str(kinds[kind.value]) for kind in Presence)) for name, kinds in counts.items()]


PRESENCE_HEADINGS = ("cases that hold", "both", "missed", "false", "neither")


AGREEMENT_EXPLAINED = (
    "In ml, prediction minus reference: the bias is the mean difference; 95 % of the differences are expected between "
    "the limits if they are normal; the slope is the change of the difference per ml of volume. Cases in which neither "
    "map holds the class are left out and counted. In brackets 95 % intervals, which take each case as a patient of "
    "its own. Bland 1986, doi 10.1016/S0140-6736(86)90837-8."
)

AGREEMENT_HEADINGS = ("volumes of", "bias", "lower limit", "upper limit", "slope", "cases", "patients", "neither")


def agreement_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Bias and limits of agreement of the volumes of each class, in ml; none where there are too few cases."""
    rows: list[tuple[str, ...]] = []
    for name, one in evaluation.volume_agreement.items():
        found = one.agreement
        limits = zip(found.limits, (found.lower_limit_interval, found.upper_limit_interval), strict=True)
        rows.append(
            (
                name,
                *(
                    f"{number_text(value, unit='ml')} ({interval_text(interval, unit='ml')})"
                    for value, interval in ((found.bias, found.bias_interval), *limits)
                ),
                "-" if math.isnan(found.slope) else f"{found.slope:+.3f}",
                str(len(one.case_ids)),
                str(one.num_patients),
                str(one.num_neither),
            )
        )
    return rows


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """One row a score: both values, difference with interval, counts and p-values."""
    rows: list[tuple[str, ...]] = []
    for key, score in comparison.scores.items():
        unit = definition_of(key).unit
        unpaired = str(score.num_unpaired) if score.num_unpaired else ""
        rows.append(
            (
                score_heading(key),
                "together" if score.joined else "by patient",
                number_text(comparison.others[key], unit=unit),
                "-" if math.isnan(score.difference) else f"{score.difference:+.4f}",
                interval_text(score.interval, unit=unit),
                str(score.num_patients),
                unpaired,
                _p_text(score.p_wilcoxon),
                _p_text(score.p_permutation),
                f"{score.num_draws_undefined} of {score.num_draws}" if score.num_draws_undefined else "",
            )
        )
    return rows


def _p_text(value: float) -> str:
    return "< 0.0001" if value < _SMALLEST_P else number_text(value)


COMPARISON_EXPLAINED = (
    "A difference is this model's value minus the other's: of scores formed by patient, the mean of the patients' "
    "paired differences; of scores formed from all cases together, the difference of the two values, for which "
    "patients are drawn again (interval) and exchanged between the models (permutation). P-values are two-sided and "
    "not corrected for their number."
)

COMPARISON_HEADINGS = (
    "score",
    "formed",
    "other",
    "difference",
    "95 % interval",
    "patients",
    "unpaired cases",
    "p Wilcoxon",
    "p permutation",
    "undefined draws",
)


def score_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Headings, then one row a score with its counts; columns in which nothing stands are left out."""
    several_units = any(definition_of(key).unit != "1" for key in evaluation.means)
    over = f"{TASK_VIEWS[evaluation.task].over}s"
    rows = [("score", "value", "95 % interval", "median", "unit", over, "undefined", "infinite", "all voxels")]
    for key, mean in evaluation.means.items():
        unit = definition_of(key).unit
        pooled = evaluation.pooled.get(key)
        rows.append(
            (
                score_name(key),
                number_text(mean.value, unit=unit),
                interval_text(mean.interval, unit=unit),
                number_text(mean.median, unit=unit) if mean.num_cases > 1 else "",
                unit if several_units else "",
                str(mean.num_cases),
                str(mean.num_undefined) if mean.num_undefined else "",
                str(mean.num_infinite) if mean.num_infinite else "",
                "" if pooled is None else number_text(pooled, unit=unit),
            )
        )
    kept = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    return [tuple(row[column] for column in kept) for row in rows]


def _scores_block(evaluation: Evaluation) -> str:
    return _aligned(score_rows(evaluation))


def _cases_block(evaluation: Evaluation) -> str:
    keys = case_columns(evaluation)
    rows = [("case (worst first)", *(score_heading(key) for key in keys))]
    rows += [(case.case_id, *_case_numbers(case, keys)) for case in evaluation.worst_first()]
    return _aligned(rows)


def _case_numbers(case: CaseScores, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(number_text(case.scores.get(key, math.nan), unit=definition_of(key).unit) for key in keys)


def _definitions_block(evaluation: Evaluation) -> str:
    counted = TASK_VIEWS[evaluation.task].counted
    lines = [
        f"Definitions (TP, FP, FN: {counted} rightly found, wrongly found, missed; - is undefined;",
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
