"""The facts of Badrinarayanan 2017."""

import pytest
import torch
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _on_paper(*, num_classes, **options):
    with torch.device("meta"):
        return build_model("segnet", in_channels=3, num_classes=num_classes, **options)


@pytest.mark.parametrize(
    ("num_classes", "parameters"), [(11, 29_449_355), (12, 29_449_932), (21, 29_455_125), (37, 29_464_357)]
)
def test_parameter_count_is_that_of_the_published_layer_list(num_classes, parameters):
    # Counted: 26 convolutions with biases, and a scale and a shift per channel of the 25 batch norms.
    network = _on_paper(num_classes=num_classes)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


def test_it_has_13_convolutions_down_and_13_up():
    network = _on_paper(num_classes=11)
    for part, expected in ((network.trunk, 13), (network.decoder, 12)):
        kinds = [type(layer) for layer in part.modules()]
        assert kinds.count(nn.Conv2d) == kinds.count(nn.BatchNorm2d) == kinds.count(nn.ReLU) == expected
    assert network.head.kernel_size == (3, 3)


def test_the_decoder_narrows_at_the_end_of_each_stage():
    stages = _on_paper(num_classes=11).decoder.stages
    widths = [[layer.out_channels for layer in stage if isinstance(layer, nn.Conv2d)] for stage in stages]
    assert widths == [[512, 512, 512], [512, 512, 256], [256, 256, 128], [128, 64], [64]]


@pytest.mark.parametrize("size", [(32, 32), (33, 63), (45, 100), (360, 480)])
def test_every_size_from_32_is_given_back(size):
    network = _on_paper(num_classes=11, width_factor=1 / 64)
    assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 11, *size)


def test_less_than_32_pixels_are_refused():
    with pytest.raises(GeometryError, match=r"SegNet: .*31 x 32 .*patch size of 32 x 32\.$"):
        _on_paper(num_classes=2, width_factor=1 / 64).check_input_size((31, 32))


@pytest.mark.parametrize("level", range(5))
def test_the_decoder_puts_features_where_the_encoder_found_its_maxima(level):
    network = build_model("segnet", in_channels=1, num_classes=2, width_factor=1 / 32).eval()
    seen = {}
    network.trunk.stages[level].register_forward_hook(lambda *call: seen.update(encoded=call[2]))
    network.decoder.stages[4 - level].register_forward_pre_hook(lambda *call: seen.update(unpooled=call[1][0]))
    with torch.no_grad():
        network(torch.randn(1, 1, 64, 96, generator=torch.Generator().manual_seed(0)))
    encoded, unpooled = seen["encoded"], seen["unpooled"]
    assert unpooled.shape == encoded.shape
    windows = encoded.unfold(2, 2, 2).unfold(3, 2, 2)
    largest = windows.amax(dim=(-1, -2))
    largest = largest.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert (unpooled != 0).any()
    assert (encoded[unpooled != 0] == largest[unpooled != 0]).all()
    assert ((unpooled != 0).unfold(2, 2, 2).unfold(3, 2, 2).sum(dim=(-1, -2)) <= 1).all()


def test_one_image_of_32_pixels_can_be_trained():
    network = build_model("segnet", in_channels=1, num_classes=2, width_factor=1 / 32).train()
    network(torch.rand(1, 1, 32, 32)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_volumes_are_refused():
    with pytest.raises(ConfigError, match=r"model 'segnet' is for 2 spatial axes, got 3"):
        build_model("segnet", in_channels=1, num_classes=2, spatial_dims=3)
