"""`medseg models`."""

from __future__ import annotations

from typing import Annotated

import typer


def models(json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False) -> None:
    """List the networks that can be trained and the trained models that are installed.

    Example: [bold]medseg models[/bold]
    """
    from medseg.cli.output import print_json, print_table
    from medseg.inference import installed_models, read_manifest
    from medseg.models import available_models

    architectures = {name: model.summary for name, model in available_models().items()}
    manifests = {name: read_manifest(folder) for name, folder in installed_models().items()}
    if json:
        trained = {name: manifest.model_dump(mode="json") for name, manifest in manifests.items()}
        print_json({"architectures": architectures, "trained": trained})
        return
    print("Networks for the key model.name of a recipe")
    print_table(("name", "what it is"), list(architectures.items()))
    print("\nTrained models for medseg predict")
    print_table(("name", "what it does"), [(name, manifest.description) for name, manifest in manifests.items()])
