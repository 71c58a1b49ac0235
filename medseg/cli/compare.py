"""`medseg compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.cli.options import DataFolder, Device, Overrides, Profile, Quiet, Recipe


def compare(
    recipe: Recipe,
    models: Annotated[
        str, typer.Option(help="Networks with commas between, or all; without it the recipe's own.")
    ] = "",
    losses: Annotated[str, typer.Option(help="Losses with commas between; without it the recipe's own.")] = "",
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
    """Train several networks or losses with the same small budget; ends with one table.

    The folder then holds table.md, table.csv, compare.json, report.html with a picture of each network, and a run
    folder for each. A network that fails is named, the others go on, and the exit code is 1.

    Example: [bold]medseg compare compare_networks --models unet,segnet,fcn_8s --output runs/networks[/bold]
    """
    from medseg.cli.output import print_table
    from medseg.jobs.compare import compare as compare_job

    result = compare_job(
        recipe,
        models=_names(models),
        losses=_names(losses),
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
