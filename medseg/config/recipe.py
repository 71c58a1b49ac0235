"""The recipe: everything that decides what a training run does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from medseg.config.base import Config, parse_config, parse_yaml, read_yaml
from medseg.config.postprocessing import PostprocessingStep
from medseg.config.transforms import TransformsConfig
from medseg.errors import ConfigError

Probability = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern="^[a-z0-9_]+$")]


_CHOICES = ("kind", "name", "dataset")
"""Keys that say which of several things a mapping configures; its other keys make sense for that one only."""

_FOLDER_NAME = re.compile("[A-Za-z0-9_-]+")


class DataConfig(Config):
    """Which images and labels."""

    dataset: Name
    """Name of a data set (`medseg datasets` lists them)."""
    options: dict[str, Any] = {}
    """Arguments of that data set, seeds and split sizes for example."""


class ModelConfig(Config):
    """Which network."""

    name: Name
    options: dict[str, Any] = {}
    """Arguments of that network beyond channels, classes and dimensions, which come from the data."""
    pretrained: Path | None = None
    """File of ImageNet weights as torchvision publishes them, .pth or .safetensors, that the trunk starts from
    (`medseg.models.load_pretrained`). Absent: weights drawn by the seed."""
    start_from: Path | None = None
    """Model package, run folder or name of an installed model that the whole network starts from: fine-tuning. The
    classes, channels and architecture must be the package's."""

    @model_validator(mode="after")
    def _starts_from_one(self) -> ModelConfig:
        if self.pretrained is not None and self.start_from is not None:
            message = "pretrained and start_from both say where the weights come from: give one of them"
            raise ValueError(message)
        return self


class LossConfig(Config):
    """Which loss."""

    name: Name = "dice_focal"
    options: dict[str, Any] = {}
    auxiliary_weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """What each auxiliary head of the network counts beside the 1 of its output, finest first. Absent: each half of
    the one before."""


