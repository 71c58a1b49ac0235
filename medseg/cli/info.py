"""`medseg info`."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medseg.io import ImageDescription

HEADER = ("image", "format", "size", "axes", "spacing mm", "orientation", "modality", "verdict")


def info(
    path: Annotated[Path, typer.Argument(help="An image file, a DICOM folder, or a folder of either.")],
    axes: Annotated[str | None, typer.Option(help="Axes of files that do not state them, ZYX for example.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
) -> None:
    """Say what a file or folder holds: size, spacing, orientation, and whether medseg can place it.

    Only headers are read. What is refused says why on the line below it.

    Example: [bold]medseg info CT_FOLDER[/bold]
    """
    from medseg.cli.output import print_json, print_table
    from medseg.io import describe

    descriptions = describe(path, axes=axes)
    if json:
        print_json([_plain(description) for description in descriptions])
        return
    series = Counter(description.path for description in descriptions if description.series_uid)
    print_table(
        HEADER,
        [_row(description, path) for description in descriptions],
        below=[_below(description, show_uid=series[description.path] > 1) for description in descriptions],
    )
    if len(descriptions) > 1:
        refused = sum(bool(description.problem) for description in descriptions)
        print(f"\n{len(descriptions)} images, {len(descriptions) - refused} ok, {refused} refused")


def _plain(description: ImageDescription) -> dict[str, object]:
    verdicts = [{**dataclasses.asdict(one), "path": str(one.path)} for one in description.verdicts]
    return {**dataclasses.asdict(description), "path": str(description.path), "verdicts": verdicts}


def _row(description: ImageDescription, root: Path) -> tuple[str, ...]:
    def text(value: object) -> str:
        return "-" if value in (None, "", ()) else str(value)

    return (
        _short(description.path, root),
        text(description.format),
        _times(description.shape),
        text(description.axes),
        _times(description.spacing_mm),
        text(description.orientation),
        text(description.modality),
        description.verdict,
    )


def _times(values: tuple[float, ...] | None) -> str:
    return " x ".join(f"{value:.4g}" for value in values) if values else "-"


def _short(path: Path, root: Path) -> str:
    """`path` below the folder that was asked for; that folder or file itself by its own name."""
    return path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else path.name or str(path)


def _over_time(description: ImageDescription) -> str:
    from medseg.io.time_series import spoken_interval

    seconds = description.interval_s
    return f"{description.num_times} points in time" + (
        "" if seconds is None else f", {spoken_interval(seconds)} apart"
    )


def _below(description: ImageDescription, *, show_uid: bool) -> tuple[str, ...]:
    """What does not fit into a row: the series, the levels, why it is refused (without the path again), the notes."""
    series = (f"series {description.series_uid}",) if show_uid else ()
    problem = description.problem.removeprefix(f"{description.path}: ").replace(f"{description.path}{os.sep}", "")
    problem = problem.replace(str(description.path), "the file")
    times = (_over_time(description),) if description.num_times > 1 else ()
    notes = tuple(f"note: {note}" for note in description.notes)
    levels = ", ".join(f"{number}: {_times(shape)}" for number, shape in enumerate(description.levels))
    stored = (f"levels {levels}",) if len(description.levels) > 1 else ()
    return (*series, *times, *stored, *((problem,) if problem else ()), *notes)
