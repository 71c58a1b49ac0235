"""Transposed convolutions that start as interpolation."""

import pytest
import torch
from torch.nn import functional as F

from medseg.models.blocks.bilinear import bilinear_deconvolution, bilinear_kernel, initialise_bilinear


def test_kernels_are_tents_by_hand():
    assert bilinear_kernel(3)[1].tolist() == [0.5, 1, 0.5]
    row = torch.tensor([0.25, 0.75, 0.75, 0.25])
    torch.testing.assert_close(bilinear_kernel(4), row[:, None] * row)


@pytest.mark.parametrize("stride", [2, 8, 16, 32])
def test_it_interpolates_between_the_centres_of_the_pixels(stride):
    layer = bilinear_deconvolution(2, stride=stride, padding=stride // 2)
    initialise_bilinear(layer)
    coarse = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        fine = layer(coarse)
    expected = F.interpolate(coarse, scale_factor=stride, mode="bilinear", align_corners=False)
    # In the outer half of the border pixels torch repeats them; a convolution fades into zeros.
    inner = (..., slice(stride // 2, -(stride // 2)), slice(stride // 2, -(stride // 2)))
    assert fine.shape == expected.shape
    torch.testing.assert_close(fine[inner], expected[inner], rtol=1e-4, atol=1e-5)


def test_a_class_does_not_leak_into_another_at_the_start():
    layer = bilinear_deconvolution(3, stride=2)
    initialise_bilinear(layer)
    only_second = torch.zeros(1, 3, 2, 2)
    only_second[:, 1] = 1
    with torch.no_grad():
        enlarged = layer(only_second)
    assert (enlarged[:, [0, 2]] == 0).all()
    assert (enlarged[:, 1] > 0).all()
