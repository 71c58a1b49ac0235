"""Sums of a softmax with their own backward, against the same written out for autograd."""

import pytest
import torch

from medseg.losses import build_loss
from medseg.losses.softmax_sums import softmax_sums
from medseg.losses.voxel_batch import SummedVoxelBatch, VoxelBatch

CLASSES = 5


def _data(dtype=torch.float64, scale=2.0):
    generator = torch.Generator().manual_seed(7)
    logits = scale * torch.randn(3, CLASSES, 4, 3, 2, dtype=dtype, generator=generator)
    target = torch.randint(0, CLASSES, (3, 4, 3, 2), generator=generator)
    return logits, target, torch.rand(3, 4, 3, 2, dtype=dtype, generator=generator)


def _both_ways(name, logits, target, weights=None, **options):
    results = []
    for batch_type in (None, VoxelBatch):
        loss = build_loss(name, num_classes=CLASSES, **options)
        if batch_type is not None:
            loss.batch_type = batch_type
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, target, weights)
        value.backward()
        results.append((value.detach(), leaf.grad))
    return results


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [2.0, 1000.0])
def test_sums_are_those_of_the_softmax_and_their_gradients_those_of_finite_differences(masked, scale):
    # A scale of 1000 makes probabilities that are rounded to 0; their logarithms are not.
    logits, target, chances = _data(scale=scale)
    counted = chances > 0.4 if masked else None
    own, sums = softmax_sums(logits, target, counted)
    logarithms = logits.log_softmax(1)
    kept = torch.ones_like(chances) if counted is None else counted
    torch.testing.assert_close(own, logarithms.gather(1, target.unsqueeze(1)).squeeze(1))
    torch.testing.assert_close(sums, (logarithms.exp() * kept.unsqueeze(1)).sum((2, 3, 4)))
    if scale < 10:
        assert torch.autograd.gradcheck(
            lambda leaf: [part * kept if part.ndim == 4 else part for part in softmax_sums(leaf, target, counted)],
            logits.requires_grad_(),
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_image": True, "include_background": False},
        {"class_weights": [1, 2, 0, 4, 5], "ignore_index": 2},
        {"gamma": 0.5, "alpha": [0.1, 0.2, 0.3, 0.4, 0.5], "focal_weight": 3},
        {"gamma": 0, "alpha": 0.3, "dice_weight": 0},
        {"focal_weight": 0, "smooth_numerator": 0.5, "smooth_denominator": 2, "ignore_index": 255},
        {"squared_denominator": True, "ignore_index": 1},
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dice_focal_equals_its_autograd_version_whatever_its_options(options, dtype):
    logits, target, weights = _data(dtype)
    ours, autograds = _both_ways("dice_focal", logits, target, weights, **options)
    torch.testing.assert_close(ours, autograds, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("scale", [0.0, 40.0, 1000.0])
def test_dice_focal_equals_its_autograd_version_at_extreme_logits(scale):
    logits, target, _ = _data(torch.float32, scale)
    ours, autograds = _both_ways("dice_focal", logits, target)
    torch.testing.assert_close(ours, autograds, rtol=1e-5, atol=1e-7)


def test_gradient_of_dice_focal_is_that_of_finite_differences_in_float64():
    logits, target, weights = _data()
    loss = build_loss("dice_focal", num_classes=CLASSES, alpha=0.3, ignore_index=4, class_weights=[1, 2, 3, 4, 5])
    assert torch.autograd.gradcheck(lambda leaf: loss(leaf, target, weights), logits.requires_grad_())


def test_logits_in_channels_last_order_give_the_same():
    logits, target, _ = _data()
    shuffled = logits.to(memory_format=torch.channels_last_3d)
    first, _ = _both_ways("dice_focal", logits, target)
    second, _ = _both_ways("dice_focal", shuffled, target)
    torch.testing.assert_close(first, second)


def test_a_backward_under_autocast_keeps_its_digits():
    logits, target, _ = _data(torch.float32)
    leaf = logits.clone().requires_grad_()
    loss = build_loss("dice_focal", num_classes=CLASSES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(leaf, target).backward()
    _, (_, expected) = _both_ways("dice_focal", logits, target)
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-5, atol=1e-7)


def test_squares_are_summed_the_plain_way_and_everything_else_the_fast_way():
    assert build_loss("dice_focal", num_classes=2, squared_denominator=True).batch_type is VoxelBatch
    for name in ("dice", "dice_focal", "dice_cross_entropy"):
        assert build_loss(name, num_classes=2).batch_type is SummedVoxelBatch
