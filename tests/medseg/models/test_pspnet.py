"""The facts of Zhao 2017."""

import pytest
import torch

from medseg.models import build_model
from medseg.models.pspnet import PyramidPooling


def _on_paper(**options):
    """The network for 3 channels and 21 classes without memory behind its weights."""
    with torch.device("meta"):
        return build_model("pspnet", in_channels=3, num_classes=21, **options)


@pytest.mark.parametrize(
    ("backbone", "deep_stem", "auxiliary_head", "parameters"),
    [
        ("resnet50", False, False, 46_592_597),
        ("resnet50", True, False, 46_716_373),
        ("resnet50", True, True, 49_081_578),
        ("resnet101", False, False, 65_584_725),
        ("resnet101", True, False, 65_708_501),
        ("resnet101", True, True, 68_073_706),
    ],
)
def test_parameter_count_is_that_of_the_layer_list(backbone, deep_stem, auxiliary_head, parameters):
    network = _on_paper(backbone=backbone, deep_stem=deep_stem, auxiliary_head=auxiliary_head)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


def test_the_deep_stem_and_the_auxiliary_head_are_the_default():
    assert sum(weight.numel() for weight in _on_paper().parameters()) == 49_081_578


@pytest.mark.parametrize(("size", "cells"), [((473, 473), (60, 60)), ((70, 91), (9, 12))])
def test_scores_lie_every_8_pixels_and_logits_on_every_pixel(size, cells):
    network = _on_paper().eval()
    seen = []
    for head in (network.head, network.auxiliary_head):
        head.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[2:])))
    output = network.forward_with_auxiliary(torch.empty(1, 3, *size, device="meta"))
    assert output.logits.shape == output.auxiliary[0].shape == (1, 21, *size)
    assert seen == [cells, cells]


def test_regions_are_pooled_1_2_3_and_6_to_an_axis():
    pyramid = PyramidPooling(8, 2).eval()
    sizes = []
    for branch in pyramid.branches:
        branch.register_forward_hook(lambda *call: sizes.append(tuple(call[2].shape[1:])))
    assert pyramid(torch.rand(1, 8, 12, 9)).shape == (1, 8 + 4 * 2, 12, 9)
    assert sizes == [(2, 1, 1), (2, 2, 2), (2, 3, 3), (2, 6, 6)]


def test_the_pyramid_passes_the_features_on_and_adds_means_of_regions():
    pyramid = PyramidPooling(1, 1).eval()
    with torch.no_grad():
        for branch in pyramid.branches:
            branch[1][0].weight.fill_(1)
        features = torch.arange(36.0).view(1, 1, 6, 6)
        pooled = pyramid(features)
    assert torch.equal(pooled[:, :1], features)
    # 0 + 1 + ... + 35 over 36; six regions to an axis are the pixels themselves. Batch norm divides by sqrt(1 + 1e-5).
    torch.testing.assert_close(pooled[:, 1], torch.full((1, 6, 6), 17.5), rtol=1e-4, atol=0)
    torch.testing.assert_close(pooled[:, 4:], features, rtol=1e-4, atol=0)
    # The upper left quarter: rows 0 to 2, columns 0 to 2, mean 6 * 1 + 1.
    torch.testing.assert_close(pooled[0, 2, 0, 0], torch.tensor(7.0), rtol=1e-4, atol=0)
