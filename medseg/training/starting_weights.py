"""What a training starts from where the recipe names published weights, or a model that is to be fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from medseg.config import TrainingRecipe
from medseg.datasets.case import Dataset
from medseg.errors import ConfigError
from medseg.images import LabelTable
from medseg.inference.installed import find_model
from medseg.inference.manifest import InputContract, PackageManifest
from medseg.inference.package import load_network, read_manifest
from medseg.models.pretrained import load_pretrained
from medseg.transforms.object_rims import network_labels

_WHERE = "model.start_from"


@dataclass(frozen=True)
class Parent:
    """The model that a fine-tuning starts from.

    Attributes:
        folder: its package.
        manifest: what the package says.
    """

    folder: Path
    manifest: PackageManifest


def package_settings(path: Path) -> dict[str, Any]:
    """The settings of a recipe that a model package decides: architecture, transforms, inference and scoring.

    The temperature is not among them: calibration does not outlive a change of the weights.

    Raises:
        UnknownNameError: no such path and no such installed model.
        ModelPackageError: the path holds no package, or a damaged one.
    """
    manifest = read_manifest(find_model(path))
    values = manifest.model_dump(mode="json")
    values["inference"].pop("temperature")
    return {
        "model": {key: values["architecture"][key] for key in ("name", "options")},
        "transforms": values["transforms"],
        "inference": values["inference"],
        "evaluation": {"task": manifest.scores.task},
    }


def find_parent(recipe: TrainingRecipe, *, dataset: Dataset) -> Parent | None:
    """The model of `model.start_from`, which fits the recipe and the data; None where the recipe names none.

    Raises:
        ConfigError: classes, channels or architecture are not the model's.
        UnknownNameError: no such path and no such installed model.
        ModelPackageError: the path holds no package, or a damaged one.
    """
    if recipe.model.start_from is None:
        return None
    folder = find_model(recipe.model.start_from)
    manifest = read_manifest(folder)
    classes = network_labels(dataset.labels, recipe.transforms)
    own, given = manifest.architecture, recipe.model.model_dump(mode="json")
    rules = (
        ("classes", _named(manifest.label_table), _named(classes), "Name the same ones in the same order"),
        ("channels", own.in_channels, dataset.num_channels, "Give images with as many"),
        ("spatial axes", own.spatial_dims, dataset.spatial_dims, "Give images with as many"),
        ("model.name", own.name, given["name"], "Leave it out"),
        ("model.options", own.options, given["options"], "Leave them out"),
    )
    for what, expected, got, remedy in rules:
        if expected != got:
            message = (
                f"{_WHERE}: {what}: the model {manifest.name} has {expected}, got {got}. "
                f"{remedy}, or start from another model."
            )
            raise ConfigError(message)
    return Parent(folder, manifest)


def start_network(
    network: nn.Module, *, recipe: TrainingRecipe, manifest: PackageManifest, parent: Parent | None
) -> PackageManifest:
    """Give `network` the weights that the recipe names; returns `manifest` with where they come from.

    Without such weights both stay as they are. A fine-tuned model keeps its parent's classes with their colours and
    codes, and what the parent expects of an image; the range of voxel sizes takes in those of the new images.

    Args:
        network: changed in place.
        recipe: of the run.
        manifest: of the run's package.
        parent: see `find_parent`.

    Raises:
        ConfigError: the network has no trunk that weights are published for, or the file's do not fit it.
        InputError: the file cannot be read.
        ModelPackageError: the parent's weights are damaged.
    """
    if recipe.model.pretrained is not None:
        sha256 = load_pretrained(network, recipe.model.pretrained)
        return manifest.replace(training=manifest.training.replace(pretrained_sha256=sha256))
    if parent is None:
        return manifest
    network.load_state_dict(load_network(parent.folder).state_dict())
    origin = {"parent_name": parent.manifest.name, "parent_sha256": parent.manifest.weights_sha256}
    return manifest.replace(
        labels=parent.manifest.labels,
        input=_widened(parent.manifest.input, by=manifest.input),
        licence=parent.manifest.licence,
        training=manifest.training.replace(**origin),
    )


def _widened(contract: InputContract, *, by: InputContract) -> InputContract:
    """The parent's contract; voxel sizes of the new images are trained ones as well, and the values are theirs."""
    ranges = contract.spacing_range_mm
    if ranges is not None and by.spacing_range_mm is not None:
        pairs = zip(ranges, by.spacing_range_mm, strict=True)
        ranges = tuple((min(old[0], new[0]), max(old[1], new[1])) for old, new in pairs)
    return contract.replace(axes=by.axes, spacing_range_mm=ranges, intensity=by.intensity)


def _named(table: LabelTable) -> str:
    return ", ".join(f"{label.value}={label.name}" for label in table)
