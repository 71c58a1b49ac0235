"""The models that can be chosen: those that came with medseg, and the user's packages and runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelChoice:
    """A model, before it is loaded.

    Attributes:
        title: as it is shown.
        folder: its package.
        description: one sentence.
        modality: of its training images where stated.
        spatial_dims: 2 or 3.
    """

    title: str
    folder: Path
    description: str
    modality: str | None
    spatial_dims: int


def model_choices(folders: Iterable[Path] = ()) -> list[ModelChoice]:
    """The installed models, then those of `folders` (packages or run folders); what holds no model is left out.

    Loads torch; call it in the models' process.
    """
    from medseg.errors import MedsegError
    from medseg.inference import find_model, installed_models

    places = dict.fromkeys(installed_models().values(), "")
    for folder in folders:
        try:
            places.setdefault(find_model(folder), folder.name)
        except MedsegError:
            continue
    return [_choice(path, where) for path, where in places.items()]


def _choice(folder: Path, where: str) -> ModelChoice:
    from medseg.inference import read_manifest

    manifest = read_manifest(folder)
    title = f"{manifest.name} ({where})" if where not in {"", manifest.name} else manifest.name
    return ModelChoice(title, folder, manifest.description, manifest.input.modality, manifest.architecture.spatial_dims)
