"""Options that several verbs share, so that they read and work alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[str, typer.Argument(help="A recipe file (YAML), or the name of one that medseg ships.")]
DataFolder = Annotated[Path | None, typer.Option(help="Folder that holds the data set.")]
Profile = Annotated[
    str | None, typer.Option(help="Profile of the recipe; without it gpu where there is one, else cpu.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting; may be repeated.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
Level = Annotated[int, typer.Option(min=0, help="Resolution of an OME-Zarr image; 0 is the finest.")]
