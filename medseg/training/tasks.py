"""What a run trains, by the kind of its network's answer: a class for each voxel, or a list of objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from medseg.config import TrainingRecipe
from medseg.datasets.case import Dataset
from medseg.errors import ConfigError
from medseg.losses import build_loss
from medseg.models import DetectionNetwork, SegmentationNetwork, available_models, build_model
from medseg.registry import look_up
from medseg.training.data_module import count_classes
from medseg.training.determinism import seed_torch
from medseg.training.object_statistics import detection_options, measure_training_objects
from medseg.training.objectives import ClassObjective, Objective, ObjectObjective
from medseg.training.run_data import RunData
from medseg.transforms.object_rims import network_labels


@dataclass(frozen=True, eq=False)
class Learner:
    """A fresh network and what it is trained with.

    Attributes:
        network: with its first weights.
        objective: what is minimised.
        options: the network's options as its package stores them: the recipe's, and those found in the data.
        found: what was measured in the training data to find them; empty where nothing was.
    """

    network: SegmentationNetwork | DetectionNetwork
    objective: Objective
    options: Mapping[str, Any]
    found: Mapping[str, Any]


class TrainingTask(ABC):
    """What differs between runs by the kind of answer; made before any case is read, so that mistakes show early.

    Attributes:
        objects: whether references are read as single objects.
        num_classes: that the network tells apart, background included.
    """

    objects: ClassVar[bool]

    def __init__(self, recipe: TrainingRecipe, *, dataset: Dataset) -> None:
        self.recipe = recipe
        self.dataset = dataset

        self.num_classes = len(network_labels(dataset.labels, recipe.transforms))

    @abstractmethod
    def learner(self, data: RunData) -> Learner:
        """Network and objective for the data that was read.

        Raises:
            ConfigError: a setting does not fit the data.
        """

    def _build(self, options: Mapping[str, Any]) -> SegmentationNetwork | DetectionNetwork:
        recipe = self.recipe
        seed_torch(recipe.training.seed, stream=0)
        network = build_model(
            recipe.model.name,
            in_channels=self.dataset.num_channels,
            num_classes=self.num_classes,
            spatial_dims=recipe.transforms.spatial_dims,
            **options,
        )
        network.check_input_size(recipe.transforms.patch_size)
        return network


class ClassTask(TrainingTask):
    """A class for each voxel."""

    objects = False

    def __init__(self, recipe: TrainingRecipe, *, dataset: Dataset) -> None:
        super().__init__(recipe, dataset=dataset)
        self._check()
        self._network = self._build(recipe.model.options)
        # Whether the recipe's loss is one at all is told before the cases are read, whatever will be counted in them.
        self._loss(class_counts=lambda: np.ones((1, self.num_classes)))

    def learner(self, data: RunData) -> Learner:
        """See `TrainingTask`."""
        loss = self._loss(class_counts=partial(count_classes, data.training, num_classes=self.num_classes))
        objective = ClassObjective(loss, auxiliary_weights=self.recipe.loss.auxiliary_weights)
        return Learner(self._network, objective, self.recipe.model.options, found={})

    def _check(self) -> None:
        if self.recipe.evaluation.objects_as_classes:
            message = (
                f"evaluation.objects_as_classes: is for networks that find objects, and {self.recipe.model.name} gives "
                "each voxel a class. Set evaluation.objects_as_classes=false."
            )
            raise ConfigError(message)
        if self.recipe.evaluation.task == "instances":
            message = (
                f"evaluation.task: instances are scored of networks that find objects, and {self.recipe.model.name} "
                "gives each voxel a class. Choose semantic, transforms.object_rims={width_voxel: 1}, or "
                "model.name=mask_rcnn."
            )
            raise ConfigError(message)

    def _loss(self, *, class_counts: Callable[[], NDArray[np.number]]) -> nn.Module:
        loss = self.recipe.loss
        return build_loss(loss.name, num_classes=self.num_classes, class_counts=class_counts, **loss.options)


class RimTask(ClassTask):
    """Outside, interior or rim for each voxel, and objects made of them."""

    objects = True

    def _check(self) -> None:
        _check_object_settings(self.recipe, self.dataset, why="transforms.object_rims makes objects of the classes")


class ObjectTask(TrainingTask):
    """A list of objects; the network's loss is its own, so the recipe's `loss` means nothing to it."""

    objects = True

    def __init__(self, recipe: TrainingRecipe, *, dataset: Dataset) -> None:
        super().__init__(recipe, dataset=dataset)
        why = f"{recipe.model.name} finds objects and has no voxel-wise classes"
        _check_object_settings(recipe, dataset, why=why)
        if recipe.transforms.object_rims is not None:
            message = f"transforms.object_rims: {recipe.model.name} finds objects without them. Leave them out."
            raise ConfigError(message)
        self._build(recipe.model.options)

    def learner(self, data: RunData) -> Learner:
        """See `TrainingTask`; options that the recipe leaves open follow from the training objects."""
        found = measure_training_objects(data.training)
        given = {key: value for key, value in self.recipe.model.options.items() if value is not None}
        options = {**detection_options(found), **given}
        network = self._build(options)
        assert isinstance(network, DetectionNetwork)  # noqa: S101 - the table of tasks says so
        return Learner(network, ObjectObjective(network), options, found.to_json())


def _check_object_settings(recipe: TrainingRecipe, dataset: Dataset, *, why: str) -> None:
    """Pass where no setting asks for classes of voxels, but for the scores where the recipe says so."""
    evaluation = recipe.evaluation
    if evaluation.objects_as_classes and len(dataset.labels.foreground) != 1:
        message = (
            "evaluation.objects_as_classes: all objects are scored as one class, and "
            f"{dataset.name} has {len(dataset.labels.foreground)} besides the background. Set it to false."
        )
        raise ConfigError(message)
    rules = (
        (evaluation.task == "instances" or evaluation.objects_as_classes, "evaluation.task", "instances"),
        (evaluation.task != "instances" or not evaluation.objects_as_classes, "evaluation.objects_as_classes", "false"),
        (not recipe.training.calibrate, "training.calibrate", "false"),
        (not evaluation.choose_postprocessing, "evaluation.choose_postprocessing", "false"),
        (not recipe.inference.postprocessing, "inference.postprocessing", "[]"),
        (recipe.inference.close_boundaries is None, "inference.close_boundaries", "null"),
        (recipe.transforms.border_weights is None, "transforms.border_weights", "null"),
    )
    for holds, key, wanted in rules:
        if not holds:
            message = f"{key}: {why}. Set {key}={wanted}."
            raise ConfigError(message)


_TASKS: Mapping[str, type[TrainingTask]] = {"classes": ClassTask, "objects": ObjectTask}


def training_task(recipe: TrainingRecipe, *, dataset: Dataset) -> TrainingTask:
    """The task of a recipe.

    Raises:
        UnknownNameError: there is no such network.
        ConfigError: a setting does not fit the network or the data set.
    """
    description = look_up(available_models(), recipe.model.name, kind="model")
    kind = _TASKS[description.answers]
    if kind is ClassTask and recipe.transforms.object_rims is not None:
        kind = RimTask
    return kind(recipe, dataset=dataset)
