"""The upsampling methods of the lectures, by hand."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medseg.models import build_model
from medseg.models.blocks.upsampling import bed_of_nails, build_upsampling, linear, nearest

SMALL = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
METHODS = ("transposed", "linear", "nearest", "bed_of_nails")


def test_nearest_repeats_each_value():
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert nearest(SMALL, (2, 2))[0, 0].tolist() == expected


def test_bed_of_nails_puts_each_value_into_a_corner_among_zeros():
    expected = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert bed_of_nails(SMALL, (2, 2))[0, 0].tolist() == expected


def test_linear_keeps_the_corners_and_mixes_three_to_one_in_between():
    # Centres of the fine pixels lie at -0.25, 0.25, 0.75 and 1.25 of the coarse grid, which ends at 0 and 1.
    expected = [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]]
    assert linear(SMALL, (2, 2))[0, 0].tolist() == expected


def test_strides_may_differ_between_axes_and_volumes_are_taken():
    volume = torch.arange(8.0).view(1, 1, 2, 2, 2)
    assert nearest(volume, (1, 2, 3)).shape == (1, 1, 2, 4, 6)
    assert linear(volume, (1, 2, 3)).shape == (1, 1, 2, 4, 6)
    nails = bed_of_nails(volume, (1, 2, 3))
    assert torch.equal(nails[:, :, :, ::2, ::3], volume)
    assert nails.count_nonzero() == 7


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stride", [(2, 2), (1, 2, 2)])
def test_every_method_changes_channels_and_size(method, stride):
    layer = build_upsampling(method, 3, 5, stride=stride)
    sizes = (4, 3, 2)[: len(stride)]
    enlarged = layer(torch.rand(1, 3, *sizes))
    assert enlarged.shape == (1, 5, *(size * factor for size, factor in zip(sizes, stride, strict=True)))


@pytest.mark.parametrize("method", METHODS)
def test_a_unet_takes_every_method(method):
    network = build_model("unet", in_channels=1, num_classes=2, width=2, depth=2, upsample=method)
    network(torch.rand(2, 1, 8, 8)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_bed_of_nails_convolved_with_ones_is_nearest():
    nails = F.pad(bed_of_nails(SMALL, (2, 2)), [1, 0, 1, 0])
    assert torch.equal(F.conv2d(nails, torch.ones(1, 1, 2, 2)), nearest(SMALL, (2, 2)))


@pytest.mark.parametrize(("stride", "kernel", "padding"), list(itertools.product([1, 2, 3, 8], [2, 3, 16], [0, 1])))
def test_size_after_a_transposed_convolution(stride, kernel, padding):
    for size, extra in itertools.product([2, 5], range(stride)):
        layer = nn.ConvTranspose2d(1, 1, kernel, stride=stride, padding=padding, output_padding=extra, device="meta")
        enlarged = layer(torch.empty(1, 1, size, 7, device="meta"))
        assert enlarged.shape[2] == (size - 1) * stride + kernel - 2 * padding + extra


def test_copies_of_a_transposed_kernel_add_up_where_they_overlap():
    # Two inputs, kernel (1, 2, 3), stride 2: 1 * (1 2 3 . .) + 10 * (. . 1 2 3).
    enlarged = F.conv_transpose1d(torch.tensor([[[1.0, 10.0]]]), torch.tensor([[[1.0, 2.0, 3.0]]]), stride=2)
    assert enlarged.tolist() == [[[1, 2, 3 + 10, 20, 30]]]


@pytest.mark.parametrize(("stride", "padding", "size"), [(1, 0, 7), (2, 1, 7), (2, 1, 8), (3, 2, 9)])
def test_a_transposed_convolution_is_the_gradient_of_the_convolution(stride, padding, size):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, size, size, generator=generator, dtype=torch.double, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.double)
    result = F.conv2d(image, weight, stride=stride, padding=padding)
    coarse = torch.randn(result.shape, generator=generator, dtype=torch.double)
    (gradient,) = torch.autograd.grad(result, image, coarse)
    reached = (result.shape[2] - 1) * stride + 3 - 2 * padding
    transposed = F.conv_transpose2d(coarse, weight, stride=stride, padding=padding, output_padding=size - reached)
    torch.testing.assert_close(transposed, gradient)


def test_a_3_wide_kernel_with_rate_2_sees_5_by_5_with_9_weights():
    image = torch.zeros(1, 1, 9, 9, requires_grad=True)
    F.conv2d(image, torch.ones(1, 1, 3, 3), padding=2, dilation=2)[0, 0, 4, 4].backward()
    seen = image.grad[0, 0].nonzero()
    assert seen.amin(dim=0).tolist() == [2, 2]
    assert seen.amax(dim=0).tolist() == [6, 6]
    assert len(seen) == 9


@pytest.mark.parametrize("rate", [2, 3])
def test_a_dilated_kernel_is_the_wide_kernel_with_zeros_in_between(rate):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, 12, 12, generator=generator)
    kernel = torch.randn(3, 2, 3, 3, generator=generator)
    wide = bed_of_nails(kernel, (rate, rate))[..., : 2 * rate + 1, : 2 * rate + 1]
    torch.testing.assert_close(F.conv2d(image, kernel, dilation=rate), F.conv2d(image, wide))
