"""The facts of Chen 2015."""

import pytest
import torch

from medseg.models import build_model
from medseg.models.blocks.large_field import DENSE_LAYERS, FullyConnected


def _on_paper(**options):
    """The network for 3 channels and 21 classes without memory behind its weights."""
    with torch.device("meta"):
        return build_model("deeplab_v1", in_channels=3, num_classes=21, **options)


@pytest.mark.parametrize(
    ("field_of_view", "parameters"), [("large", 20_505_429), ("7x7", 134_346_581), ("4x4", 65_140_565)]
)
def test_parameter_count_is_that_of_the_layer_list(field_of_view, parameters):
    # All weights and biases: VGG16's 13 convolutions, fc6, fc7 and the classifier.
    network = _on_paper(field_of_view=field_of_view)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


@pytest.mark.parametrize("field_of_view", ["large", "7x7", "4x4"])
@pytest.mark.parametrize(("size", "scored"), [((321, 321), (41, 41)), ((100, 99), (13, 13))])
def test_scores_lie_every_8_pixels_and_logits_on_every_pixel(field_of_view, size, scored):
    network = _on_paper(field_of_view=field_of_view, width_factor=0.1)
    seen = []
    network.head.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[2:])))
    assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 21, *size)
    assert seen == [scored]


@pytest.mark.parametrize(("field_of_view", "cells"), [("large", 25), ("7x7", 25), ("4x4", 13)])
def test_the_large_field_with_nine_weights_is_as_wide_as_the_one_with_49(field_of_view, cells):
    layers = FullyConnected(1, DENSE_LAYERS[field_of_view], width_factor=1e-3).eval()
    with torch.no_grad():
        for weight in layers.parameters():
            weight.fill_(1)
    features = torch.ones(1, 1, 41, 41, requires_grad=True)
    layers(features)[0, :, 20, 20].sum().backward()
    rows = (features.grad[0, 0] > 0).any(dim=1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == cells


def test_logits_move_with_the_image_by_steps_of_8():
    network = build_model(
        "deeplab_v1",
        in_channels=1,
        num_classes=2,
        width_factor=1 / 16,
        field_of_view="4x4",
        generator=torch.Generator().manual_seed(0),
    ).eval()
    image = torch.zeros(1, 1, 521, 521)
    image[..., 256:272, 256:272] = torch.rand(16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, moved = network(image), network(image.roll((8, -8), dims=(2, 3)))
    assert logits.std() > 0
    inside = (..., slice(200, 320), slice(200, 320))
    torch.testing.assert_close(moved.roll((-8, 8), dims=(2, 3))[inside], logits[inside])


@pytest.mark.parametrize(("field_of_view", "smallest"), [("large", 9), ("7x7", 9), ("4x4", 17)])
def test_in_the_smallest_image_the_logits_depend_on_the_pixels(field_of_view, smallest):
    network = build_model(
        "deeplab_v1",
        in_channels=1,
        num_classes=2,
        width_factor=1 / 16,
        field_of_view=field_of_view,
        generator=torch.Generator().manual_seed(0),
    ).eval()
    # The weights of a 4x4 kernel dilated by 4 lie 2 and 6 cells beside its centre: two cells would not meet any.
    assert network.input_size.minimum == (smallest, smallest)
    image = torch.rand(1, 1, smallest, smallest, requires_grad=True)
    network(image).square().sum().backward()
    assert image.grad.abs().sum() > 0
