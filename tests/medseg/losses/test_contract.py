"""Every loss against the contract of SegmentationLoss; a new loss is tested by standing in the table."""

import pytest
import torch

from medseg.errors import ConfigError, GeometryError, InputError, LabelError, UnknownNameError
from medseg.losses import available_losses, build_loss

CLASSES = 3
NAMES = sorted(available_losses())
WEIGHING = [name for name in NAMES if build_loss(name, num_classes=2).takes_pixel_weights]
DISTANCES = {"boundary", "dice_boundary", "hausdorff"}
"""Losses for which it matters where a voxel lies."""


def _random(*spatial: int, batch: int = 2, scale: float = 2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    logits = scale * torch.randn(batch, CLASSES, *spatial, dtype=dtype, generator=generator)
    return logits, torch.randint(0, CLASSES, (batch, *spatial), generator=generator)


def _gradient(loss, logits, target, *weights):
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target, *weights)
    value.backward()
    return value.detach(), leaf.grad


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("spatial", [(7,), (4, 5), (3, 4, 2)])
def test_a_loss_is_a_scalar_at_least_zero(name, spatial):
    value = build_loss(name, num_classes=CLASSES)(*_random(*spatial))
    assert value.shape == ()
    assert value >= 0


def test_a_perfect_prediction_costs_nearly_nothing(name):
    _, target = _random(6, 6)
    logits = 40 * (torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).double() - 0.5)
    assert build_loss(name, num_classes=CLASSES)(logits, target).item() == pytest.approx(0, abs=1e-6)


def test_a_better_prediction_costs_less(name):
    logits, target = _random(6, 6)
    better = logits + torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1)
    loss = build_loss(name, num_classes=CLASSES)
    assert loss(better, target) < loss(logits, target)


def test_gradient_is_that_of_finite_differences(name):
    logits, target = _random(3, 2)
    target[0, 0, 0] = 9
    loss = build_loss(name, num_classes=CLASSES, ignore_index=9, class_weights=[1, 2, 0.5])
    assert torch.autograd.gradcheck(lambda leaf: loss(leaf, target), logits.requires_grad_())


@pytest.mark.parametrize("options", [{"squared_denominator": True}, {"per_image": True, "include_background": False}])
def test_gradient_of_dice_options_is_that_of_finite_differences(options):
    logits, target = _random(3, 2)
    loss = build_loss("dice", num_classes=CLASSES, **options)
    assert torch.autograd.gradcheck(lambda leaf: loss(leaf, target), logits.requires_grad_())


@pytest.mark.parametrize("ignored", [255, -1, 1])
@pytest.mark.parametrize("name", sorted(set(NAMES) - DISTANCES))
def test_ignoring_voxels_is_leaving_them_out(name, ignored):
    logits, target = _random(12, batch=1)
    target[0, [1, 4, 5]] = ignored
    kept = target[0] != ignored
    loss = build_loss(name, num_classes=CLASSES, ignore_index=ignored)
    value, gradient = _gradient(loss, logits, target)
    expected, expected_gradient = _gradient(build_loss(name, num_classes=CLASSES), logits[:, :, kept], target[:, kept])
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient[:, :, kept], expected_gradient)
    assert (gradient[:, :, ~kept] == 0).all()


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_what_is_predicted_at_ignored_voxels_does_not_matter(name):
    logits, target = _random(4, 4)
    target[:, 1:3, 2] = 255
    loss = build_loss(name, num_classes=CLASSES, ignore_index=255)
    value, gradient = _gradient(loss, logits, target)
    assert (gradient[:, :, 1:3, 2] == 0).all()
    assert (gradient[:, :, 0] != 0).any()
    logits[:, :, 1:3, 2] = 50.0
    torch.testing.assert_close(_gradient(loss, logits, target), (value, gradient))


