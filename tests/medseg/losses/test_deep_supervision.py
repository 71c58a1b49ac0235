"""Losses of auxiliary heads."""

import pytest
import torch

from medseg.errors import ConfigError
from medseg.losses import build_loss, deep_supervision_loss
from medseg.losses.deep_supervision import to_coarser_grid


def test_without_auxiliary_heads_it_is_the_loss_itself():
    logits, target = torch.randn(1, 2, 4, 4), torch.randint(0, 2, (1, 4, 4))
    loss = build_loss("dice_focal", num_classes=2)
    assert torch.equal(deep_supervision_loss(loss, logits, (), target), loss(logits, target))


def test_each_head_counts_half_of_the_one_before():
    def mean_logit(logits, target, pixel_weights):
        assert logits.shape[2:] == target.shape[1:]
        assert pixel_weights is None
        return logits.mean()

    heads = (torch.full((1, 2, 4, 2), 6.0), torch.full((1, 2, 2, 1), 2.0))
    value = deep_supervision_loss(mean_logit, torch.full((1, 2, 8, 4), 3.0), heads, torch.zeros(1, 8, 4).long())
    assert value.item() == pytest.approx((3 + 6 / 2 + 2 / 4) / (1 + 1 / 2 + 1 / 4))


def test_heads_may_be_given_their_weights():
    # One head of weight 0.4, as PSPNet has it.
    heads = (torch.full((1, 2, 2, 2), 6.0),)
    arguments = (lambda logits, target, pixel_weights: logits.mean(), torch.full((1, 2, 4, 4), 3.0))
    target = torch.zeros(1, 4, 4).long()
    assert deep_supervision_loss(*arguments, heads, target, weights=(0.4,)).item() == pytest.approx(
        (3 + 0.4 * 6) / (1 + 0.4)
    )
    assert deep_supervision_loss(*arguments, (), target, weights=(0.4,)).item() == 3
    with pytest.raises(ConfigError, match=r"auxiliary_weights: expected one for each of the 1 auxiliary heads.*got 2"):
        deep_supervision_loss(*arguments, heads, target, weights=(0.4, 0.2))


def test_the_coarser_grid_takes_the_voxel_at_each_centre():
    target = torch.arange(16).view(1, 4, 4)
    assert to_coarser_grid(target, (2, 2)).tolist() == [[[5, 7], [13, 15]]]
    assert torch.equal(to_coarser_grid(target, (4, 4)), target)
    # Thirds of six voxels: the middle one of each three.
    assert to_coarser_grid(torch.arange(6).view(1, 6), (2,)).tolist() == [[1, 4]]


def test_weights_go_to_the_coarser_grid_with_their_voxels():
    seen = []

    def remember(logits, target, pixel_weights):
        seen.append((target, pixel_weights))
        return logits.mean()

    target = torch.arange(16).view(1, 4, 4)
    deep_supervision_loss(remember, torch.zeros(1, 2, 4, 4), (torch.zeros(1, 2, 2, 2),), target, target / 10)
    assert [weights.mul(10).round().long().equal(indices) for indices, weights in seen] == [True, True]


def test_gradient_reaches_every_head():
    heads = [torch.randn(2, 3, size, size, requires_grad=True) for size in (8, 4, 2)]
    target = torch.randint(0, 3, (2, 8, 8))
    loss = build_loss("dice_focal", num_classes=3)
    deep_supervision_loss(loss, heads[0], heads[1:], target, torch.ones(2, 8, 8)).backward()
    assert all(head.grad.abs().sum() > 0 for head in heads)
