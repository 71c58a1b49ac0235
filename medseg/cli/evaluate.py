"""`medseg evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.errors import InputError


def evaluate(
    prediction: Annotated[Path, typer.Option(help="Mask, folder of masks, or results of a batch, to be judged.")],
    reference: Annotated[Path, typer.Option(help="Mask, or folder of masks of the same names, that is the truth.")],
    task: Annotated[str, typer.Option(help="semantic, instances, lesions, isbi2012 or ctc.")] = "semantic",
    probabilities: Annotated[
        Path | None,
        typer.Option(help="Class probabilities of the prediction, file or folder: add Brier score and calibration."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Objects of the prediction with their scores, CSV or folder (task instances): add AP by score."
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV with columns value, name: what the values mean.")] = None,
    slices: Annotated[str | None, typer.Option(help="Slices of a stack to score, 20-23 for example.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Masks of another model for the same references: compare, paired by case.")
    ] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV with columns case_id, patient: whose cases belong together.")
    ] = None,
    tolerance_mm: Annotated[
        float | None, typer.Option(help="Add normalised surface distances at this tolerance in mm.")
    ] = None,
    surfaces: Annotated[bool, typer.Option(help="Measure distances between surfaces, which takes most time.")] = True,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring masks on another grid to the reference's, do not refuse them.")
    ] = False,
    border_pixels: Annotated[int, typer.Option(help="Task ctc: width of the band outside the field of interest.")] = 0,
    replicates: Annotated[int, typer.Option(help="Draws of patients behind each 95 % interval; 0 for none.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of these draws.")] = 0,
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
    from medseg.cli.output import progress
    from medseg.evaluation import ScoringOptions
    from medseg.evaluation.job import EvaluationJob
    from medseg.files import write_text_atomically

    if images is not None and report is None:
        message = "--images: the images are shown in the report. Give --report FILE as well."
        raise InputError(message)
    options = ScoringOptions(
        surfaces=surfaces,
        tolerance_mm=tolerance_mm,
        resample=resample,
        border_pixels=border_pixels,
        replicates=replicates,
        seed=seed,
    )
    job = EvaluationJob(
        prediction=prediction,
        reference=reference,
        task=task,
        probabilities=probabilities,
        object_scores=scores,
        labels=labels,
        slices=slices,
        patients=patients,
        against=against,
        options=options,
    )
    with progress("scoring") as update:
        evaluation = job.run(progress=update)
    if output is not None:
        write_text_atomically(output, evaluation.to_json())
    if csv is not None:
        write_text_atomically(csv, evaluation.to_csv())
    if report is not None:
        from medseg.jobs.evaluate import report_evaluation

        report_evaluation(evaluation, report, prediction=prediction, reference=reference, images=images)
    print(evaluation.to_json() if json else evaluation.table())
    if report is not None:
        typer.echo(f"Look at {report}", err=True)
