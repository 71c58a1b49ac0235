"""How maps are scored, beyond what they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from medseg.errors import InputError
from medseg.evaluation.task import Task


@dataclass(frozen=True)
class ScoringOptions:
    """Choices that change the scores; each evaluation records them.

    Attributes:
        surfaces: whether surface distances are measured (semantic); they take most of the time.
        tolerance_mm: distance up to which surfaces agree; without it there is no normalised surface distance, for no
            tolerance suits all tissues.
        resample: whether a prediction on another grid is brought to the reference's (nearest neighbour), not refused.
        border_pixels: width of the band outside the field of interest (ctc).
        replicates: bootstrap draws of patients behind each confidence interval; 0 leaves intervals out.
        seed: of the draws.

    Raises:
        InputError: a number is out of its range.
    """

    surfaces: bool = True
    tolerance_mm: float | None = None
    resample: bool = False
    border_pixels: int = 0
    replicates: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tolerance_mm is not None and not (0 <= self.tolerance_mm < math.inf):
            message = f"tolerance_mm: expected a distance of 0 mm or more, got {self.tolerance_mm}."
            raise InputError(message)
        for name in ("border_pixels", "replicates", "seed"):
            if getattr(self, name) < 0:
                message = f"{name}: expected 0 or more, got {getattr(self, name)}."
                raise InputError(message)


_NO_FIELD = {"border_pixels": "there is no field of interest"}
_NO_SCORES = {"scores": "only objects with numbers, --task instances, have them"}
_NO_SURFACES = dict.fromkeys(("tolerance_mm", "no_surfaces"), "no surfaces are measured")

_NOT_TAKEN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        Task.SEMANTIC.value: {**_NO_FIELD, **_NO_SCORES},
        Task.ISBI2012.value: {
            **_NO_FIELD,
            **_NO_SCORES,
            **_NO_SURFACES,
            "probabilities": "it compares the regions of finished maps; --task semantic judges probabilities",
        },
        Task.INSTANCES.value: {**_NO_FIELD, **_NO_SURFACES, "probabilities": "objects have numbers, no classes"},
        Task.LESIONS.value: {**_NO_FIELD, **_NO_SCORES, **_NO_SURFACES},
        Task.CTC.value: {
            "patients": "its units are sequences",
            "labels": "its objects have numbers, no classes",
            "slices": "all frames are scored",
            "resample": "masks must have their reference's size",
            "probabilities": "its objects have numbers, no classes",
            "scores": "its measures take no order of objects",
            **_NO_SURFACES,
        },
    }
)
"""By task: the choices that mean nothing to it, and why."""


def check_choices(task: Task, choices: Mapping[str, object]) -> None:
    """Pass when the task takes all that was chosen.

    Args:
        task: the task.
        choices: by name; those that are None or False are not chosen, nor is a border of 0 pixels.

    Raises:
        InputError: a choice means nothing to the task.
    """
    for name, why in _NOT_TAKEN[task.value].items():
        value = choices.get(name)
        # A tolerance of 0 mm is a choice, a border of 0 pixels is none.
        if value is None or value is False or (value == 0 and name != "tolerance_mm"):
            continue
        message = f"task {task.value}: does not take --{name.replace('_', '-')} ({why}). Leave it out."
        raise InputError(message)
