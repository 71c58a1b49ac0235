"""Losses against MONAI's, where the two mean the same, and where they do not."""

import math

import pytest
import torch
from monai.losses import DiceCELoss, FocalLoss, GeneralizedDiceLoss, HausdorffDTLoss, TverskyLoss
from monai.losses import DiceFocalLoss as MonaiDiceFocalLoss
from monai.losses import DiceLoss as MonaiDiceLoss

from medseg.losses import build_loss

CLASSES = 4


@pytest.fixture
def logits() -> torch.Tensor:
    return 2 * torch.randn(3, CLASSES, 5, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, CLASSES, (3, 5, 6, 4), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("per_image", [True, False])
def test_dice_is_monais(logits, target, include_background, squared, per_image):
    ours = build_loss(
        "dice",
        num_classes=CLASSES,
        include_background=include_background,
        squared_denominator=squared,
        per_image=per_image,
    )
    monai = MonaiDiceLoss(
        softmax=True,
        to_onehot_y=True,
        include_background=include_background,
        squared_pred=squared,
        batch=not per_image,
    )
    torch.testing.assert_close(ours(logits, target), monai(logits, target.unsqueeze(1)))


@pytest.mark.parametrize("alpha", [None, 0.3, (0.1, 0.2, 0.3, 0.4)])
def test_softmax_focal_is_monais_times_the_number_of_classes(logits, target, alpha):
    ours = build_loss("focal", num_classes=CLASSES, alpha=alpha)
    monai = FocalLoss(use_softmax=True, to_onehot_y=True, alpha=alpha)
    expected = CLASSES * monai(logits, target.unsqueeze(1))
    torch.testing.assert_close(ours(logits, target), expected, check_dtype=False, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_sigmoid_focal_is_monais(logits, target, alpha):
    ours = build_loss("sigmoid_focal", num_classes=CLASSES, alpha=alpha, gamma=1.5)
    monai = FocalLoss(to_onehot_y=True, alpha=alpha, gamma=1.5)
    torch.testing.assert_close(
        ours(logits, target), monai(logits, target.unsqueeze(1)), check_dtype=False, rtol=1e-5, atol=1e-6
    )


def test_dice_cross_entropy_is_monais_in_value_and_gradient(logits, target):
    ours = build_loss("dice_cross_entropy", num_classes=CLASSES, per_image=True)
    monai = DiceCELoss(softmax=True, to_onehot_y=True)
    gradients = []
    for loss, reference in ((ours, target), (monai, target.unsqueeze(1))):
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, reference)
        value.backward()
        gradients.append((value.detach(), leaf.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("per_image", [True, False])
def test_generalised_dice_is_monais(logits, target, per_image):
    target[0][target[0] == 2] = 0
    exact = {"smooth_numerator": 0, "smooth_denominator": 1e-300}
    ours = build_loss("generalised_dice", num_classes=CLASSES, per_image=per_image, **exact)
    monai = GeneralizedDiceLoss(softmax=True, to_onehot_y=True, batch=not per_image, smooth_nr=0, smooth_dr=1e-300)
    expected = monai(logits, target.unsqueeze(1))
    torch.testing.assert_close(ours(logits, target), expected, check_dtype=False, rtol=1e-6, atol=0)


@pytest.mark.parametrize("per_image", [True, False])
def test_tversky_is_monais(logits, target, per_image):
    ours = build_loss("tversky", num_classes=CLASSES, per_image=per_image)
    monai = TverskyLoss(softmax=True, to_onehot_y=True, alpha=0.3, beta=0.7, batch=not per_image)
    torch.testing.assert_close(ours(logits, target), monai(logits, target.unsqueeze(1)))


def test_hausdorff_is_monais_in_value_and_gradient(logits, target):
    ours = build_loss("hausdorff", num_classes=CLASSES)
    monai = HausdorffDTLoss(softmax=True, to_onehot_y=True, include_background=True)
    gradients = []
    for loss, reference in ((ours, target), (monai, target.unsqueeze(1))):
        leaf = logits.clone().requires_grad_()
        value = loss(leaf, reference)
        value.backward()
        gradients.append((value.detach(), leaf.grad))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-9)


def test_ignored_voxels_are_monais(logits, target):
    target[:, :2] = 255
    ours = build_loss("dice", num_classes=CLASSES, ignore_index=255)
    monai = MonaiDiceLoss(softmax=True, to_onehot_y=True, batch=True, ignore_index=255)
    torch.testing.assert_close(ours(logits, target), monai(logits, target.unsqueeze(1)))


def test_monais_dice_focal_has_a_sigmoid_in_its_focal_part_and_ours_a_softmax():
    # One voxel of class 1 with logits (0, ln 3): softmax (1/4, 3/4), sigmoids (1/2, 3/4).
    logits = torch.tensor([0.0, math.log(3)], dtype=torch.float64).view(1, 2, 1, 1)
    target = torch.ones(1, 1, 1, dtype=torch.long)
    # Dice of class 0: reference empty, so 0; of class 1: 2 * 3/4 / (3/4 + 1) = 6/7.
    dice = 1 - (0 + 6 / 7) / 2
    surprise = math.log(4 / 3)
    softmax_focal = (1 - 3 / 4) ** 2 * surprise
    sigmoid_focal = ((1 / 2) ** 2 * math.log(2) + (1 / 4) ** 2 * surprise) / 2
    options = {"smooth_numerator": 0, "smooth_denominator": 1e-300}
    ours = build_loss("dice_focal", num_classes=2, **options)(logits, target)
    monai = MonaiDiceFocalLoss(softmax=True, to_onehot_y=True, smooth_nr=0, smooth_dr=1e-300)(
        logits, target.unsqueeze(1)
    )
    assert ours.item() == pytest.approx(dice + softmax_focal)
    assert monai.item() == pytest.approx(dice + sigmoid_focal)
    assert sigmoid_focal > 5 * softmax_focal
    # A constant added to both logits changes no probability: ours stays, MONAI's moves.
    shifted = logits + 2
    assert build_loss("dice_focal", num_classes=2, **options)(shifted, target).item() == pytest.approx(ours.item())
    moved = MonaiDiceFocalLoss(softmax=True, to_onehot_y=True, smooth_nr=0, smooth_dr=1e-300)(
        shifted, target.unsqueeze(1)
    )
    assert abs(moved.item() - monai.item()) > 0.1
