"""The manifest of a model package, `medseg.json`: all that is needed to run the weights and to judge them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from medseg.config import Config, InferenceConfig, TrainingRecipe, TransformsConfig
from medseg.images import CodedConcept, Label, LabelTable
from medseg.inference.notice import RESEARCH_NOTICE

_OBJECT_CLASSES = 2
"""Classes of a network of rims that stand in a label map."""

SCHEMA_VERSION = 1
"""Version of the manifest's layout; a reader refuses a newer one."""

Sha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
PackageName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]*$")]


class Architecture(Config):
    """Which network the weights belong to: the arguments of `medseg.models.build_model`."""

    name: Annotated[str, Field(pattern="^[a-z0-9_]+$")]
    options: dict[str, Any] = Field(default_factory=dict)
    in_channels: PositiveInt
    num_classes: Annotated[int, Field(ge=2)]
    spatial_dims: Literal[2, 3]


class ConceptEntry(Config):
    """A coded meaning, as `medseg.images.CodedConcept`."""

    value: str
    scheme: str
    meaning: str


class LabelEntry(Config):
    """One class, as `medseg.images.Label`; the k-th entry is the network's class index k."""

    value: NonNegativeInt
    name: str
    colour: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] = "#ff4f5e"
    concept: ConceptEntry | None = None


class IntensityFingerprint(Config):
    """Distribution of the raw values of the training images, all channels together."""

    percentiles: dict[str, float] = Field(default_factory=dict)
    """Percentage, as text ("0.5", "50", "99.5") -> value."""
    mean: float
    std: Annotated[float, Field(ge=0)]


class InputContract(Config):
    """What an image must be like, and was like in training."""

    axes: Annotated[str, Field(pattern="^C[A-Z]{2,3}$")]
    """Axes of the training images, "CYX", "CZYX" or "CXYZ"."""
    channels: tuple[str, ...]
    """One name a channel."""
    orientation: str | None = None
    """Anatomical axis order that the network sees; volumes are brought into it."""
    spacing_range_mm: tuple[tuple[float, float], ...] | None = None
    """Smallest and largest voxel size of the training images, for each axis in the order that the network sees;
    absent where the training images state none."""
    intensity: IntensityFingerprint | None = None
    modality: str | None = None
    """DICOM modality code ("CT", "MR") where the model is for one."""

    @property
    def spatial_dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.axes) - 1


class TrainingRecord(Config):
    """Where the weights come from."""

    dataset: str
    cases: NonNegativeInt
    """Number of training cases."""
    case_ids: tuple[str, ...] = ()
    recipe_sha256: Sha256 = ""
    pretrained_sha256: Sha256 = ""
    """Of the file of published weights that the training started from; empty where there was none."""
    parent_name: str = ""
    """Of the model package that the training started from (fine-tuning); empty where there was none."""
    parent_sha256: Sha256 = ""
    """Of that package's weights."""
    seed: NonNegativeInt = 0
    steps: NonNegativeInt = 0
    """Optimiser steps after which the weights were taken."""
    medseg_version: str
    torch_version: str
    date: str | None = None
    """Day of the training, "2026-11-21", where the person who trains wants it stated; two runs of the same recipe
    would otherwise differ by it."""


class Scores(Config):
    """How the weights scored on cases they were not trained on."""

    summary: dict[str, float | None] = Field(default_factory=dict)
    """Name of the score -> mean over the cases; absent values are undefined."""
    cases: NonNegativeInt = 0
    """Number of cases behind the summary."""
    task: str = "semantic"

    @field_validator("summary", mode="before")
    @classmethod
    def _undefined_is_none(cls, summary: Any) -> Any:
        # JSON has no NaN, and a score that is undefined must not become a number.
        if not isinstance(summary, Mapping):
            return summary
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in summary.items()
        }


