"""The page about a training run: what came out, how it went, and what it was made from."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from medseg.config import read_yaml
from medseg.errors import InputError, MedsegError
from medseg.evaluation import Evaluation
from medseg.evaluation.provenance import medseg_version
from medseg.evaluation.text import score_name
from medseg.files import write_text_atomically
from medseg.metrics import available_metrics
from medseg.reports.curves import Series, line_chart, smoothed
from medseg.reports.document import Card, Document, cards, escape, facts, fold, notice, picture, preformatted
from medseg.reports.run_log import VALIDATION_PREFIX, RunLog, read_run_log
from medseg.reports.sections import add_cases, add_definitions, add_scores, provenance_block, score_cards

T = TypeVar("T")

_CHARTED_SCORES = ("mean_dice", "mean_iou", "v_rand", "v_info", "pixel_accuracy")
_MOST_PREVIEWS = 8
_PREVIEW_WIDTH = 1300
_PREVIEW_NAME = re.compile(r"^epoch_(?P<epoch>\d+)_(?P<case>.+)$")


_PARTS = ("config.yaml", "log.csv", "metrics.json")
"""Files of a run; a folder without any of them is no run folder."""


def write_run_report(run_dir: Path) -> Path:
    """Write `report.html` into a run folder and return its path.

    It is made from what the folder holds: `config.yaml`, `log.csv`, `metrics.json`, `validation/` and `previews/`.
    Where one of them is missing or cannot be read the page says so in its place.

    Raises:
        InputError: there is no such folder, or nothing of a run in it.
        StorageError: the page cannot be written.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        message = f"{run_dir}: expected the folder of a training run, there is none."
        raise InputError(message)
    if not any((run_dir / name).exists() for name in _PARTS):
        message = f"{run_dir}: holds no training run ({', '.join(_PARTS)} are all missing). Give the folder of a run."
        raise InputError(message)
    recipe, recipe_problem = _attempt(lambda: read_yaml(run_dir / "config.yaml"), run_dir)
    log, log_problem = _attempt(lambda: read_run_log(run_dir / "log.csv"), run_dir)
    evaluation, evaluation_problem = _attempt(lambda: _read_evaluation(run_dir / "metrics.json"), run_dir)
    document = Document(
        str((recipe or {}).get("name") or run_dir.name), _subtitle(recipe), kicker="medseg training run"
    )
    document.add(cards([*(score_cards(evaluation) if evaluation else ()), *_run_cards(recipe, log)]))
    _add_curves(document, log, log_problem, monitor=_get(recipe, "training", "monitor"))
    if evaluation:
        add_scores(document, evaluation, heading="Scores on the validation cases")
        add_cases(document, evaluation, _pictures(run_dir / "validation"))
    else:
        document.add_section("Scores on the validation cases", notice(evaluation_problem))
    _add_previews(document, run_dir / "previews")
    _add_recipe(document, run_dir, recipe, recipe_problem)
    if evaluation:
        add_definitions(document, evaluation)
    _add_provenance(document, run_dir, evaluation)
    report = run_dir / "report.html"
    write_text_atomically(report, document.to_html())
    return report


def _attempt(read: Callable[[], T], run_dir: Path) -> tuple[T | None, str]:
    """What `read` gives, or None and why not; files are named as they lie in the run folder."""
    try:
        return read(), ""
    except MedsegError as error:
        return None, str(error).replace(f"{run_dir}/", "")


def _read_evaluation(path: Path) -> Evaluation:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path.name} is missing or cannot be read: the run has not ended, or it had no validation cases."
        raise InputError(message) from error
    return Evaluation.from_json(content, source=str(path))


def _get(mapping: Mapping[str, Any] | None, *keys: str) -> Any:
    value: Any = mapping
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _subtitle(recipe: Mapping[str, Any] | None) -> str:
    return " ".join(str(_get(recipe, "description") or "").split())


def _run_cards(recipe: Mapping[str, Any] | None, log: RunLog | None) -> list[Card]:
    result = []
    step = log.last("step") if log else math.nan
    if not math.isnan(step):
        planned = _get(recipe, "training", "steps")
        result.append(Card("Steps", f"{step:,.0f}", f"of {planned:,} planned" if isinstance(planned, int) else ""))
    loss = log.last("train_loss") if log else math.nan
    if not math.isnan(loss):
        result.append(Card("Training loss", f"{loss:.4f}", str(_get(recipe, "loss", "name") or "at the end")))
    model = _get(recipe, "model", "name")
    if model:
        result.append(Card("Network", str(model), str(_get(recipe, "data", "dataset") or "")))
    return result


def _add_curves(document: Document, log: RunLog | None, problem: str, *, monitor: str | None) -> None:
    if log is None:
        document.add_section("How training went", notice(f"No curves: {problem}"))
        return
    charts = [_loss_chart(log), _score_chart(log, monitor), _rate_chart(log)]
    shown = [chart for chart in charts if chart]
    content = f'<div class="charts">{"".join(shown)}</div>' if shown else notice("The log has no rows yet.")
    document.add_section("How training went", content)


def _chart(heading: str, svg: str) -> str:
    return f'<div class="chart"><h3>{escape(heading)}</h3>{svg}</div>'


