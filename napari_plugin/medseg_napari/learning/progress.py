"""How far a run is, from the files that it writes; nothing in here loads torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from medseg.training.run_folder import RunFolder, read_log

Points = tuple[tuple[float, float], ...]
"""Steps and what was measured after them."""


class RunState(StrEnum):
    """Where a fine-tuning stands."""

    RUNNING = "running"
    PAUSED = "paused"
    """Stopped, by hand or with napari, and able to go on."""
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class RunProgress:
    """A fine-tuning at a moment.

    Attributes:
        state: where it stands.
        step: steps done when it was last judged.
        total_steps: steps it is to do.
        loss: mean loss between two judgements.
        scores: of the images that are held back.
        parent_score: of the model that it started from, on the same images; None before it is known.
        seconds_left: about; None while nobody can say.
        preview: a picture (PNG) of a held-back image with reference and answer; empty before the first.
        message: what went wrong, in one line; else empty.
    """

    state: RunState
    step: int = 0
    total_steps: int = 0
    loss: Points = ()
    scores: Points = ()
    parent_score: float | None = None
    seconds_left: float | None = None
    preview: bytes = b""
    message: str = ""


def curves(folder: RunFolder, *, score: str) -> tuple[Points, Points]:
    """Loss and score of each judgement so far; a row that is being written is left out."""
    rows = read_log(folder.log)
    return _points(rows, "train_loss"), _points(rows, f"val/{score}")


def _points(rows: list[dict[str, str]], column: str) -> Points:
    pairs = ((float(row["step"]), float(row.get(column) or "nan")) for row in rows)
    return tuple((step, value) for step, value in pairs if not math.isnan(value))


def score_in(path: Path, *, score: str) -> float | None:
    """A score of an evaluation that a run wrote; None where there is none yet, or it is undefined."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))["summary"]
    except (OSError, ValueError, KeyError):
        return None
    value = summary.get(score, {}).get("value")
    return float(value) if isinstance(value, int | float) else None


def newest_preview(folder: RunFolder) -> bytes:
    """The newest picture of a held-back image; empty where there is none."""
    pictures = sorted(folder.previews.glob("epoch_*.png"))
    if not pictures:
        return b""
    latest = pictures[-1].name.split("_")[1]
    first_of_latest = next(path for path in pictures if path.name.split("_")[1] == latest)
    try:
        return first_of_latest.read_bytes()
    except OSError:
        return b""
