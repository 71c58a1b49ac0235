"""Making a run on the CPU give the same bits each time (docs/decisions/0004)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


@contextmanager
def reproducible(device: torch.device, *, num_threads: int) -> Iterator[None]:
    """Run a block with a fixed number of threads and, on the CPU, with deterministic algorithms only.

    A sum that is split over another number of threads is rounded differently, so the number belongs to the run. GPU
    kernels that add in any order (the backward pass of interpolation, for example) stay allowed: a GPU run is
    repeatable to rounding, not to the bit. The caller's settings and random state come back at the end.
    """
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    fill_before = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            torch.set_num_threads(num_threads)
            if device.type == "cpu":
                torch.use_deterministic_algorithms(mode=True)
                # It guards against reading memory that nobody wrote and costs a pass over each new tensor.
                torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.set_num_threads(threads_before)
            torch.use_deterministic_algorithms(mode=deterministic_before)
            torch.utils.deterministic.fill_uninitialized_memory = fill_before  # type: ignore[attr-defined]


def generator_states() -> list[Tensor]:
    """States of torch's global generators: the CPU's, then those of the GPUs."""
    return [torch.default_generator.get_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ())]


def restore_generators(states: Sequence[Tensor]) -> None:
    """Let torch's global generators go on from `generator_states`; GPUs that were not there then stay as they are."""
    torch.default_generator.set_state(states[0])
    for number, state in zip(range(torch.cuda.device_count()), states[1:], strict=False):
        torch.cuda.set_rng_state(state, number)


def seed_torch(seed: int, *, stream: int) -> None:
    """Seed torch's global generators, from which dropout and the first weights are drawn, from (seed, stream).

    Layers of torch take no generator, so theirs is the one global state of a run. `reproducible` keeps it from the
    caller.
    """
    words = np.random.SeedSequence([seed, stream]).generate_state(2, dtype=np.uint32)
    number = int(words[0]) << 32 | int(words[1])
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
