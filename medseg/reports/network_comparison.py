"""Several networks or losses with the same small budget, as one table: text, CSV, JSON and a page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.files import write_text_atomically
from medseg.reports.document import Document, escape, facts, notice, picture, table

_PICTURE_WIDTH = 1300
_MIB = 2**20
_DASH = "–"

COLUMNS_EXPLAINED = (
    "GFLOPs: of one forward pass of one patch, a multiply-add counted as two. Step: median time of a training step of "
    "one batch, without reading data. Memory: by how much the process grew at most while training (on CUDA: the most "
    "that was allocated), measured in a process of its own. Scores: means over the validation cases. Rows without "
    "parameters are constant answers, which need no network."
)


@dataclass(frozen=True)
class ComparedRow:
    """One row: a network trained with a loss, or a constant answer.

    Attributes:
        name: the row, also its run folder.
        scores: of the validation cases, by key.
        model: network; empty for a constant answer.
        loss: of the training.
        patch_size: of the training, in voxels.
        cost: `parameters`, `gflops`, `step_seconds` and `peak_memory_bytes`; empty for a constant answer.
        picture: image, reference, prediction and errors of a case that all rows share.
        problem: why there are no scores; empty where there are.
    """

    name: str
    scores: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
    loss: str = ""
    patch_size: tuple[int, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)
    picture: Path | None = None
    problem: str = ""


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
            "network",
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
        scores = (_written(row.scores.get(key), ".3f") for key in self.score_keys)
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
        writer.writerow(("network", "model", "loss", "patch_size", *costs, *self.score_keys, "problem"))
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
                "scores": {key: _number(value) for key, value in row.scores.items()},
                "problem": row.problem,
            }
            for row in self.rows
        ]
        content = {"recipe": self.title, "budget": dict(self.budget), "notes": list(self.notes), "networks": rows}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


_SCORES = {"mean_dice": "Dice", "mean_iou": "mIoU", "v_rand": "V_rand"}
"""Scores that fit into the table; compare.json has them all."""


def write_comparison(comparison: NetworkComparison, folder: Path) -> Path:
    """Write table.md, table.csv, compare.json and report.html into `folder`; returns the page's path.

    Raises:
        InputError: a picture cannot be read.
        StorageError: a file cannot be written.
    """
    write_text_atomically(folder / "table.md", comparison.to_markdown())
    write_text_atomically(folder / "table.csv", comparison.to_csv())
    write_text_atomically(folder / "compare.json", comparison.to_json())
    page = folder / "report.html"
    write_text_atomically(page, _page(comparison).to_html())
    return page


def _page(comparison: NetworkComparison) -> Document:
    document = Document(comparison.title, "The same small budget for each network.", kicker="medseg comparison")
    lead = "Trained alike; a longer training may rank them otherwise."
    troubles = [notice(f"{row.name} failed: {row.problem}") for row in comparison.failures]
    notes = [notice(note) for note in comparison.notes]
    shown = table([heading[:1].upper() + heading[1:] for heading in comparison.headings], comparison.table_rows)
    document.add_section("Networks", shown, *troubles, *notes, f"<p>{escape(COLUMNS_EXPLAINED)}</p>", lead=lead)
    document.add_section("Budget", facts(comparison.budget.items()))
    figures = [
        f"<h3>{escape(row.name)}</h3>"
        + picture(row.picture, alt=f"Image, reference, prediction and errors of {row.name}", width=_PICTURE_WIDTH)
        for row in comparison.rows
        if row.picture is not None
    ]
    if figures:
        document.add_section("One case, every network", *figures)
    return document


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _written(value: float | None, form: str, unit: str = "") -> str:
    return _DASH if _number(value) is None else f"{value:{form}}{unit}"