class OptimiserConfig(Config):
    """How weights are changed."""

    name: Literal["adamw", "sgd"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    momentum: Probability = 0.9
    """For sgd (with Nesterov's variant)."""


class ScheduleConfig(Config):
    """How the learning rate changes: it rises linearly for `warmup_steps`, then falls to `final_lr_fraction`."""

    name: Literal["constant", "cosine", "poly"] = "cosine"
    warmup_steps: NonNegativeInt = 20
    final_lr_fraction: Probability = 0.01
    power: PositiveFloat = 0.9
    """Exponent of the poly schedule."""


class EarlyStopping(Config):
    """Stop when the monitored score has not risen for `patience` validations."""

    patience: PositiveInt = 10


class TrainingConfig(Config):
    """How long, how fast and how carefully."""

    steps: PositiveInt = 400
    steps_per_epoch: PositiveInt = 50
    """Steps between two validations and checkpoints."""
    batch_size: PositiveInt = 4
    seed: NonNegativeInt = 0
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto takes bf16 where the device computes it fast, else fp32."""
    gradient_clip_norm: PositiveFloat | None = 1.0
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay a step of the running mean of the weights, which is validated and kept; absent keeps the weights."""
    early_stopping: EarlyStopping | None = None
    num_workers: NonNegativeInt = 0
    """Processes that prepare patches; the same patches come out whatever their number."""
    preview_every_epochs: PositiveInt = 2
    calibrate: bool = False
    """In the end, fit the package's temperature on the validation cases (`inference.temperature`)."""
    monitor: str = "mean_dice"
    """Validation score, a key of the evaluation's summary, higher is better, that chooses the best checkpoint."""


class BoundaryClosing(Config):
    """Close the gaps of a boundary class along the crests of its probability (`medseg.postprocessing.boundary_lines`).

    For boundaries that part regions, as membranes part cells: one missing pixel would merge two of them.
    """

    class_index: Annotated[int, Field(ge=0)] = 1
    """Class index of the boundary."""
    smoothing_voxel: Annotated[float, Field(ge=0)] = 2.0
    """Standard deviation of the Gaussian that the probability is smoothed with before its crests are looked for."""
    depth: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Climb in probability that makes a crest; smaller values part more regions."""


class ObjectInference(Config):
    """How the objects of a detection network become a map of object numbers."""

    min_score: Probability = 0.5
    """Confidence from which on an object is kept."""
    mask_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability of an object's mask from which on a pixel belongs to it."""
    tile_size: PositiveInt = 512
    """Sides of the tiles of large images, in pixels; at least the patch size is taken."""


class RimInference(Config):
    """How interiors and rims become objects (`medseg.postprocessing.objects_from_boundary`)."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least probability of interior and rim together in an object."""
    seed_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Least probability of the interior in a seed; a higher one parts objects whose rims are faint between them."""
    min_seed_voxels: PositiveInt = 1
    """Smaller seeds make no object."""
    min_voxels: PositiveInt = 1
    """Smaller objects are left out."""


class InferenceConfig(Config):
    """How the trained network is run over whole images."""

    overlap_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.5
    mirror: bool = False
    """Average over mirrored copies (all combinations of spatial axes): better edges for 4 or 8 times the work."""
    close_boundaries: BoundaryClosing | None = None
    postprocessing: tuple[PostprocessingStep, ...] = ()
    """Steps applied to the finished mask, in this order."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """By which the logits are divided so that probabilities are what they say (`medseg.metrics.fit_temperature`); 1 is
    uncalibrated. No label depends on it."""
    objects: ObjectInference = ObjectInference()
    """For networks that find objects."""
    rims: RimInference = RimInference()
    """For networks that learn objects by their rims (`transforms.object_rims`)."""


class EvaluationConfig(Config):
    """How validation cases are scored."""

    task: Literal["semantic", "isbi2012", "lesions", "instances"] = "semantic"
    objects_as_classes: bool = False
    """Score a network that finds objects by the classes of its voxels, as the other tasks do: all objects are of the
    one foreground class."""
    choose_postprocessing: bool = False
    """After training, add to `inference.postprocessing` the steps that raise Dice on the validation cases."""


class TrainingRecipe(Config):
    """The whole of a training run; stored, fully resolved, in its run folder."""

    schema_version: Literal[1] = 1
    name: Name
    description: str = ""
    data: DataConfig
    transforms: TransformsConfig
    model: ModelConfig
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


def load_recipe(
    path: Path,
    *,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    compared_model: str | None = None,
    variant: str | None = None,
    settings_of: Callable[[Path], Mapping[str, Any]] | None = None,
) -> TrainingRecipe:
    """Return the recipe that a YAML file holds, with one of its profiles and single settings laid over it.

    A recipe file may hold a mapping `profiles`: name -> settings that replace those of the same path. A mapping that
    names another choice (its `kind`, `name` or `dataset` differs) replaces the whole of the one below, whose options
    belong to the old choice. All overrides are laid over together, so that their order does not matter.

    It may also hold a mapping `compare`: name of a network -> settings that `medseg compare` lays over for that
    network, small widths for example. And it may hold a mapping `variants`: name -> settings that make another recipe
    to compare this one with, another loss for example. A profile may hold both, too.

    Args:
        path: the YAML file.
        profile: one of the file's profiles; none leaves the file's own settings.
        compared_model: network to take instead of the recipe's own, with its settings of `compare`.
        variant: one of the file's variants, laid over all but the overrides.
        overrides: `key.path=value` each, the value as YAML; of one path given twice the last counts.
        settings_of: settings of the model that `model.start_from` names, which all others are laid over.

    Raises:
        ConfigError: the file, the profile, the variant, a key or a value is wrong; the message names its path.
    """
    settings = _with_profile(path, profile)
    compared = _taken(settings, "compare", path)
    variants = _taken(settings, "variants", path)
    if compared_model is not None:
        settings = _merged(settings, {"model": {"name": compared_model}})
        settings = _merged(settings, compared.get(compared_model, {}))
    if variant is not None:
        settings = _merged(settings, _chosen(variants, variant, kind="variant", path=path))
    laid_over: dict[str, Any] = {}
    for override in overrides:
        laid_over = _merged(laid_over, _parse_override(override))
    settings = _merged(settings, laid_over)
    start = _start_of(settings)
    if start is not None and settings_of is not None:
        settings = _merged(dict(settings_of(start)), settings)
    return parse_config(TrainingRecipe, settings, source=str(path))


def recipe_profiles(path: Path) -> tuple[str, ...]:
    """Names of the profiles that a recipe file holds.

    Raises:
        ConfigError: the file is missing or not a mapping, or its profiles are not mappings.
    """
    return tuple(_taken(read_yaml(path), "profiles", path))


def recipe_variants(path: Path, *, profile: str | None = None) -> tuple[str, ...]:
    """Names of the variants that a recipe file holds, those of one of its profiles included.

    Raises:
        ConfigError: the file or the profile is missing, or a name could not be that of a folder.
    """
    names = tuple(_taken(_with_profile(path, profile), "variants", path))
    for name in names:
        if not _FOLDER_NAME.fullmatch(str(name)):
            message = f"{path}: variants: a name has letters, digits, - and _ only, got {name!r}."
            raise ConfigError(message)
    return names


def _start_of(settings: Mapping[str, Any]) -> Path | None:
    model = settings.get("model")
    start = model.get("start_from") if isinstance(model, Mapping) else None
    return Path(start) if isinstance(start, str) else None


def _with_profile(path: Path, profile: str | None) -> dict[str, Any]:
    """All that the file says, with the profile laid over it."""
    settings = read_yaml(path)
    profiles = _taken(settings, "profiles", path)
    return settings if profile is None else _merged(settings, _chosen(profiles, profile, kind="profile", path=path))


def _chosen(entries: dict[str, dict[str, Any]], name: str, *, kind: str, path: Path) -> dict[str, Any]:
    if name not in entries:
        message = f"{path}: no {kind} {name!r}. The file has: {', '.join(entries) or 'none'}."
        raise ConfigError(message)
    return entries[name]


def _taken(settings: dict[str, Any], section: str, path: Path) -> dict[str, dict[str, Any]]:
    """A section of named settings, taken out of `settings`."""
    entries = settings.pop(section, {})
    if not isinstance(entries, dict):
        message = f"{path}: {section}: expected a mapping of names to settings, got {type(entries).__name__}."
        raise ConfigError(message)
    for name, content in entries.items():
        if not isinstance(content, dict):
            message = f"{path}: {section}.{name}: expected a mapping of settings, got {content!r}."
            raise ConfigError(message)
    return entries


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`; see `load_recipe` for other choices."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _is_other_choice(old, value):
            result[key] = _merged(old, value)
        else:
            result[key] = value
    return result


def _is_other_choice(below: dict[str, Any], above: dict[str, Any]) -> bool:
    return any(tag in above and tag in below and above[tag] != below[tag] for tag in _CHOICES)


def _parse_override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    parts = key.split(".")
    if not separator or not all(parts):
        message = f"--set {text}: expected key.path=value, for example training.steps=100."
        raise ConfigError(message)
    try:
        parsed: Any = parse_yaml(value)
    except yaml.YAMLError as error:
        message = f"--set {text}: the value is not YAML: {' '.join(str(error).split())}."
        raise ConfigError(message) from error
    for part in reversed(parts):
        parsed = {part: parsed}
    return dict(parsed)
