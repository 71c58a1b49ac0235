"""Losses in float32 where a lesion is 1e-4 of the voxels, against the papers' formulas worked out for two values.

Every background voxel has lesion probability a, every lesion voxel b; sums over voxels are then products.
"""

import math

import pytest
import torch

from medseg.losses import build_loss

_SHAPE = (2, 32, 32, 32)
_VOXELS = math.prod(_SHAPE)
_LESION = 7
_REST = _VOXELS - _LESION
_SMOOTH = 1e-5
_GAMMA = 2


def _cross_entropy(a, b, *, background=1.0, lesion=1.0):
    sums = -lesion * _LESION * math.log(b) - background * _REST * math.log1p(-a)
    return sums / (lesion * _LESION + background * _REST)


def _weighted(a, b):
    return _cross_entropy(a, b, background=0.5, lesion=5000.0)


def _focal(a, b):
    return (-_LESION * (1 - b) ** _GAMMA * math.log(b) - _REST * a**_GAMMA * math.log1p(-a)) / _VOXELS


def _dice(a, b, *, power=1):
    pairs = (
        (2 * _LESION * b, _LESION * b**power + _REST * a**power + _LESION),
        (2 * _REST * (1 - a), _REST * (1 - a) ** power + _LESION * (1 - b) ** power + _REST),
    )
    return sum(1 - (twice_common + _SMOOTH) / (extent + _SMOOTH) for twice_common, extent in pairs) / 2


_CASES = {
    "cross entropy": ("cross_entropy", {}, _cross_entropy),
    "weighted cross entropy": ("cross_entropy", {"class_weights": (0.5, 5000.0)}, _weighted),
    "dice": ("dice", {}, _dice),
    "dice, squared": ("dice", {"squared_denominator": True}, lambda a, b: _dice(a, b, power=2)),
    "focal": ("focal", {}, _focal),
    "dice + focal": ("dice_focal", {}, lambda a, b: _dice(a, b) + _focal(a, b)),
}
_STATES = [(0.5, 0.5), (1e-2, 1e-2), (1e-4, 1e-4), (1e-6, 1e-6), (1e-4, 0.9), (1e-6, 0.5)]


def _value_and_pull(name, options, a, b):
    """The loss, and its gradient by the lesion logit summed over the background and over the lesion."""
    target = torch.zeros(_SHAPE, dtype=torch.long)
    target[0, 10, 20:27, 5] = 1
    assert target.sum() == _LESION
    lesion_logit = torch.where(target == 1, math.log(b / (1 - b)), math.log(a / (1 - a))).requires_grad_()
    logits = torch.stack([torch.zeros(_SHAPE), lesion_logit], dim=1)
    value = build_loss(name, num_classes=2, **options)(logits, target)
    value.backward()
    pull = lesion_logit.grad.double()
    return value.item(), pull[target == 0].sum().item(), pull[target == 1].sum().item()


def _slopes(formula, a, b):
    """Central differences by the logits of a and b; the slope of a sum of voxels is that of their common logit."""
    step = 1e-4

    def moved(probability, by):
        return 1 / (1 + (1 - probability) / probability * math.exp(-by))

    of_a = (formula(moved(a, step), b) - formula(moved(a, -step), b)) / (2 * step)
    of_b = (formula(a, moved(b, step)) - formula(a, moved(b, -step))) / (2 * step)
    return of_a, of_b


@pytest.mark.parametrize(("a", "b"), _STATES)
@pytest.mark.parametrize("case", _CASES)
def test_value_and_gradient_are_those_of_the_formula(case, a, b):
    name, options, formula = _CASES[case]
    value, of_background, of_lesion = _value_and_pull(name, options, a, b)
    assert value == pytest.approx(formula(a, b), rel=2e-3, abs=2e-7)
    expected_background, expected_lesion = _slopes(formula, a, b)
    assert of_lesion == pytest.approx(expected_lesion, rel=5e-3, abs=1e-11)
    assert of_background == pytest.approx(expected_background, rel=5e-3, abs=1e-11)


@pytest.mark.parametrize("case", _CASES)
def test_a_batch_without_a_lesion_pushes_no_voxel_towards_lesion(case):
    name, options, _ = _CASES[case]
    lesion_logit = torch.full(_SHAPE, -4.0, requires_grad=True)
    logits = torch.stack([torch.zeros(_SHAPE), lesion_logit], dim=1)
    build_loss(name, num_classes=2, **options)(logits, torch.zeros(_SHAPE, dtype=torch.long)).backward()
    assert torch.isfinite(lesion_logit.grad).all()
    assert (lesion_logit.grad > 0).all()
