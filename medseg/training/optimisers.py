"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from medseg.config.recipe import OptimiserConfig
from medseg.registry import look_up

ParameterGroups = Sequence[dict[str, Any]]


def build_optimiser(config: OptimiserConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network's trainable weights.

    Raises:
        UnknownNameError: there is no optimiser of that name.
    """
    build = look_up(_OPTIMISERS, config.name, kind="optimiser")
    return build(parameter_groups(network, weight_decay=config.weight_decay), config)


def parameter_groups(network: nn.Module, *, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups of trainable weights: those that decay, and biases and the scales of norms, which do not.

    Weights of at most one axis set an offset or a scale; shrinking them does not make the network simpler.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _adamw(groups: ParameterGroups, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Loshchilov and Hutter 2019, arXiv:1711.05101."""
    return torch.optim.AdamW(groups, lr=config.lr)


def _sgd(groups: ParameterGroups, config: OptimiserConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)


_OPTIMISERS: dict[str, Callable[[ParameterGroups, OptimiserConfig], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "sgd": _sgd,
}
