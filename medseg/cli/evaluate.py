"""`medseg evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    prediction: Annotated[Path, typer.Option(help="Mask, or folder of masks, to be judged.")],
    reference: Annotated[Path, typer.Option(help="Mask, or folder of masks of the same names, that is the truth.")],
    task: Annotated[str, typer.Option(help="semantic or isbi2012.")] = "semantic",
    slices: Annotated[str | None, typer.Option(help="Slices of a stack to score, 20-23 for example.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write all scores, with definitions, to this JSON file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row a case to this CSV file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
) -> None:
    """Score masks against a reference, with units, definitions and counts of undefined cases.

    Masks that do not lie on one grid are refused, never compared.

    Example: [bold]medseg evaluate --prediction masks/ --reference truth/ --report scores.html[/bold]
    """
    from medseg.evaluation import evaluate as evaluate_files
    from medseg.files import write_text_atomically

    evaluation = evaluate_files(prediction=prediction, reference=reference, task=task, slices=slices)
    if output is not None:
        write_text_atomically(output, evaluation.to_json())
    if csv is not None:
        write_text_atomically(csv, evaluation.to_csv())
    if report is not None:
        from medseg.reports import write_evaluation_report

        write_evaluation_report(evaluation, report, pictures={})
    print(evaluation.to_json() if json else evaluation.table())
