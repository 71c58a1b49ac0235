"""What the Learn dock has done beside the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medseg_napari.jobs.worker_process import MODELS
from medseg_napari.learning.corrected import Reviewed, corrected_image
from medseg_napari.learning.corrections import CorrectionSet
from medseg_napari.learning.fine_tuning import ParentModel, Plan, fine_tuning_recipe, next_name, write_recipe
from medseg_napari.learning.marks import group_mark
from medseg_napari.learning.places import family_folder, runs_folder, secret_key
from medseg_napari.learning.run import FineTuning, prepare_run, unfinished_run
from medseg_napari.segmenting.models import ModelChoice

IsCancelled = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class Learning:
    """A model, what it may learn from, and the run that waits to go on.

    Attributes:
        parent: the model.
        corrections: its corrected images.
        waiting: a run that was stopped; None where there is none.
    """

    parent: ParentModel
    corrections: CorrectionSet
    waiting: FineTuning | None


def find_choices(folders: tuple[Path, ...], cancelled: IsCancelled) -> list[ModelChoice]:
    """The models that can learn."""
    choices: list[ModelChoice] = MODELS.call(
        "medseg_napari.segmenting.models:model_choices", folders, cancelled=cancelled
    )
    return choices


def look_at(folder: Path, home: Path, cancelled: IsCancelled) -> Learning:
    """What there is for the model in a folder.

    Raises:
        MedsegError: the package or the set is damaged.
    """
    parent: ParentModel = MODELS.call("medseg_napari.learning.fine_tuning:parent_model", folder, cancelled=cancelled)
    family = family_folder(parent.folder, name=parent.name, home=home)
    waiting = unfinished_run(runs_folder(family))
    return Learning(parent, CorrectionSet(family), None if waiting is None else FineTuning(waiting, data=family))


def add_to(learning: Learning, reviewed: Reviewed, home: Path) -> None:
    """Add a reviewed image to the set.

    Raises:
        InputError: the image is not of the model's kind, or an object is of a class that the model does not know.
        StorageError: a file could not be written.
    """
    parent = learning.parent
    corrected = corrected_image(
        reviewed, table=parent.table, spatial_dims=parent.spatial_dims, num_channels=parent.num_channels
    )
    group = group_mark(corrected.image, key=secret_key(home))
    learning.corrections.add(corrected, group=group, date=datetime.now(UTC).date().isoformat())


def prepared(learning: Learning, plan: Plan) -> FineTuning:
    """A run that can be started.

    Raises:
        InputError: the set is too small.
        StorageError: a file could not be written.
    """
    family = learning.corrections.folder
    runs = runs_folder(family)
    name = next_name(learning.parent.name, runs)
    recipe = fine_tuning_recipe(learning.parent, learning.corrections, plan, name=name)
    write_recipe(recipe, prepare_run(runs / name, plan))
    return FineTuning(runs / name, data=family)
