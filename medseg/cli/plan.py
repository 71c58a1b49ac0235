"""`medseg plan`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from medseg.cli.options import Quiet


def plan(
    folder: Annotated[Path, typer.Argument(help="Folder with images/ and labels/, paired by name.")],
    output: Annotated[Path | None, typer.Option(help="Recipe to write; without it FOLDER's name with .yaml.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Names of the classes with commas between, the background first.")
    ] = None,
    objects: Annotated[
        bool | None,
        typer.Option("--objects/--classes", help="What the numbers in the label files are, where it cannot be told."),
    ] = None,
    images: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Where the images lie, images/{case}.* for example.")
    ] = None,
    label_files: Annotated[str | None, typer.Option(metavar="PATTERN", help="Where the label files lie.")] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of image files that do not say, ZYX for example.")] = None,
    quiet: Quiet = False,
) -> None:
    """Look at your own images and labels, and write a recipe for them.

    Voxel size, patches, levels of the network, scaling of the values, and whether labels are classes or single objects
    follow from the files; the recipe says beside each setting why. Read it, change what you know better, and train.

    Example: [bold]medseg plan my-cells/[/bold]
    """
    from medseg.jobs.plan import plan as plan_job

    planned = plan_job(
        folder,
        output=output,
        labels=[name.strip() for name in labels.split(",")] if labels else (),
        objects=objects,
        image_pattern=images,
        label_pattern=label_files,
        axes=axes,
        quiet=quiet,
    )
    for path, reason in planned.reasons.items():
        print(f"{path}: {reason}")
    command = shlex.join(["medseg", "train", str(planned.path), "--data", str(folder)])
    print(f"Read {planned.path}, then: {command}")
