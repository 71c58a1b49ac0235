"""What a fine-tuning does: the recipe that `medseg train` is given, and how long it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.images import LabelTable
from medseg_napari.learning.corrections import PATIENTS_FILE, CorrectionSet

_STEPS_BY_THE_CLOCK = 1_000_000
"""Steps of a run that the clock ends."""
_VALIDATIONS = 10
_MOST_STEPS_BETWEEN_VALIDATIONS = 25
_BATCH_SIZE = {2: 4, 3: 2}
_NAME = "tuned"


@dataclass(frozen=True)
class ParentModel:
    """The model that learns.

    Attributes:
        folder: its package.
        name: as its card has it.
        table: its classes.
        spatial_dims: 2 or 3.
        num_channels: of the images that it looks at.
        task: how it is scored.
        score: key of the score by which its best weights are chosen.
        is_calibrated: whether its probabilities were calibrated.
    """

    folder: Path
    name: str
    table: LabelTable
    spatial_dims: int
    num_channels: int
    task: str
    score: str
    is_calibrated: bool


def parent_model(folder: Path) -> ParentModel:
    """What the package in a folder says. Loads torch; call it beside the window.

    Raises:
        ModelPackageError: there is no package, or a damaged one.
    """
    from medseg.evaluation.task import TASK_VIEWS
    from medseg.inference import find_model, read_manifest

    package = find_model(folder)
    manifest = read_manifest(package)
    return ParentModel(
        folder=package,
        name=manifest.name,
        table=manifest.answer_table,
        spatial_dims=manifest.architecture.spatial_dims,
        num_channels=manifest.architecture.in_channels,
        task=manifest.scores.task,
        score=TASK_VIEWS[manifest.scores.task].main_score,
        is_calibrated=manifest.inference.temperature != 1,
    )


@dataclass(frozen=True)
class Plan:
    """How long a fine-tuning takes: so many steps, or so many minutes.

    Attributes:
        steps: number of steps; None where the clock ends it.
        minutes: after which the best model so far is taken.
        score: key of the score that chooses it.
        device: as in `medseg.inference.choose_device`.
    """

    steps: int | None = None
    minutes: float | None = None
    score: str = "mean_dice"
    device: str = "auto"

    @property
    def total_steps(self) -> int:
        """Steps that the recipe states."""
        return _STEPS_BY_THE_CLOCK if self.steps is None else self.steps

    def write(self, path: Path) -> None:
        """Keep it beside the run, for when it goes on another day."""
        write_text_atomically(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a file.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            message = f"{path}: cannot be read as the plan of a fine-tuning. Begin another one."
            raise InputError(message) from error


def fine_tuning_recipe(parent: ParentModel, corrections: CorrectionSet, plan: Plan, *, name: str) -> Mapping[str, Any]:
    """The recipe; network, classes, inputs and scoring are the parent's.

    The learning rate is small and stays what it is, so that a run can be ended, or made longer, at any time. The
    weights that are judged are a running mean over the last steps, which a few images throw about less.

    Raises:
        InputError: the set is too small.
    """
    if corrections.lack:
        raise InputError(corrections.lack)
    between = max(1, min(_MOST_STEPS_BETWEEN_VALIDATIONS, plan.total_steps // _VALIDATIONS))
    return {
        "schema_version": 1,
        "name": name,
        "description": f"{parent.name}, fine-tuned on {corrections.headline}.",
        "data": {
            "dataset": "folder",
            "options": {
                "labels": list(parent.table.names),
                "patients": PATIENTS_FILE,
                "train": list(corrections.training),
                "validation": list(corrections.judging),
            },
        },
        "model": {"start_from": str(parent.folder)},
        "training": {
            "steps": plan.total_steps,
            "steps_per_epoch": between,
            "batch_size": _BATCH_SIZE[parent.spatial_dims],
            "optimiser": {"name": "adamw", "lr": 3e-4},
            "schedule": {"name": "constant", "warmup_steps": 10},
            "ema_decay": 0.9,
            "monitor": plan.score,
            "calibrate": parent.is_calibrated,
            "preview_every_epochs": 1,
        },
    }


def write_recipe(recipe: Mapping[str, Any], path: Path) -> None:
    """Write a recipe for the command.

    Raises:
        StorageError: it could not be written.
    """
    write_text_atomically(path, yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True))


def next_name(parent: str, runs: Path) -> str:
    """Name of the next model of a family: letters, digits and _ only, as recipes take them."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in parent.lower())
    stem = plain.split(f"_{_NAME}_")[0]
    number = 1
    while (runs / f"{stem}_{_NAME}_{number}").exists() or (runs / f"{stem}_{_NAME}_{number}.yaml").exists():
        number += 1
    return f"{stem}_{_NAME}_{number}"
