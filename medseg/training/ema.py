"""A running mean of a network's weights, which generalises better than the last weights of a noisy run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def effective_decay(step: int, *, decay: float) -> float:
    """Decay at a step counted from 0: min(decay, (1 + step) / (10 + step)).

    The short memory of the first steps keeps the random start from weighing on the mean of a short run.
    """
    return min(decay, (1 + step) / (10 + step))


class WeightAverage:
    """Exponential moving average of a network's state.

    Floating-point weights and buffers are averaged; counters are copied.

    Attributes:
        state: name -> tensor, with the names of `network.state_dict()`.

    References:
        Polyak and Juditsky 1992, doi 10.1137/0330046.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self._decay = decay
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, *, step: int) -> None:
        """Take in the weights after optimisation step `step`, counted from 0."""
        share = 1.0 - effective_decay(step, decay=self._decay)
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, share)
            else:
                self.state[name].copy_(value)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state that a checkpoint holds."""
        for name, value in state.items():
            self.state[name].copy_(value)


@contextmanager
def weights_applied(network: nn.Module, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Run a block with other weights in the network; afterwards it holds its own again, bit for bit."""
    own = {name: value.detach().clone() for name, value in network.state_dict().items()}
    network.load_state_dict(state)
    try:
        yield
    finally:
        network.load_state_dict(own)
