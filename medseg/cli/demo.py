"""`medseg demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
) -> None:
    """Show the whole way on generated data, without a download: train, segment, evaluate, report.

    It trains a small U-Net on generated cells and segments cells it has not seen; then it reads a generated CT series
    in DICOM, finds its lesions with a model that comes with medseg, and writes them as NIfTI. Both are compared with
    the exact truth.

    Example: [bold]medseg demo --output demo/[/bold]
    """
    from medseg.cli.output import print_table
    from medseg.jobs.demo import run_demo

    result = run_demo(output, say=lambda text: typer.echo(text, err=True))
    print_table(("what", "result"), result.facts)
    print(f"\nLook at {result.report}")
