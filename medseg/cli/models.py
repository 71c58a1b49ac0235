"""`medseg models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medseg.inference.manifest import PackageManifest
    from medseg.models import ModelDescription

_CHANNELS, _CLASSES = 3, 21
"""What parameters are counted for: colour pictures and the classes of PASCAL VOC, as in most of the papers."""


def models(
    name: Annotated[str | None, typer.Argument(help="A network or a trained model, to hear more of it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False,
) -> None:
    """List the networks that can be trained and the trained models that are installed; say more of one of them.

    Example: [bold]medseg models[/bold]

    Example: [bold]medseg models deeplab_v3_plus[/bold]
    """
    from medseg.cli.output import print_json
    from medseg.inference import installed_models, read_manifest
    from medseg.models import available_models
    from medseg.registry import look_up

    manifests = {name: read_manifest(folder) for name, folder in installed_models().items()}
    networks = available_models()
    if name is not None:
        look_up({**networks, **manifests}, name, kind="model")
        details = _of_network(name, networks[name]) if name in networks else _of_model(manifests[name])
        print_json(details) if json else _print_details(name, details)
    elif json:
        trained = {name: manifest.model_dump(mode="json") for name, manifest in manifests.items()}
        print_json({"architectures": {name: model.summary for name, model in networks.items()}, "trained": trained})
    else:
        _print_lists(networks, manifests)


def _print_lists(networks, manifests) -> None:  # noqa: ANN001 - mappings of the types above
    from medseg.cli.output import print_table

    print("Networks for the key model.name of a recipe")
    rows = [(name, _first_paper(model.citation), model.summary) for name, model in networks.items()]
    print_table(("name", "paper", "what it is for"), rows)
    print("\nTrained models for medseg predict")
    print_table(("name", "what it does"), [(name, manifest.description) for name, manifest in manifests.items()])


def _first_paper(citation: str) -> str:
    """First author and year."""
    return citation.partition(",")[0].partition(";")[0]


def _of_network(name: str, model: ModelDescription) -> dict[str, object]:
    return {
        "what it is for": model.summary,
        "paper": model.citation,
        "spatial axes": " or ".join(str(dims) for dims in model.spatial_dims),
        "parameters": f"{_count(name, model):,} for {_CHANNELS} channels and {_CLASSES} classes by default",
        "options": {option: f"{field.default!r}" for option, field in model.options.model_fields.items()},
    }


def _count(name: str, model: ModelDescription) -> int:
    """Number of weights, counted without making any."""
    import torch

    from medseg.models import build_model

    with torch.device("meta"):
        dims = model.spatial_dims[0]
        network = build_model(name, in_channels=_CHANNELS, num_classes=_CLASSES, spatial_dims=dims)
    return sum(weight.numel() for weight in network.parameters())


def _of_model(manifest: PackageManifest) -> dict[str, object]:
    return {
        "what it does": manifest.description,
        "network": manifest.architecture.name,
        "classes": ", ".join(f"{label.value} {label.name}" for label in manifest.answer_table),
        "trained on": f"{manifest.training.cases} cases of {manifest.training.dataset}",
        "scores": {key: f"{value:.3f}" for key, value in manifest.scores.summary.items() if value is not None},
        "limits": " ".join(manifest.limits),
        "licence": manifest.licence,
        "notice": manifest.notice,
    }


def _print_details(name: str, details: dict[str, object]) -> None:
    print(name)
    for key, value in details.items():
        if isinstance(value, dict):
            print(f"  {key}:")
            for entry, text in value.items():
                print(f"    {entry}: {text}")
        else:
            print(f"  {key}: {value}")