def _loss_chart(log: RunLog) -> str:
    steps, losses = log.points("train_loss")
    if len(steps) < 2:
        return ""
    lines = [Series("training", steps, losses)]
    if len(steps) > 60:
        lines = [Series("each step", steps, losses, faint=True), Series("training, smoothed", steps, smoothed(losses))]
    steps, values = log.points(f"{VALIDATION_PREFIX}loss")
    if steps:
        lines.append(Series("validation", steps, values))
    return _chart("Loss", line_chart(lines, x_label="step", log_scale=True))


def _score_chart(log: RunLog, monitor: str | None) -> str:
    names = [name for name in _CHARTED_SCORES if name in log.scores()]
    if monitor and monitor in log.scores():
        names = [monitor, *(name for name in names if name != monitor)]
    lines = [Series(_chart_name(name), *log.points(f"{VALIDATION_PREFIX}{name}")) for name in names[:5]]
    if not lines:
        return ""
    best = None
    if monitor in names:
        steps, values = log.points(f"{VALIDATION_PREFIX}{monitor}")
        best = steps[max(range(len(values)), key=values.__getitem__)]
    heading = "Validation scores" if best is None else f"Validation scores; dashed: best at step {best:,.0f}"
    return _chart(heading, line_chart(lines, x_label="step", marked_x=best))


def _chart_name(key: str) -> str:
    return score_name(key) if key.partition("/")[0] in available_metrics() else key


def _rate_chart(log: RunLog) -> str:
    steps, rates = log.points("lr")
    if len(steps) < 2 or len(set(rates)) < 2:
        return ""
    return _chart("Learning rate", line_chart([Series("learning rate", steps, rates)], x_label="step"))


def _pictures(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.png"))} if folder.is_dir() else {}


def _add_previews(document: Document, folder: Path) -> None:
    by_case: dict[str, list[tuple[int, Path]]] = {}
    for path in _pictures(folder).values():
        match = _PREVIEW_NAME.match(path.stem)
        if match:
            by_case.setdefault(match["case"], []).append((int(match["epoch"]), path))
    if not by_case:
        document.add_section("How the prediction grew", notice("The run folder holds no preview pictures."))
        return
    strips = [(case, _strip(case, sorted(previews))) for case, previews in sorted(by_case.items())]
    first_case, first_strip = strips[0]
    rest = [fold(f"Case {case}", strip) for case, strip in strips[1:]]
    lead = f"Validation case {first_case} over the epochs; scroll to the right."
    document.add_section("How the prediction grew", first_strip, *rest, lead=lead)


def _strip(case: str, previews: Sequence[tuple[int, Path]]) -> str:
    chosen = _spread(previews)
    figures = [
        picture(path, alt=f"Prediction of {case} after epoch {epoch}", caption=f"Epoch {epoch}", width=_PREVIEW_WIDTH)
        for epoch, path in chosen
    ]
    return f'<div class="strip">{"".join(figures)}</div>'


def _spread(previews: Sequence[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """The first, the last and evenly spread ones between."""
    if len(previews) <= _MOST_PREVIEWS:
        return list(previews)
    last = len(previews) - 1
    return [previews[round(number * last / (_MOST_PREVIEWS - 1))] for number in range(_MOST_PREVIEWS)]


def _add_recipe(document: Document, run_dir: Path, recipe: Mapping[str, Any] | None, problem: str) -> None:
    if recipe is None:
        document.add_section("Recipe", notice(f"The recipe is left out: {problem}"))
        return
    wanted = (
        ("Data set", ("data", "dataset")),
        ("Network", ("model", "name")),
        ("Loss", ("loss", "name")),
        ("Patch size", ("transforms", "patch_size")),
        ("Batch size", ("training", "batch_size")),
        ("Optimiser", ("training", "optimiser", "name")),
        ("Learning rate", ("training", "optimiser", "lr")),
        ("Schedule", ("training", "schedule", "name")),
        ("Precision", ("training", "precision")),
        ("Seed", ("training", "seed")),
    )
    pairs = [(name, _plain(_get(recipe, *keys))) for name, keys in wanted if _get(recipe, *keys) is not None]
    text = (run_dir / "config.yaml").read_text(encoding="utf-8")
    document.add_section("Recipe", facts(pairs), fold("The whole recipe as it was run", preformatted(text)))


def _plain(value: Any) -> str:
    return " × ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _add_provenance(document: Document, run_dir: Path, evaluation: Evaluation | None) -> None:
    pairs = [("Report written by medseg", medseg_version())]
    manifest = _manifest(run_dir / "best" / "medseg.json")
    pairs += [(f"Model: {name.replace('_', ' ')}", number) for name, number in manifest]
    content = facts(pairs)
    if evaluation:
        content += provenance_block(evaluation)
    document.add_section("Provenance", content)


def _manifest(path: Path) -> list[tuple[str, str]]:
    """The plain facts of the model package, whatever its version calls them."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [("package", "none in best/")]
    if not isinstance(content, dict):
        return [("package", "medseg.json cannot be read")]
    wanted = ("name", "medseg_version", "weights_sha256", "sha256", "licence")
    return [(key, str(content[key])) for key in wanted if isinstance(content.get(key), str) and content[key]]