def test_all_voxels_ignored_is_zero_with_zero_gradient(name):
    logits, target = _random(4, 4)
    loss = build_loss(name, num_classes=CLASSES, ignore_index=255)
    value, gradient = _gradient(loss, logits, torch.full_like(target, 255))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
def test_empty_foreground_and_extreme_logits_stay_finite(name, dtype, scale):
    logits, target = _random(4, 4, scale=scale, dtype=torch.float32)
    for reference in (torch.zeros_like(target), torch.full_like(target, CLASSES - 1), target):
        value, gradient = _gradient(build_loss(name, num_classes=CLASSES), logits.to(dtype), reference)
        assert value.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 5])
def test_focal_gradient_is_finite_where_the_network_is_sure(gamma):
    logits, target = _random(4, 4, scale=1000.0, dtype=torch.float32)
    for focal in ("focal", "sigmoid_focal", "dice_focal"):
        _, gradient = _gradient(build_loss(focal, num_classes=CLASSES, gamma=gamma), logits, target)
        assert gradient.isfinite().all()


def test_focal_with_gamma_zero_is_the_cross_entropy():
    logits, target = _random(4, 4)
    weights = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    focal = build_loss("focal", num_classes=CLASSES, gamma=0, class_weights=[1, 2, 3])
    entropy = build_loss("cross_entropy", num_classes=CLASSES, class_weights=[1, 2, 3])
    torch.testing.assert_close(focal(logits, target, weights), entropy(logits, target, weights))


def test_bf16_logits_are_summed_in_float32(name):
    # 65,536 voxels: a bf16 sum would stop growing at 256.
    logits, target = _random(256, 256, batch=1, dtype=torch.float32)
    loss = build_loss(name, num_classes=CLASSES)
    rounded = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(rounded, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(rounded.double(), target).float(), rtol=1e-5, atol=1e-6)


def test_equal_class_weights_change_nothing(name):
    logits, target = _random(4, 4)
    plain, weighted = (
        build_loss(name, num_classes=CLASSES),
        build_loss(name, num_classes=CLASSES, class_weights=[7] * 3),
    )
    torch.testing.assert_close(weighted(logits, target), plain(logits, target))


def test_a_class_of_weight_zero_counts_for_nothing_of_its_own(name):
    logits, target = _random(16, batch=1)
    weighted = build_loss(name, num_classes=CLASSES, class_weights=[0, 1, 1])
    assert weighted(logits, target) != build_loss(name, num_classes=CLASSES)(logits, target)
    assert weighted(logits, target).isfinite()


@pytest.mark.parametrize("weighing", WEIGHING)
def test_pixel_weights_of_zero_leave_voxels_out_of_the_voxel_part(weighing):
    logits, target = _random(12, batch=1)
    weights = torch.ones(1, 12)
    weights[0, 3:6] = 0
    options = {"dice_weight": 0} if weighing.startswith("dice") else {}
    loss = build_loss(weighing, num_classes=CLASSES, **options)
    kept = weights[0] > 0
    torch.testing.assert_close(loss(logits, target, weights), loss(logits[:, :, kept], target[:, kept]))


@pytest.mark.parametrize("weighing", WEIGHING)
def test_pixel_weights_matter_by_their_ratios_only(weighing):
    logits, target = _random(4, 4)
    weights = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    loss = build_loss(weighing, num_classes=CLASSES)
    torch.testing.assert_close(loss(logits, target, weights), loss(logits, target, 10 * weights))


def test_dice_alone_cannot_weigh_voxels():
    logits, target = _random(4, 4)
    with pytest.raises(InputError, match=r"DiceLoss compares regions and cannot weigh voxels\. Leave the weights out"):
        build_loss("dice", num_classes=CLASSES)(logits, target, torch.ones(2, 4, 4))


def test_swapping_class_names_swaps_nothing_in_the_value(name):
    logits, target = _random(5, 5)
    order = torch.tensor([2, 0, 1])
    loss = build_loss(name, num_classes=CLASSES)
    torch.testing.assert_close(loss(logits[:, order], torch.argsort(order)[target]), loss(logits, target))


