"""`medseg datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medseg.errors import InputError


def datasets(
    name: Annotated[str | None, typer.Argument(help="Show this data set only, with its cases.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds (or is to hold) the data set.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download it where a public address is known.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
) -> None:
    """List the data sets that recipes can name, where they lie and what they hold.

    Example: [bold]medseg datasets isbi2012_em --data isbi2012/[/bold]
    """
    from medseg.cli.output import print_json, print_table
    from medseg.datasets import available_datasets, open_dataset
    from medseg.datasets import fetch as download

    if name is None and (fetch or data is not None):
        message = "--fetch and --data are about one data set. Name it: medseg datasets NAME --data FOLDER."
        raise InputError(message)
    if name is None:
        rows = [(key, entry.summary) for key, entry in available_datasets().items()]
        print_json(dict(rows)) if json else print_table(("name", "what it holds"), rows)
        return
    if fetch:
        typer.echo(download(name, root=data), err=True)
    dataset = open_dataset(name, root=data)
    splits = dataset.splits()
    facts = {
        "name": name,
        "citation": dataset.citation,
        "licence": dataset.licence,
        "classes": ", ".join(dataset.labels.names),
        "train": f"{len(splits.train)} cases",
        "validation": f"{len(splits.validation)} cases",
        "test": f"{len(splits.test)} cases",
        "first image": str(dataset.cases()[0].image.path),
    }
    print_json(facts) if json else print_table(("", ""), [(key, text or "-") for key, text in facts.items()])
