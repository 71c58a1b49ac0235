"""`medseg report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="Run folder of a training.")]) -> None:
    """Write report.html of a training run anew: scores, curves, pictures, worst cases first.

    The file holds all it needs and can be mailed. A run that is still going may be looked at too.

    Example: [bold]medseg report runs/em[/bold]
    """
    from medseg.reports import write_run_report

    print(write_run_report(run))
