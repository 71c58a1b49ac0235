"""What a comparison trains: a recipe for each network, variant and loss that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from medseg.config import TrainingRecipe, load_recipe, recipe_variants
from medseg.errors import ConfigError
from medseg.losses import available_losses
from medseg.models import available_models
from medseg.registry import look_up

ALL = "all"
"""Stands for every network that can learn what the recipe asks for, or for every variant of its file."""

_AS_CLASSES = "evaluation.objects_as_classes=true"


@dataclass(frozen=True)
class ComparedRecipe:
    """One of the recipes that are compared.

    Attributes:
        name: the row, also the name of its run folder.
        recipe: what it is trained by; its seed is the first of those it is trained with.
    """

    name: str
    recipe: TrainingRecipe


@dataclass(frozen=True)
class Choice:
    """What is to be compared, as the user says it; what is empty is that of the recipe.

    Attributes:
        models: names of networks, or "all".
        losses: names of losses.
        variants: names of the recipe file's variants, or "all".
    """

    models: Sequence[str] = ()
    losses: Sequence[str] = ()
    variants: Sequence[str] = ()


def compared_recipes(
    path: Path, choice: Choice, *, profile: str | None, overrides: tuple[str, ...], foreground_classes: int
) -> tuple[list[ComparedRecipe], tuple[str, ...]]:
    """The recipes of a comparison, and notes on what is left out or done in another way.

    Where nothing is chosen and the file has variants, they are compared. Networks that find objects are scored by the
    classes of their voxels, unless the recipe scores objects.

    Args:
        path: file of the recipe.
        choice: what is compared.
        profile: as in `load_recipe`.
        overrides: as in `load_recipe`.
        foreground_classes: of the data set.

    Raises:
        UnknownNameError: there is no such network, loss or variant.
        ConfigError: a recipe is wrong, or a network cannot have as many axes as it.
    """
    _check_overrides(overrides)
    base = load_recipe(path, profile=profile, overrides=overrides)
    models, notes = _chosen_models(choice.models, base, foreground_classes=foreground_classes)
    finding_objects = [] if base.evaluation.task == "instances" else [name for name in models if _finds_objects(name)]
    if finding_objects:
        which = ", ".join(finding_objects)
        notes += (f"Trained with losses of their own, and scored by the class of their objects' voxels: {which}.",)
    variants = _chosen_variants(path, choice, profile=profile)
    losses = list(dict.fromkeys(choice.losses))
    for name in losses:
        look_up(available_losses(), name, kind="loss")
    found = []
    for model, variant, loss in product(*map(_or_own, (models, variants, losses))):
        settings = overrides if loss is None else (*overrides, f"loss.name={loss}")
        if model in finding_objects:
            settings = (*settings, _AS_CLASSES)
        # A variant may name a network of its own; the recipe's then is none to insist on.
        compared = base.model.name if model is None and variant is None else model
        recipe = load_recipe(path, profile=profile, overrides=settings, compared_model=compared, variant=variant)
        parts = (compared, variant, loss if len(losses) > 1 else None)
        found.append(ComparedRecipe("-".join(part for part in parts if part is not None), recipe))
    return found, notes


def _or_own(names: list[str]) -> Sequence[str | None]:
    """The names that are chosen, or None for the recipe's own."""
    return names or [None]


def _check_overrides(overrides: tuple[str, ...]) -> None:
    if any(override.partition("=")[0] in {"model", "model.name"} for override in overrides):
        message = "--set model.name: the networks of a comparison are named by --models."
        raise ConfigError(message)


def _finds_objects(model: str) -> bool:
    return available_models()[model].answers == "objects"


def _chosen_models(
    models: Sequence[str], base: TrainingRecipe, *, foreground_classes: int
) -> tuple[list[str], tuple[str, ...]]:
    """Names of the networks, and what is left out."""
    known = available_models()
    dims = base.transforms.spatial_dims
    if ALL in models:
        fitting = [
            name
            for name, description in sorted(known.items())
            if dims in description.spatial_dims and (foreground_classes == 1 or not _finds_objects(name))
        ]
        others = ", ".join(sorted(set(known) - set(fitting)))
        what = f"{dims} spatial axes" + ("" if foreground_classes == 1 else f" and {foreground_classes} classes")
        note = f"Left out, since they are not for {what}: {others}."
        return fitting, (note,) if others else ()
    names = list(dict.fromkeys(models))
    for name in names:
        if dims not in look_up(known, name, kind="model").spatial_dims:
            message = f"model {name!r} is not for the {dims} spatial axes of recipe {base.name}. Leave it out."
            raise ConfigError(message)
    return names, ()


def _chosen_variants(path: Path, choice: Choice, *, profile: str | None) -> list[str]:
    known = recipe_variants(path, profile=profile)
    if choice.variants and not known:
        message = f"{path}: expected a section `variants` with recipes to compare, and there is none."
        raise ConfigError(message)
    if ALL in choice.variants or not (choice.models or choice.losses or choice.variants):
        return list(known)
    return [look_up({name: name for name in known}, name, kind="variant") for name in dict.fromkeys(choice.variants)]
