"""`medseg train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.cli.options import DataFolder, Device, Overrides, Profile, Quiet, Recipe


def train(
    recipe: Recipe,
    data: DataFolder = None,
    output: Annotated[Path | None, typer.Option(help="Run folder to make; without it runs/NAME-N.")] = None,
    profile: Profile = None,
    overrides: Overrides = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --output where it stopped.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network by a recipe; ends with a model package and a report.

    The run folder then holds best/ (the model package), log.csv, metrics.json, pictures and report.html. A run that was
    stopped, however hard, goes on with --resume and ends with the same weights.

    Example: [bold]medseg train isbi2012_unet --data isbi2012/ --output runs/em[/bold]
    """
    from medseg.jobs.train import train as train_job

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
