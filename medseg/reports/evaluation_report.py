"""The page about an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medseg.evaluation import Evaluation
from medseg.files import write_text_atomically
from medseg.reports.document import Card, Document, cards
from medseg.reports.sections import (
    add_cases,
    add_definitions,
    add_froc,
    add_reliability,
    add_scores,
    add_volume_agreement,
    provenance_block,
    score_cards,
)


def write_evaluation_report(
    evaluation: Evaluation,
    path: Path,
    *,
    pictures: Mapping[str, Path] | None = None,
    title: str = "Evaluation",
) -> Path:
    """Write one self-contained HTML page and return its path.

    Args:
        evaluation: the scores.
        path: the page.
        pictures: overlay of a case by its id; cases without one are named.
        title: heading of the page.

    Raises:
        InputError: a picture cannot be read.
        StorageError: the page cannot be written.
    """
    path = Path(path)
    count = len(evaluation.cases)
    document = Document(title, subtitle=f"Task {evaluation.task}, {count} case{'s' if count != 1 else ''}.")
    document.add(cards([*score_cards(evaluation), Card("Cases", str(count))]))
    add_scores(document, evaluation)
    add_froc(document, evaluation)
    add_reliability(document, evaluation)
    add_volume_agreement(document, evaluation)
    add_cases(document, evaluation, dict(pictures or {}))
    add_definitions(document, evaluation)
    document.add_section("Provenance", provenance_block(evaluation))
    write_text_atomically(path, document.to_html())
    return path
