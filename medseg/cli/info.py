"""`medseg info`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer


def info(
    path: Annotated[Path, typer.Argument(help="An image file, a DICOM folder, or a folder of either.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
) -> None:
    """Say what a file or folder holds: size, spacing, orientation, and whether medseg can place it.

    Only headers are read.

    Example: [bold]medseg info CT_FOLDER[/bold]
    """
    from medseg.cli.output import print_json, print_table
    from medseg.io import describe

    descriptions = describe(path)
    if json:
        print_json([dataclasses.asdict(description) for description in descriptions])
        return
    header = ("image", "format", "size", "axes", "spacing mm", "orientation", "modality", "verdict")
    print_table(header, [_row(description) for description in descriptions])


def _row(description) -> tuple[str, ...]:  # noqa: ANN001 - medseg.io is imported when the command runs
    def text(value: object) -> str:
        return "-" if value in (None, "", ()) else str(value)

    def times(values: tuple[float, ...] | None) -> str:
        return " x ".join(f"{value:g}" for value in values) if values else "-"

    verdict = description.verdict if not description.problem else f"{description.verdict}: {description.problem}"
    return (
        str(description.path),
        text(description.format),
        times(description.shape),
        text(description.axes),
        times(description.spacing_mm),
        text(description.orientation),
        text(description.modality),
        verdict,
    )
