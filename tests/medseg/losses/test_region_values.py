"""Losses of regions and boundaries against arithmetic done by hand."""

import math

import pytest
import torch

from medseg.losses import build_loss

# The example of many lectures: a 4 x 4 image whose lower half is foreground. The products add up to 7.41, the
# probabilities to 7.82, the reference to 8.
ROWS = [[0.01, 0.03, 0.02, 0.02], [0.05, 0.12, 0.09, 0.07], [0.89, 0.85, 0.88, 0.91], [0.99, 0.97, 0.95, 0.97]]
HALF = [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
EXACT = {"smooth_numerator": 0, "smooth_denominator": 1e-300}


def _value(name: str, foreground: list, target: list, **options) -> float:
    """Loss of one image with two classes whose foreground has those probabilities."""
    chances = torch.tensor(foreground, dtype=torch.float64)
    logits = torch.stack([torch.log1p(-chances), chances.log()]).unsqueeze(0)
    return build_loss(name, num_classes=2, **options)(logits, torch.tensor(target).unsqueeze(0)).item()


def test_generalised_dice_of_the_lecture_example_has_equal_weights():
    # Both classes have 8 voxels; products 7.59 and 7.41, probabilities and references 32 together.
    assert _value("generalised_dice", ROWS, HALF, **EXACT) == pytest.approx(1 - 2 * (7.59 + 7.41) / 32)


def test_generalised_dice_weighs_by_the_inverse_square_of_the_size():
    # Class 1: size 1, product 0.5, probabilities 1. Class 0: size 2, product 1.5, probabilities 2.
    value = _value("generalised_dice", [0.5, 0.25, 0.25], [1, 0, 0], **EXACT)
    assert value == pytest.approx(1 - 2 * (0.5 + 1.5 / 4) / ((1 + 1) + (2 + 2) / 4))
    weighted = _value("generalised_dice", [0.5, 0.25, 0.25], [1, 0, 0], class_weights=[2, 1], **EXACT)
    assert weighted == pytest.approx(1 - 2 * (0.5 + 2 * 1.5 / 4) / ((1 + 1) + 2 * (2 + 2) / 4))


def test_generalised_dice_gives_an_absent_class_the_weight_of_the_smallest_one():
    # Class 0: size 2, product and probabilities 1.25. Class 1: none, probabilities 0.75. Both weigh the same.
    value = _value("generalised_dice", [0.5, 0.25], [0, 0], **EXACT)
    assert value == pytest.approx(1 - 2 * 1.25 / (1.25 + 2 + 0.75))


def test_tversky_of_the_lecture_example():
    # Hits 7.41, false positives 7.82 - 7.41, false negatives 8 - 7.41.
    index = 7.41 / (7.41 + 0.3 * 0.41 + 0.7 * 0.59)
    options = {"include_background": False, **EXACT}
    assert _value("tversky", ROWS, HALF, **options) == pytest.approx(1 - index)
    assert _value("focal_tversky", ROWS, HALF, **options) == pytest.approx((1 - index) ** (3 / 4))
    assert _value("focal_tversky", ROWS, HALF, gamma=2, **options) == pytest.approx(math.sqrt(1 - index))


def test_tversky_is_dice_at_one_half_and_jaccard_at_one():
    options = {"include_background": False, **EXACT}
    halves = {"false_positive_weight": 0.5, "false_negative_weight": 0.5}
    ones = {"false_positive_weight": 1, "false_negative_weight": 1}
    assert _value("tversky", ROWS, HALF, **halves, **options) == pytest.approx(1 - 2 * 7.41 / 15.82)
    assert _value("tversky", ROWS, HALF, **ones, **options) == pytest.approx(1 - 7.41 / (7.82 + 8 - 7.41))


def test_lovasz_sorts_the_errors_and_weighs_them_by_what_each_adds_to_the_jaccard_loss():
    # Errors 3/4 (inside), 1/2 (outside), 1/4 (inside); Jaccard losses 1/2, 2/3, 1 of the first one, two, three.
    value = _value("lovasz_softmax", [0.75, 0.5, 0.25], [1, 0, 1], include_background=False)
    assert value == pytest.approx(3 / 4 * 1 / 2 + 1 / 2 * (2 / 3 - 1 / 2) + 1 / 4 * (1 - 2 / 3))


def test_lovasz_of_a_mask_is_one_minus_its_iou():
    # One of two found, one too many: 1 / 3.
    wrong = _value("lovasz_softmax", [1 - 1e-12, 1e-12, 1 - 1e-12, 1e-12], [1, 1, 0, 0], include_background=False)
    assert wrong == pytest.approx(1 - 1 / 3)


def test_lovasz_averages_over_the_classes_that_are_there():
    # No foreground: only the background counts, whose one error 1/2 and 1/4 of two voxels give each half.
    assert _value("lovasz_softmax", [0.5, 0.25], [0, 0]) == pytest.approx((0.5 + 0.25) / 2)
    assert _value("lovasz_softmax", [0.5, 0.25], [0, 0], include_background=False) == 0


def test_boundary_loss_of_the_lecture_example():
    # Rows are 2, 1, 1, 2 from the other half; their errors add up to 0.08, 0.33, 4 - 3.53 and 4 - 3.88.
    expected = (2 * 0.08 + 0.33 + 0.47 + 2 * 0.12) / 16
    assert _value("boundary", ROWS, HALF) == pytest.approx(expected)
    dice = _value("dice", ROWS, HALF)
    assert _value("dice_boundary", ROWS, HALF, boundary_weight=5) == pytest.approx(dice + 5 * expected)


def test_boundary_loss_measures_euclidean_distances():
    # The corner is 1 from its two neighbours, which are 1 from it; the opposite corner is sqrt 2 away.
    value = _value("boundary", [[0.9, 0.2], [0.3, 0.4]], [[1, 0], [0, 0]])
    assert value == pytest.approx((0.1 + 0.2 + 0.3 + 0.4 * math.sqrt(2)) / 4)


def test_boundary_loss_says_nothing_where_there_is_no_boundary():
    assert _value("boundary", [0.5, 0.25], [0, 0]) == 0


def test_an_ignored_voxel_is_on_neither_side_of_a_boundary():
    # The two that count are 3 apart; those between are no boundary.
    value = _value("boundary", [0.5, 0.25, 0.5, 0.75], [0, 7, 7, 1], ignore_index=7)
    assert value == pytest.approx((3 * 0.5 + 3 * 0.25) / 2)


def test_hausdorff_loss_adds_the_distances_from_both_boundaries():
    # Distances 2, 1, 1 from the boundary of the reference, and 1, 1, 2 from that of the prediction.
    chances, target = [0.25, 0.75, 0.75], [0, 0, 1]
    squares = [(0.25**2, 2**2, 1**2), (0.75**2, 1**2, 1**2), (0.25**2, 1**2, 2**2)]
    assert _value("hausdorff", chances, target) == pytest.approx(sum(e * (r + p) for e, r, p in squares) / 3)
    lines = [(0.25**2, 2, 1), (0.75**2, 1, 1), (0.25**2, 1, 2)]
    assert _value("hausdorff", chances, target, exponent=1) == pytest.approx(sum(e * (r + p) for e, r, p in lines) / 3)


def test_hausdorff_loss_of_the_lecture_example():
    # The prediction's boundary is the reference's: rows 2, 1, 1, 2 from it, twice.
    errors = [sum((p - r) ** 2 for p, r in zip(*rows, strict=True)) for rows in zip(ROWS, HALF, strict=True)]
    expected = 2 * (4 * errors[0] + errors[1] + errors[2] + 4 * errors[3]) / 16
    assert _value("hausdorff", ROWS, HALF) == pytest.approx(expected)
