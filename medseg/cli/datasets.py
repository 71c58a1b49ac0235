"""`medseg datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medseg.errors import InputError

if TYPE_CHECKING:
    from medseg.datasets.case import Dataset
    from medseg.datasets.catalogue import DatasetDescription


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
    known = available_datasets().get(name)
    if known is not None and any(field.is_required() for field in known.options.model_fields.values()):
        facts = _of_recipes_only(name, known)
    else:
        facts = _of_opened(name, open_dataset(name, root=data))
    print_json(facts) if json else print_table(("", ""), [(key, text or "-") for key, text in facts.items()])


def _of_recipes_only(name: str, known: DatasetDescription) -> dict[str, str]:
    """What can be said of a data set that opens with the options of a recipe only."""
    fields = known.options.model_fields
    needed = [option for option, field in fields.items() if field.is_required()]
    others = [option for option in fields if option not in needed]
    return {
        "name": name,
        "what it holds": known.summary,
        "licence": known.licence,
        "data.options of a recipe": f"{', '.join(needed)}; if wanted {', '.join(others)}",
        "to begin": "medseg plan FOLDER writes such a recipe",
    }


def _of_opened(name: str, dataset: Dataset) -> dict[str, str]:
    splits = dataset.splits()
    return {
        "name": name,
        "citation": dataset.citation,
        "licence": dataset.licence,
        "classes": ", ".join(dataset.labels.names),
        "train": f"{len(splits.train)} cases",
        "validation": f"{len(splits.validation)} cases",
        "test": f"{len(splits.test)} cases",
        "first image": str(dataset.cases()[0].image.path),
    }
