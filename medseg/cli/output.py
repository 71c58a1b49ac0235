"""Printing for people and for programs: tables to stdout, JSON where asked, progress to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from medseg.printable import printable

SECONDS_BETWEEN_LINES = 10.0
"""How often a job that is not on a terminal says where it is."""


def print_json(content: object) -> None:
    """Print `content` as indented JSON to stdout."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, below: Sequence[Sequence[str]] | None = None
) -> None:
    """Print aligned columns to stdout, each as wide as its widest entry but the last.

    Args:
        header: names of the columns; without a line where all are empty.
        rows: the cells.
        below: for each row, lines that stand indented below it.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header) - 1)]
    blocks: list[tuple[Sequence[str], Sequence[str]]] = [(header, ())] if any(header) else []
    blocks += zip(rows, below or [()] * len(rows), strict=True)
    for line, more in blocks:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[-1]]).rstrip())
        for text in more:
            print(f"    {printable(text)}")


@contextmanager
def progress(title: str, *, num_frames: int = 0) -> Iterator[Callable[[float], None]]:
    """Yield a function that takes the finished fraction, 0 to 1, and shows it on stderr with the time left.

    Args:
        title: of the job.
        num_frames: of a time series, which are counted; 0 for other jobs.
    """
    if sys.stderr.isatty():
        with _bar(title, num_frames) as update:
            yield update
    else:
        yield _lines(title, num_frames)


def _titled(title: str, num_frames: int, fraction: float) -> str:
    if num_frames == 0:
        return title
    return f"{title}, frame {min(int(fraction * num_frames) + 1, num_frames)} of {num_frames}"


@contextmanager
def _bar(title: str, num_frames: int) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(_titled(title, num_frames, 0.0), total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction, description=_titled(title, num_frames, fraction))


def _lines(title: str, num_frames: int) -> Callable[[float], None]:
    started = last = time.monotonic()

    def update(fraction: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES or fraction <= 0:
            return
        last = now
        left = (now - started) * (1 - fraction) / fraction
        print(f"{_titled(title, num_frames, fraction)}: {fraction:.0%}, about {left:.0f} s left", file=sys.stderr)

    return update
