"""The parts of a run that its callbacks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from medseg.config import TrainingRecipe
from medseg.inference.device import Precision
from medseg.training.checkpoints import RunState
from medseg.training.ema import WeightAverage
from medseg.training.logs import RunLog
from medseg.training.previews import Previews
from medseg.training.progress import Reporter
from medseg.training.run_folder import RunFolder
from medseg.training.validation import Validation


@dataclass(frozen=True)
class Environment:
    """What beside the recipe decides the bits of a run.

    Attributes:
        device: "cpu", "cuda" or "mps".
        precision: numbers that layers compute with.
        num_threads: of the CPU; another number rounds sums differently.
        torch_version: version of torch.
        medseg_version: version of medseg.
    """

    device: str
    precision: Precision
    num_threads: int
    torch_version: str
    medseg_version: str


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it goes on.

    Attributes:
        recipe: what to do.
        folder: where it is written.
        environment: what beside the recipe decides its bits.
        device: where the network runs.
        state: where it stands.
        average: the running mean of the weights; None where the recipe keeps none.
        validation: scores the network.
        log: its curves.
        previews: its pictures.
        reporter: whom to tell.
        cancelled: whether the user wants to stop.
    """

    recipe: TrainingRecipe
    folder: RunFolder
    environment: Environment
    device: torch.device
    state: RunState
    average: WeightAverage | None
    validation: Validation
    log: RunLog
    previews: Previews
    reporter: Reporter
    cancelled: Callable[[], bool]
