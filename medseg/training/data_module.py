"""Training patches that depend on the seed and their running number alone, and whole cases for validation.

Sample number `i` of a training is made from (seed, i) and nothing else: not from the number of worker processes, not
from what was drawn before, not from where a run was broken off. A resumed training starts at the number it had come to
and sees what the unbroken one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from medseg.config import TransformsConfig
from medseg.datasets.case import Case
from medseg.errors import InputError
from medseg.transforms import build_augmentation, build_preparation
from medseg.transforms.sampling import foreground_indices

PreparedCase = dict[str, Any]
"""A case as `medseg.transforms.build_preparation` returns it."""

Progress = Callable[[int, int, str], None]
"""Called with the number of cases that are ready, the number of all, and the id of the one just finished."""

_CASE_ORDER, _PATCH = 0, 1
"""What a stream of random numbers is for; keeps the order of cases apart from what is done to their patches."""


class PatchDataset(Dataset[dict[str, torch.Tensor]]):
    """Random patches of prepared cases; it has no end, and item `i` is the same each time it is asked for.

    Cases come in shuffled rounds: of any `n` items that make up a round, one is from each of the `n` cases.

    Args:
        cases: prepared for training; they stay in memory.
        config: the recipe's transforms.
        seed: decides, with the item's number, every byte of the item.

    Raises:
        InputError: there is no case, or one has no label map.
    """

    def __init__(self, cases: Sequence[PreparedCase], config: TransformsConfig, *, seed: int) -> None:
        if not cases:
            message = "training: expected at least one case, got none. Check the data set's training split."
            raise InputError(message)
        self._cases = [_with_foreground(case, number) for number, case in enumerate(cases)]
        self._augmentation = build_augmentation(config)
        self._seed = seed

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Item `index` of the training, from 0: see `medseg.transforms.build_augmentation` for its entries."""
        state = np.random.SeedSequence([self._seed, _PATCH, index]).generate_state(1)
        self._augmentation.set_random_state(seed=int(state[0]))
        return dict(self._augmentation(self._cases[self.case_number(index)]))

    def case_number(self, index: int) -> int:
        """Which of the cases item `index` is taken from."""
        turn, place = divmod(index, len(self._cases))
        order = np.random.default_rng(np.random.SeedSequence([self._seed, _CASE_ORDER, turn]))
        return int(order.permutation(len(self._cases))[place])


class StepSampler(Sampler[int]):
    """The numbers of the samples of some training steps, in order.

    Args:
        batch_size: samples a step.
        start_step: first step, counted from the beginning of the training.
        steps: number of steps.
    """

    def __init__(self, *, batch_size: int, start_step: int, steps: int) -> None:
        self.batch_size = batch_size
        self.start_step = start_step
        self.steps = steps

    def __iter__(self) -> Iterator[int]:
        """From `start_step * batch_size` on."""
        first = self.start_step * self.batch_size
        return iter(range(first, first + len(self)))

    def __len__(self) -> int:
        """Number of samples."""
        return self.steps * self.batch_size


def prepare_case(
    case: Case,
    config: TransformsConfig,
    *,
    training: bool = False,
    num_channels: int | None = None,
    objects: bool = False,
) -> PreparedCase:
    """A whole case as the network sees it: "image", "label" where it has a reference, and "case_id".

    Args:
        case: where it lies.
        config: the recipe's transforms.
        training: as in `medseg.transforms.build_preparation`.
        num_channels: channels the network takes; None accepts any number.
        objects: as in `medseg.transforms.build_preparation`.

    Raises:
        MedsegError: the case cannot be read, or its image and label map do not fit; the message names the file.
    """
    preparation = build_preparation(config, training=training, num_channels=num_channels, objects=objects)
    prepared = preparation({"image": case.image, "label": case.reference})
    return {**prepared, "case_id": case.case_id}


def prepare_training_cases(
    cases: Sequence[Case],
    config: TransformsConfig,
    *,
    num_channels: int | None = None,
    objects: bool = False,
    progress: Progress | None = None,
) -> list[PreparedCase]:
    """All cases prepared for training, in their order, to be kept in memory.

    Raises:
        InputError: a case has no reference.
        MedsegError: see `prepare_case`.
    """
    prepared = []
    for number, case in enumerate(cases, start=1):
        if case.reference is None:
            message = f"case {case.case_id!r}: expected a label map to train on, got none. Take it out of the split."
            raise InputError(message)
        prepared.append(prepare_case(case, config, training=True, num_channels=num_channels, objects=objects))
        if progress is not None:
            progress(number, len(cases), case.case_id)
    return prepared


def build_train_loader(
    dataset: PatchDataset, *, batch_size: int, start_step: int, steps: int, num_workers: int = 0
) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches of `steps` training steps from `start_step` on, one a step.

    A batch holds "image" (N, C, *patch) float32, "label" (N, *patch) int64 and, with border weights, "weights"
    (N, *patch) float32.

    Args:
        dataset: where patches come from.
        batch_size: patches a step.
        start_step: first step, counted from the beginning of the training; more than 0 when it is resumed.
        steps: number of steps of this loader.
        num_workers: processes that make patches; 0 makes them in this one. It changes nothing but the speed.
    """
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=StepSampler(batch_size=batch_size, start_step=start_step, steps=steps),
        num_workers=num_workers,
        # Without a generator of its own a loader draws from torch's global state and so shifts what dropout draws.
        generator=torch.Generator().manual_seed(0),
    )


def _with_foreground(case: PreparedCase, number: int) -> PreparedCase:
    if "label" not in case:
        message = f"case {case.get('case_id', number)!r}: expected a label map to train on, got none."
        raise InputError(message)
    classes = case["label"].as_subclass(torch.Tensor).numpy()[0]
    return {**case, "foreground": foreground_indices(classes)}


def count_classes(cases: Sequence[PreparedCase], *, num_classes: int) -> NDArray[np.int64]:
    """Voxels of each class in each case, shape (cases, num_classes)."""
    labels = (case["label"].as_subclass(torch.Tensor).numpy().ravel() for case in cases)
    return np.stack([np.bincount(values, minlength=num_classes)[:num_classes] for values in labels])
