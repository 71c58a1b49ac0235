"""`medseg compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.cli.options import DataFolder, Device, Overrides, Profile, Quiet, Recipe
from medseg.errors import InputError


def compare(
    recipe: Recipe,
    models: Annotated[
        str, typer.Option(help="Networks with commas between, or all; without it the recipe's own.")
    ] = "",
    losses: Annotated[str, typer.Option(help="Losses with commas between; without it the recipe's own.")] = "",
    variants: Annotated[
        str, typer.Option(help="Variants of the recipe with commas between, or all; all where nothing is chosen.")
    ] = "",
    seeds: Annotated[
        str, typer.Option(help="Seeds with commas between, each row trained with each; without it the recipe's own.")
    ] = "",
    data: DataFolder = None,
    output: Annotated[Path | None, typer.Option(help="Folder to make; without it runs/compare_NAME-N.")] = None,
    profile: Profile = None,
    overrides: Overrides = None,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in --output; finished networks are not trained again.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train several networks, losses or other variants of a recipe with one small budget; ends with one table.

    The folder then holds table.md, table.csv, compare.json, report.html with curves and a picture of each row, and a
    run folder for each. One that fails is named, the others go on, and the exit code is 1.

    Example: [bold]medseg compare compare_networks --models unet,segnet,fcn_8s --output runs/networks[/bold]
    """
    from medseg.cli.output import print_table
    from medseg.jobs.compare import compare as compare_job

    result = compare_job(
        recipe,
        models=_names(models),
        losses=_names(losses),
        variants=_names(variants),
        seeds=_numbers(seeds),
        data_dir=data,
        output=output,
        profile=profile,
        overrides=tuple(overrides or ()),
        device=device,
        resume=resume,
        quiet=quiet,
    )
    print_table(result.comparison.headings, result.comparison.table_rows)
    for line in result.comparison.notes:
        print(line)
    print(f"Look at {result.folder / 'report.html'}")
    for row in result.comparison.failures:
        typer.echo(f"medseg: {row.name} failed: {row.problem}", err=True)
    if result.comparison.failures:
        raise typer.Exit(1)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(name) for name in _names(text))
    except ValueError:
        numbers = (-1,)
    if any(number < 0 for number in numbers):
        message = f"--seeds: expected whole numbers from 0 on with commas between, got {text!r}."
        raise InputError(message)
    return numbers
