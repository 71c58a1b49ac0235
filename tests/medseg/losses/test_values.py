"""Losses against arithmetic done by hand."""

import math

import pytest
import torch

from medseg.losses import build_loss

# The example of many lectures: a 4 x 4 image whose lower half is foreground. The products add up to 7.41, the
# probabilities to 7.82, the reference to 8.
PROBABILITIES = torch.tensor(
    [[0.01, 0.03, 0.02, 0.02], [0.05, 0.12, 0.09, 0.07], [0.89, 0.85, 0.88, 0.91], [0.99, 0.97, 0.95, 0.97]],
    dtype=torch.float64,
)
REFERENCE = torch.tensor([[0] * 4, [0] * 4, [1] * 4, [1] * 4])
EXACT = {"smooth_numerator": 0, "smooth_denominator": 1e-300}


def _logits(foreground: torch.Tensor) -> torch.Tensor:
    """Two-class logits, shape (1, 2, *spatial), whose softmax gives the foreground those probabilities."""
    return torch.stack([torch.log1p(-foreground), foreground.log()]).unsqueeze(0)


def _value(name: str, logits: torch.Tensor, target: torch.Tensor, *, pixel_weights=None, **options) -> float:
    loss = build_loss(name, num_classes=logits.shape[1], **options)
    return loss(logits, target, pixel_weights).item()


def test_dice_of_the_lecture_example_is_two_times_7_41_over_15_82():
    value = _value("dice", _logits(PROBABILITIES), REFERENCE[None], include_background=False, **EXACT)
    assert value == pytest.approx(1 - 2 * 7.41 / (7.82 + 8), abs=1e-9)


def test_dice_averages_background_and_foreground():
    # Background: products 16 - 7.82 - (8 - 7.41) = 7.59, probabilities 16 - 7.82 = 8.18, reference 8.
    value = _value("dice", _logits(PROBABILITIES), REFERENCE[None], **EXACT)
    assert value == pytest.approx(1 - (2 * 7.59 / (8.18 + 8) + 2 * 7.41 / (7.82 + 8)) / 2, abs=1e-9)


def test_dice_class_weights_weigh_the_classes():
    value = _value("dice", _logits(PROBABILITIES), REFERENCE[None], class_weights=[1, 3], **EXACT)
    assert value == pytest.approx(1 - (2 * 7.59 / 16.18 + 3 * 2 * 7.41 / 15.82) / 4, abs=1e-9)


def test_squared_denominator_sums_squares():
    squares = sum(p * p for p in [0.01, 0.03, 0.02, 0.02, 0.05, 0.12, 0.09, 0.07, 0.89, 0.85, 0.88, 0.91])
    squares += sum(p * p for p in [0.99, 0.97, 0.95, 0.97])
    value = _value(
        "dice", _logits(PROBABILITIES), REFERENCE[None], include_background=False, squared_denominator=True, **EXACT
    )
    assert value == pytest.approx(1 - 2 * 7.41 / (squares + 8), abs=1e-9)


def test_smooth_terms_stand_where_their_names_say():
    value = _value(
        "dice",
        _logits(PROBABILITIES),
        REFERENCE[None],
        include_background=False,
        smooth_numerator=0.5,
        smooth_denominator=2,
    )
    assert value == pytest.approx(1 - (2 * 7.41 + 0.5) / (15.82 + 2), abs=1e-9)


def test_a_batch_is_one_region_unless_per_image():
    # Image 1: foreground predicted 0.8 and there. Image 2: foreground predicted 0.5, not there.
    logits = torch.cat([_logits(torch.tensor([0.8], dtype=torch.float64)), _logits(torch.tensor([0.5]).double())])
    target = torch.tensor([[1], [0]])
    together = _value("dice", logits, target, include_background=False, **EXACT)
    apart = _value("dice", logits, target, include_background=False, per_image=True, **EXACT)
    assert together == pytest.approx(1 - 2 * 0.8 / (1.3 + 1))
    assert apart == pytest.approx(((1 - 2 * 0.8 / (0.8 + 1)) + (1 - 0)) / 2)


