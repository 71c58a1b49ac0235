"""`medseg evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.errors import InputError


def evaluate(
    prediction: Annotated[Path, typer.Option(help="Mask, folder of masks, or results of a batch, to be judged.")],
    reference: Annotated[Path, typer.Option(help="Mask, or folder of masks of the same names, that is the truth.")],
    task: Annotated[str, typer.Option(help="semantic or isbi2012.")] = "semantic",
    slices: Annotated[str | None, typer.Option(help="Slices of a stack to score, 20-23 for example.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write all scores, with definitions, to this JSON file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row a case to this CSV file.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Image, or folder of images named like the references, for the report.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
) -> None:
    """Score masks against a reference, with units, definitions and counts of undefined cases.

    Masks that do not lie on one grid are refused, never compared.

    Example: [bold]medseg evaluate --prediction masks/ --reference truth/ --report scores.html[/bold]
    """
    from medseg.evaluation import evaluate as evaluate_files
    from medseg.files import write_text_atomically

    if images is not None and report is None:
        message = "--images: the images are shown in the report. Give --report FILE as well."
        raise InputError(message)
    evaluation = evaluate_files(prediction=prediction, reference=reference, task=task, slices=slices)
    if output is not None:
        write_text_atomically(output, evaluation.to_json())
    if csv is not None:
        write_text_atomically(csv, evaluation.to_csv())
    if report is not None:
        from medseg.jobs.evaluate import report_evaluation

        report_evaluation(evaluation, report, prediction=prediction, reference=reference, images=images)
    print(evaluation.to_json() if json else evaluation.table())
