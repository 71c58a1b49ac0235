"""Max-pooling with positions, and back."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medseg.models.blocks.unpooling import pool_with_positions, unpool


def test_values_go_back_to_where_the_maxima_were():
    image = torch.tensor([[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])[None, None]
    pooled, positions = pool_with_positions(image, nn.MaxPool2d(2))
    assert pooled[0, 0].tolist() == [[5, 6], [7, 8]]
    restored = unpool(torch.tensor([[[[10.0, 20.0], [30.0, 40.0]]]]), positions)
    assert restored[0, 0].tolist() == [[0, 0, 20, 0], [0, 10, 0, 0], [0, 0, 0, 0], [30, 0, 0, 40]]


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (2, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_it_is_torchs_unpooling_for_even_and_odd_sizes(size, channels_last):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, *size, generator=generator)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    pooled, positions = pool_with_positions(image, nn.MaxPool2d(2))
    assert torch.equal(unpool(pooled, positions), F.max_unpool2d(pooled, positions.indices, 2, output_size=size))


def test_it_runs_when_reproducible_results_are_asked_for():
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        image = torch.rand(1, 1, 4, 4, requires_grad=True)
        unpool(*pool_with_positions(image, nn.MaxPool2d(2))).sum().backward()
    finally:
        torch.use_deterministic_algorithms(mode=before)
    assert image.grad.sum() == 4
