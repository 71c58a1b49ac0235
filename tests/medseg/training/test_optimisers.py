import torch
from torch import nn

from medseg.config.recipe import OptimiserConfig
from medseg.training.optimisers import build_optimiser, parameter_groups


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1, bias=False))


def test_norms_and_biases_do_not_decay_and_convolutions_do():
    decaying, constant = parameter_groups(network(), weight_decay=0.01)
    assert decaying["weight_decay"] == 0.01
    assert [tuple(weight.shape) for weight in decaying["params"]] == [(2, 1, 3, 3), (2, 2, 1, 1)]
    assert constant["weight_decay"] == 0.0
    assert [weight.ndim for weight in constant["params"]] == [1, 1, 1]


def test_frozen_weights_are_left_out():
    frozen = network()
    frozen[0].requires_grad_(False)
    assert sum(len(group["params"]) for group in parameter_groups(frozen, weight_decay=0.1)) == 3


def test_adamw_shrinks_a_weight_without_gradient_by_lr_times_decay():
    # Loshchilov 2019: w <- w - lr * decay * w, apart from the gradient's part, which is 0 here.
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimiser = build_optimiser(OptimiserConfig(name="adamw", lr=0.1, weight_decay=0.5), layer)
    layer.weight.grad = torch.zeros(1, 1)
    optimiser.step()
    assert torch.allclose(layer.weight, torch.tensor([[2.0 * (1 - 0.1 * 0.5)]]))


def test_sgd_uses_nesterov_momentum():
    # First step with gradient g: velocity g, Nesterov's update g + momentum * g.
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    optimiser = build_optimiser(OptimiserConfig(name="sgd", lr=0.1, weight_decay=0.0, momentum=0.9), layer)
    layer.weight.grad = torch.ones(1, 1)
    optimiser.step()
    assert torch.allclose(layer.weight, torch.tensor([[1.0 - 0.1 * 1.9]]))


def test_sgd_without_momentum_is_allowed():
    build_optimiser(OptimiserConfig(name="sgd", momentum=0.0), network())
