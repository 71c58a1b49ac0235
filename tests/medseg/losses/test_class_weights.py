"""Class weights from counts, by hand."""

import pytest
import torch

from medseg.errors import ConfigError, InputError
from medseg.losses import ClassWeighting, build_loss, class_weights_from_counts

# Two images of 100 and of 50 voxels; the third class is in the second image only, the fourth in none.
COUNTS = [[80, 20, 0, 0], [30, 10, 10, 0]]


def test_inverse_frequency_is_the_voxels_over_classes_times_voxels_of_the_class():
    weights = class_weights_from_counts(COUNTS, weighting=ClassWeighting.INVERSE_FREQUENCY)
    assert weights == pytest.approx((150 / (3 * 110), 150 / (3 * 30), 150 / (3 * 10), 0))


def test_median_frequency_counts_the_voxels_of_the_images_that_have_the_class():
    # Frequencies 110 / 150, 30 / 150 and 10 / 50; their median is 0.2.
    weights = class_weights_from_counts(COUNTS, weighting=ClassWeighting.MEDIAN_FREQUENCY)
    assert weights == pytest.approx((0.2 / (110 / 150), 1, 1, 0))


@pytest.mark.parametrize("rule", list(ClassWeighting))
def test_a_loss_asked_by_the_name_of_a_rule_is_the_loss_with_those_weights(rule):
    logits = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    target = torch.tensor([[[0, 1, 2]] * 3, [[2, 1, 0]] * 3])
    asked = build_loss("cross_entropy", num_classes=4, class_weights=rule.value, class_counts=lambda: COUNTS)
    given = build_loss("cross_entropy", num_classes=4, class_weights=class_weights_from_counts(COUNTS, weighting=rule))
    torch.testing.assert_close(asked(logits, target), given(logits, target))


def test_a_class_that_is_ignored_is_not_counted():
    loss = build_loss(
        "cross_entropy",
        num_classes=4,
        class_weights="inverse_frequency",
        class_counts=lambda: COUNTS,
        ignore_index=0,
    )
    assert loss.class_weights.tolist() == pytest.approx([0, 40 / (2 * 30), 40 / (2 * 10), 0])


def test_nothing_is_counted_where_no_rule_asks_for_it():
    def refuse():
        raise AssertionError

    build_loss("dice_focal", num_classes=2, class_weights=[1, 2], class_counts=refuse)


def test_a_rule_without_counts_is_refused():
    with pytest.raises(
        ConfigError, match=r"class_weights: median_frequency needs the voxels.*class_counts, or give one"
    ):
        build_loss("dice", num_classes=2, class_weights="median_frequency")


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError, match=r"loss\.options\.class_weights"):
        build_loss("dice", num_classes=2, class_weights="rarity")


@pytest.mark.parametrize("counts", [[1, 2], [[0, 0]], [[1, -1]]])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(InputError, match=r"expected numbers of voxels of shape \(images, classes\)"):
        class_weights_from_counts(counts, weighting=ClassWeighting.INVERSE_FREQUENCY)