def test_cross_entropy_is_the_mean_of_minus_log_p():
    logits = _logits(torch.tensor([0.25, 0.5], dtype=torch.float64))
    assert _value("cross_entropy", logits, torch.tensor([[0, 1]])) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_cross_entropy_class_and_pixel_weights_multiply_and_divide_out():
    logits = _logits(torch.tensor([0.25, 0.5, 0.5], dtype=torch.float64))
    value = _value(
        "cross_entropy",
        logits,
        torch.tensor([[0, 1, 0]]),
        class_weights=[1, 2],
        pixel_weights=torch.tensor([[3.0, 5.0, 0.0]]),
    )
    # Weights 1 * 3, 2 * 5 and 1 * 0.
    assert value == pytest.approx((3 * math.log(4 / 3) + 10 * math.log(2)) / 13)


def test_focal_weighs_each_voxel_by_its_doubt():
    logits = _logits(torch.tensor([0.75, 0.5], dtype=torch.float64))
    expected = (0.25**2 * math.log(4 / 3) + 0.5**2 * math.log(2)) / 2
    assert _value("focal", logits, torch.tensor([[1, 0]])) == pytest.approx(expected)
    cubed = (0.25**3 * math.log(4 / 3) + 0.5**3 * math.log(2)) / 2
    assert _value("focal", logits, torch.tensor([[1, 0]]), gamma=3) == pytest.approx(cubed)


def test_focal_alpha_is_the_share_of_the_foreground():
    logits = _logits(torch.tensor([0.75, 0.5], dtype=torch.float64))
    expected = (0.2 * 0.25**2 * math.log(4 / 3) + 0.8 * 0.5**2 * math.log(2)) / 2
    assert _value("focal", logits, torch.tensor([[1, 0]]), alpha=0.2) == pytest.approx(expected)
    assert _value("focal", logits, torch.tensor([[1, 0]]), alpha=[0.8, 0.2]) == pytest.approx(expected)


def test_focal_class_weights_divide_out_and_pixel_weights_too():
    logits = _logits(torch.tensor([0.75, 0.5], dtype=torch.float64))
    value = _value(
        "focal", logits, torch.tensor([[1, 0]]), class_weights=[1, 4], pixel_weights=torch.tensor([[2.0, 1.0]])
    )
    assert value == pytest.approx((8 * 0.25**2 * math.log(4 / 3) + 1 * 0.5**2 * math.log(2)) / 9)


def test_sigmoid_focal_asks_a_question_for_each_class():
    # Logits 0 and ln 3: sigmoids 1/2 and 3/4. Class 1 is true, class 0 is not.
    logits = torch.tensor([0.0, math.log(3)], dtype=torch.float64).view(1, 2, 1)
    no, yes = 0.5**2 * math.log(2), 0.25**2 * math.log(4 / 3)
    target = torch.tensor([[1]])
    assert _value("sigmoid_focal", logits, target) == pytest.approx((no + yes) / 2)
    assert _value("sigmoid_focal", logits, target, alpha=0.3) == pytest.approx((0.7 * no + 0.3 * yes) / 2)
    assert _value("sigmoid_focal", logits, target, class_weights=[1, 3]) == pytest.approx((no + 3 * yes) / 4)


def test_compound_losses_are_the_weighted_sums_of_their_parts():
    logits, target = _logits(PROBABILITIES), REFERENCE[None]
    weights = torch.linspace(0.5, 2, 16).view(1, 4, 4)
    shared = {"class_weights": [1, 2], "ignore_index": 7}
    dice = _value("dice", logits, target, squared_denominator=True, **shared)
    focal = _value("focal", logits, target, gamma=1.5, pixel_weights=weights, **shared)
    entropy = _value("cross_entropy", logits, target, pixel_weights=weights, **shared)
    common = {"squared_denominator": True, "dice_weight": 0.3, "pixel_weights": weights, **shared}
    assert _value("dice_focal", logits, target, gamma=1.5, focal_weight=20, **common) == pytest.approx(
        0.3 * dice + 20 * focal
    )
    assert _value("dice_cross_entropy", logits, target, cross_entropy_weight=2, **common) == pytest.approx(
        0.3 * dice + 2 * entropy
    )
