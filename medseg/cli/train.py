"""`medseg train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe file (YAML), or the name of one that medseg ships.")],
    data: Annotated[Path | None, typer.Option(help="Folder that holds the data set.")] = None,
    output: Annotated[Path | None, typer.Option(help="Run folder to make; without it runs/NAME-N.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile of the recipe; without it gpu where there is one, else cpu.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --output where it stopped.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Train a network by a recipe; ends with a model package and a report.

    The run folder then holds best/ (the model package), log.csv, metrics.json, pictures and report.html. A run that was
    stopped, however hard, goes on with --resume and ends with the same weights.

    Example: [bold]medseg train isbi2012_unet --data isbi2012/ --output runs/em[/bold]
    """
    from medseg.jobs import train as train_job

    run = train_job(
        recipe,
        data_dir=data,
        run_dir=output,
        profile=profile,
        overrides=tuple(overrides or ()),
        device=device,
        resume=resume,
        quiet=quiet,
    )
    print(run)
    print(f"Look at {run / 'report.html'}; predict with: medseg predict {run / 'best'} IMAGE --output MASK")
