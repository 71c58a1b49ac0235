"""Batch norm of a single cell, and separable convolutions."""

import torch
from torch import nn

from medseg.models.blocks.normalised_convolution import NormalisedConvolution, PooledBatchNorm


def test_one_value_per_channel_is_normalised_with_the_running_statistics():
    norm = PooledBatchNorm(2, eps=0).train()
    norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 9.0]))
    normalised = norm(torch.tensor([5.0, 8.0]).view(1, 2, 1, 1))
    # (5 - 1) / 2 and (8 - 2) / 3.
    torch.testing.assert_close(normalised.flatten(), torch.tensor([2.0, 2.0]))
    assert norm.running_mean.tolist() == [1.0, 2.0]
    assert norm.num_batches_tracked == 0


def test_more_values_are_normalised_as_by_torch():
    ours, theirs = PooledBatchNorm(3).train(), nn.BatchNorm2d(3).train()
    for features in (torch.rand(2, 3, 1, 1), torch.rand(1, 3, 4, 5)):
        torch.testing.assert_close(ours(features), theirs(features))
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_a_separable_convolution_has_a_filter_per_channel_and_a_1_wide_convolution():
    layer = NormalisedConvolution(6, 10, dilation=3, separable=True)
    # 9 weights for each of 6 channels, 6 x 10 between the channels, scale and shift of 10.
    assert sum(weight.numel() for weight in layer.parameters()) == 9 * 6 + 6 * 10 + 2 * 10
    assert layer(torch.rand(1, 6, 7, 8)).shape == (1, 10, 7, 8)