class PackageManifest(Config):
    """The content of `medseg.json`."""

    schema_version: Literal[1] = 1
    name: PackageName
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = "1.0.0"
    """Of the model, raised by its maker when the weights change."""
    description: str
    architecture: Architecture
    transforms: TransformsConfig
    inference: InferenceConfig = InferenceConfig()
    labels: tuple[LabelEntry, ...]
    input: InputContract
    training: TrainingRecord
    scores: Scores = Scores()
    weights_sha256: Sha256 = ""
    """Of the file models/model.safetensors; `write_package` fills it in."""
    licence: str
    data_terms: str = ""
    """Licence of the training data, or that it is not stated."""
    limits: tuple[str, ...] = ()
    """What the model is known not to do, a sentence each."""
    notice: str = RESEARCH_NOTICE

    @property
    def label_table(self) -> LabelTable:
        """The classes as a table."""
        return LabelTable(tuple(_label(entry) for entry in self.labels))

    @property
    def answer_table(self) -> LabelTable:
        """The classes of the label maps that the model makes: all but the rims of objects, which become objects."""
        table = self.label_table
        return table if self.transforms.object_rims is None else LabelTable(table.labels[:_OBJECT_CLASSES])

    @property
    def values_are_absolute(self) -> bool:
        """Whether the network sees the values of an image as they are, not scaled by its own percentiles."""
        return self.transforms.intensity.kind == "window"

    @classmethod
    def from_recipe(
        cls,
        recipe: TrainingRecipe,
        *,
        labels: LabelTable,
        input: InputContract,  # noqa: A002 - the key's name in medseg.json
        training: TrainingRecord,
        licence: str,
        **more: Any,
    ) -> Self:
        """Manifest of a network trained by `recipe`.

        Args:
            recipe: the resolved recipe.
            labels: classes of the data set, the k-th by value is class index k.
            input: what the training images were like.
            training: where the weights come from.
            licence: of the weights.
            more: other keys, such as `scores`, `limits` and `data_terms`; name and description come from the recipe
                unless they are given.
        """
        architecture = Architecture(
            name=recipe.model.name,
            options=recipe.model.options,
            in_channels=len(input.channels),
            num_classes=len(labels),
            spatial_dims=2 if recipe.transforms.spatial_dims == 2 else 3,
        )
        settings: dict[str, Any] = {"name": recipe.name, "description": recipe.description, **more}
        return cls(
            architecture=architecture,
            transforms=recipe.transforms,
            inference=recipe.inference,
            labels=label_entries(labels),
            input=input,
            training=training,
            licence=licence,
            **settings,
        )

    @model_validator(mode="after")
    def _parts_agree(self) -> PackageManifest:
        classes, channels = len(self.labels), len(self.input.channels)
        values = [entry.value for entry in self.labels]
        dimensions = {self.input.spatial_dims, self.transforms.spatial_dims, self.architecture.spatial_dims}
        rules = (
            (classes == self.architecture.num_classes, f"labels has {classes} entries, not architecture.num_classes"),
            (values == sorted(set(values)), "labels must stand by ascending, distinct values"),
            (channels == self.architecture.in_channels, f"input.channels has {channels}, not architecture.in_channels"),
            (len(dimensions) == 1, "input.axes, transforms.patch_size and architecture.spatial_dims disagree"),
        )
        for holds, problem in rules:
            if not holds:
                raise ValueError(problem)
        return self


def label_entries(table: LabelTable) -> tuple[LabelEntry, ...]:
    """The classes of `table` as the manifest writes them."""
    return tuple(
        LabelEntry(
            value=label.value,
            name=label.name,
            colour=label.colour,
            concept=None if label.concept is None else ConceptEntry(**vars(label.concept)),
        )
        for label in table
    )


def _label(entry: LabelEntry) -> Label:
    concept = None if entry.concept is None else CodedConcept(**entry.concept.model_dump())
    return Label(entry.value, entry.name, entry.colour, concept)