def test_targets_may_be_small_integers(name):
    logits, target = _random(4, 4)
    loss = build_loss(name, num_classes=CLASSES, ignore_index=255)
    torch.testing.assert_close(loss(logits, target.to(torch.uint8)), loss(logits, target))


def test_class_weights_move_with_the_loss_and_are_not_saved(name):
    loss = build_loss(name, num_classes=CLASSES, class_weights=[1, 2, 3])
    assert list(loss.buffers())
    assert not loss.state_dict()


def test_wrong_shapes_kinds_and_labels_are_refused(name):
    logits, target = _random(4, 4)
    loss = build_loss(name, num_classes=CLASSES)
    with pytest.raises(GeometryError, match=r"expected logits of shape \(batch, 3, \*spatial\), got \(2, 2, 4, 4\)"):
        loss(logits[:, :2], target)
    with pytest.raises(
        GeometryError, match=r"expected target of shape \(2, 4, 4\).*got \(2, 1, 4, 4\)\. Drop a channel"
    ):
        loss(logits, target.unsqueeze(1))
    with pytest.raises(InputError, match=r"expected whole numbers as target, got torch.float32"):
        loss(logits, target.float())
    target[0, 0, 0] = 3
    with pytest.raises(LabelError, match=r"expected class indices from 0 to 2, got 3\. Map the labels.*ignore_index"):
        loss(logits, target)
    target[0, 0, 0] = -1
    with pytest.raises(LabelError, match="got -1"):
        loss(logits, target)


def test_an_unknown_loss_lists_the_known_ones_and_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown loss 'dice_focl'\. Did you mean 'dice_focal'\? Known: boundary, cross"
    ):
        build_loss("dice_focl", num_classes=2)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (
            "dice",
            {"gamma": 2},
            r"loss\.options\.gamma is not a known option\. Known: class_weights, ignore_index, incl",
        ),
        ("focal", {"gama": 2}, r"loss\.options\.gama is not a known option\. Did you mean 'gamma'\?"),
        ("focal", {"gamma": -1}, r"loss\.options\.gamma: .*greater than or equal to 0, got -1"),
        ("focal", {"alpha": [1, 2]}, r"loss\.options\.alpha: expected 3 numbers, one for each class .*got 2"),
        ("focal", {"alpha": 1.5}, r"loss\.options\.alpha: .*less than or equal to 1, got 1\.5"),
        ("dice", {"class_weights": [1, 2]}, r"loss\.options\.class_weights: expected 3 numbers, one for each class"),
        ("dice", {"class_weights": [0, 0, 0]}, r"at least one must be greater than 0"),
        ("dice", {"class_weights": [1, 0, 0], "include_background": False}, r"without the background all are 0"),
        ("dice", {"smooth_denominator": 0}, r"loss\.options\.smooth_denominator: .*greater than 0, got 0"),
        ("tversky", {"false_positive_weight": 0, "false_negative_weight": 0}, r"both are 0; at least one must be"),
        ("focal_tversky", {"gamma": 0}, r"loss\.options\.gamma: .*greater than 0, got 0"),
        ("lovasz_softmax", {"smooth_numerator": 1}, r"loss\.options\.smooth_numerator is not a known option"),
        ("dice_focal", {"dice_weight": 0, "focal_weight": 0}, r"the weights of both parts are 0"),
    ],
)
def test_wrong_options_are_refused_by_their_path(loss, options, message):
    with pytest.raises(ConfigError, match=message):
        build_loss(loss, num_classes=CLASSES, **options)


def test_one_class_is_refused(name):
    with pytest.raises(ConfigError, match="needs 2 classes or more, background included, got 1"):
        build_loss(name, num_classes=1)


def test_a_description_names_the_paper(name):
    description = available_losses()[name]
    assert "doi 10." in description.citation
    assert "doi 10." in description.loss.__doc__
