"""Several networks or losses with the same small budget, as one table: text, CSV, JSON, curves and a page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.files import write_text_atomically
from medseg.reports.curves import SERIES, Series, line_chart, standalone
from medseg.reports.document import Document, escape, facts, notice, picture, table
from medseg.reports.run_log import VALIDATION_PREFIX, RunLog

_PICTURE_WIDTH = 1300
_MIB = 2**20
_DASH = "–"

COLUMNS_EXPLAINED = (
    "GFLOPs: of one forward pass of one patch, a multiply-add counted as two. Step: median time of a training step of "
    "one batch, without reading data. Memory: by how much the process grew at most while training (on CUDA: the most "
    "that was allocated), measured in a process of its own. Scores: over the validation cases; of several seeds the "
    "mean of those for which it is defined, and its range. Rows without parameters are constant answers, which need "
    "no network."
)


@dataclass(frozen=True)
class ComparedRun:
    """One training of a row.

    Attributes:
        seed: of the training.
        scores: of the validation cases, by key.
        log: how they rose.
    """

    seed: int
    scores: Mapping[str, float]
    log: RunLog


@dataclass(frozen=True)
class ComparedRow:
    """One row: a network trained with a loss, once or with several seeds, or a constant answer.

    Attributes:
        name: the row, also its run folder.
        constant_scores: of a constant answer.
        model: network; empty for a constant answer.
        loss: of the training.
        patch_size: of the training, in voxels.
        cost: `parameters`, `gflops`, `step_seconds` and `peak_memory_bytes`; empty for a constant answer.
        picture: image, reference, prediction and errors of a case that all rows share.
        problem: why there are no scores; empty where there are.
        runs: its trainings, one for each seed; none for a constant answer.
    """

    name: str
    constant_scores: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    loss: str = ""
    patch_size: tuple[int, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)
    picture: Path | None = None
    problem: str = ""
    runs: tuple[ComparedRun, ...] = ()

    @property
    def scores(self) -> Mapping[str, float]:
        """Mean over the runs in which a score is defined."""
        if not self.runs:
            return self.constant_scores
        return {key: mean(self.values(key)) for key in self.runs[0].scores}

    def values(self, key: str) -> list[float]:
        """A score of each run in which it is defined."""
        values = (run.scores.get(key, math.nan) for run in self.runs)
        return [value for value in values if math.isfinite(value)]


@dataclass(frozen=True)
class NetworkComparison:
    """What a comparison found.

    Attributes:
        title: name of the recipe.
        budget: what all networks were given, in words by name.
        rows: constant answers last.
        notes: what was left out, and why.
    """

    title: str
    budget: Mapping[str, str]
    rows: tuple[ComparedRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[ComparedRow, ...]:
        """The rows without scores."""
        return tuple(row for row in self.rows if row.problem)

    @property
    def score_keys(self) -> tuple[str, ...]:
        """Scores shown: those of the usual ones that a row has."""
        return tuple(key for key in _SCORES if any(key in row.scores for row in self.rows))

    @property
    def headings(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (
            "name",
            "patch",
            "parameters",
            "GFLOPs",
            "step",
            "memory",
            *map(_SCORES.__getitem__, self.score_keys),
        )

    @property
    def table_rows(self) -> list[tuple[str, ...]]:
        """The rows as text for people."""
        return [self._cells(row) for row in self.rows]

    def _cells(self, row: ComparedRow) -> tuple[str, ...]:
        name = f"{row.name} (failed)" if row.problem else row.name
        memory = row.cost.get("peak_memory_bytes")
        costs = (
            _written(row.cost.get("parameters"), ",d"),
            _written(row.cost.get("gflops"), ".3g"),
            _written(row.cost.get("step_seconds"), ".3f", " s"),
            _written(None if memory is None else memory / _MIB, ",.0f", " MiB"),
        )
        scores = (_with_range(row, key) for key in self.score_keys)
        return (name, " x ".join(map(str, row.patch_size)) or _DASH, *costs, *scores)

    def to_markdown(self) -> str:
        """The table as Markdown, with what its columns mean."""
        lines = [self.headings, ("---", *("---:" for _ in self.headings[1:])), *self.table_rows]
        parts = [f"# {self.title}", ", ".join(f"{name}: {value}" for name, value in self.budget.items()) + "."]
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
        parts += [COLUMNS_EXPLAINED, *self.notes]
        parts += [f"{row.name} failed: {row.problem}" for row in self.failures]
        return "\n\n".join(parts) + "\n"

    def to_csv(self) -> str:
        """One line a row with plain numbers; what is undefined is empty."""
        text = io.StringIO()
        costs = ("parameters", "gflops", "step_seconds", "peak_memory_bytes")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("name", "model", "loss", "patch_size", *costs, *self.score_keys, "problem"))
        for row in self.rows:
            numbers = [row.cost.get(key) for key in costs] + [row.scores.get(key) for key in self.score_keys]
            patch = "x".join(map(str, row.patch_size))
            writer.writerow((row.name, row.model, row.loss, patch, *map(_number, numbers), row.problem))
        return text.getvalue()

    def to_json(self) -> str:
        """All of it, every score included; undefined is null."""
        rows = [
            {
                "name": row.name,
                "model": row.model,
                "loss": row.loss,
                "patch_size": list(row.patch_size),
                **row.cost,
                "scores": _plain(row.scores),
                "runs": [{"seed": run.seed, "scores": _plain(run.scores)} for run in row.runs],
                "problem": row.problem,
            }
            for row in self.rows
        ]
        content = {"recipe": self.title, "budget": dict(self.budget), "notes": list(self.notes), "rows": rows}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_SCORES = {
    "mean_dice": "Dice",
    "mean_iou": "mIoU",
    "v_rand": "V_rand",
    "lesion_recall": "lesions found",
    "lesion_precision": "true of those claimed",
}
"""Scores that fit into the table; compare.json has them all."""


def write_comparison(comparison: NetworkComparison, folder: Path) -> Path:
    """Write table.md, table.csv, compare.json, report.html and curves into `folder`; returns the page's path.

    For a few rows there is a `curve-SCORE.svg` for each score of the table, over the steps of the training.

    Raises:
        InputError: a picture cannot be read.
        StorageError: a file cannot be written.
    """
    write_text_atomically(folder / "table.md", comparison.to_markdown())
    write_text_atomically(folder / "table.csv", comparison.to_csv())
    write_text_atomically(folder / "compare.json", comparison.to_json())
    charts = score_curves(comparison)
    for key, svg in charts.items():
        write_text_atomically(folder / f"curve-{key}.svg", standalone(svg))
    page = folder / "report.html"
    write_text_atomically(page, _page(comparison, charts).to_html())
    return page


def score_curves(comparison: NetworkComparison) -> dict[str, str]:
    """Key of a score -> SVG of how it rose, a line for each row; nothing where the rows are too many to tell apart."""
    trained = [row for row in comparison.rows if row.runs]
    if not 1 < len(trained) <= len(SERIES):
        return {}
    charts = {}
    for key in comparison.score_keys:
        lines = [Series(row.name, *_mean_curve(row.runs, f"{VALIDATION_PREFIX}{key}")) for row in trained]
        if all(len(line.x) > 1 for line in lines):
            charts[key] = line_chart(lines, x_label="step")
    return charts


def _mean_curve(runs: Sequence[ComparedRun], name: str) -> tuple[list[float], list[float]]:
    """Steps, and the mean over the runs in which the score is defined there; nan where it is in none."""
    at_step: dict[float, list[float]] = {}
    for run in runs:
        columns = run.log.columns
        for step, value in zip(columns.get("step", []), columns.get(name, []), strict=False):
            at_step.setdefault(step, []).append(value)
    values = ([value for value in found if math.isfinite(value)] for found in at_step.values())
    return list(at_step), [mean(found) for found in values]


def _page(comparison: NetworkComparison, charts: Mapping[str, str]) -> Document:
    document = Document(comparison.title, "The same small budget for each row.", kicker="medseg comparison")
    lead = "Trained alike; a longer training may rank them otherwise."
    troubles = [notice(f"{row.name} failed: {row.problem}") for row in comparison.failures]
    notes = [notice(note) for note in comparison.notes]
    shown = table([heading[:1].upper() + heading[1:] for heading in comparison.headings], comparison.table_rows)
    document.add_section("Comparison", shown, *troubles, *notes, f"<p>{escape(COLUMNS_EXPLAINED)}</p>", lead=lead)
    if charts:
        boxes = "".join(f'<div class="chart"><h3>{escape(_SCORES[key])}</h3>{svg}</div>' for key, svg in charts.items())
        document.add_section("Over the steps, mean of the seeds", f'<div class="charts">{boxes}</div>')
    document.add_section("Budget", facts(comparison.budget.items()))
    figures = [
        f"<h3>{escape(row.name)}</h3>"
        + picture(row.picture, alt=f"Image, reference, prediction and errors of {row.name}", width=_PICTURE_WIDTH)
        for row in comparison.rows
        if row.picture is not None
    ]
    if figures:
        document.add_section("One case, every row", *figures)
    return document


def mean(values: Sequence[float]) -> float:
    """Their mean; nan of none."""
    return math.fsum(values) / len(values) if values else math.nan


def _with_range(row: ComparedRow, key: str) -> str:
    """A score; of several seeds its mean and range."""
    text = _written(row.scores.get(key), ".3f")
    values = row.values(key)
    return f"{text} ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else text


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {key: _number(value) for key, value in scores.items()}


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _written(value: float | None, form: str, unit: str = "") -> str:
    return _DASH if _number(value) is None else f"{value:{form}}{unit}"
