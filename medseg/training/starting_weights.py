"""What a training starts from where the recipe names a file of published weights."""

from __future__ import annotations

from torch import nn

from medseg.config import TrainingRecipe
from medseg.inference.manifest import PackageManifest
from medseg.models.pretrained import load_pretrained


def start_from_published(network: nn.Module, *, recipe: TrainingRecipe, manifest: PackageManifest) -> PackageManifest:
    """Give `network` the weights of `model.pretrained`; returns `manifest` with the file's SHA-256.

    Without such a file both stay as they are.

    Raises:
        ConfigError: the network has no trunk that weights are published for, or the file's do not fit it.
        InputError: the file cannot be read.
    """
    if recipe.model.pretrained is None:
        return manifest
    sha256 = load_pretrained(network, recipe.model.pretrained)
    return manifest.replace(training=manifest.training.replace(pretrained_sha256=sha256))
