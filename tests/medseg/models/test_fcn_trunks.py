"""FCN-AlexNet and FCN-GoogLeNet of Long 2015, table 1."""

import pytest
import torch
from support.layer_grids import grid_after
from torch import nn
from torchvision.models import alexnet, googlenet

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model

TRUNKS = ("alexnet", "googlenet")
PADDINGS = ("original", "same")
SMALLEST = {"alexnet": 35, "googlenet": 47}


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _on_paper(trunk, **options):
    with torch.device("meta"):
        return build_model("fcn_32s", in_channels=3, num_classes=21, trunk=trunk, **options)


def test_fcn_alexnet_has_57_million_weights():
    network = _on_paper("alexnet")
    # fc6 6 x 6 x 256 -> 4096, fc7 4096 -> 4096, score 4096 -> 21; behind them 63 x 63 x 21 x 21 without bias.
    counted = {"fully_connected": 6 * 6 * 256 * 4096 + 4096 + 4096 * 4096 + 4096, "score": 4096 * 21 + 21}
    assert {name: _count(getattr(network, name)) for name in counted} == counted
    with torch.device("meta"):
        assert _count(network.trunk) == _count(alexnet().features) == 2_469_696
    assert _count(network) - _count(network.final_up) == 57_089_877
    assert _count(network.final_up) == 63 * 63 * 21 * 21


def test_fcn_googlenet_has_6_million_weights():
    network = _on_paper("googlenet")
    with torch.device("meta"):
        whole = googlenet(aux_logits=False, init_weights=False)
    assert _count(network.trunk) == _count(whole) - (1024 * 1000 + 1000)
    assert _count(network.score) == 1024 * 21 + 21
    assert _count(network) - _count(network.final_up) == 5_599_904 + 21_525


def test_fc6_of_alexnet_sees_355_pixels_every_32():
    network = _on_paper("alexnet")
    grid = grid_after([*network.trunk.features, *network.fully_connected, network.score])
    # Long 2015, table 1: receptive field 355, stride 32.
    assert (grid.stride, grid.field_of_view) == (32, 355)


def _layers_to_the_scores(network, trunk):
    if trunk == "alexnet":
        return [*network.trunk.features, *network.fully_connected, network.score]
    # The modules keep the grid.
    pooled = network.trunk
    stem = [pooled.conv1.conv, pooled.maxpool1, pooled.conv2.conv, pooled.conv3.conv, pooled.maxpool2]
    return [*stem, pooled.maxpool3, pooled.maxpool4, network.score]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_logits_lie_where_the_scores_lie(trunk, padding):
    network = _on_paper(trunk, padding=padding)
    final = grid_after([*_layers_to_the_scores(network, trunk), network.final_up])
    assert final.stride == 1
    assert -final.start == network.final_offset
    if (trunk, padding) == ("alexnet", "original"):
        assert network.final_offset == 18  # as published (voc-fcn-alexnet)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_size_from_the_smallest_on_is_given_back(trunk, padding):
    network = _on_paper(trunk, padding=padding, width_factor=1 / 64)
    low = SMALLEST[trunk] if padding == "same" else 1
    assert network.input_size.minimum == (low, low)
    network.eval()
    for offset in (0, 1, 22, 29, 30, 31, 32, 33):
        size = (low + offset, low + 2 * offset)
        assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 21, *size)


def test_a_smaller_image_leaves_alexnet_nothing():
    network = _on_paper("alexnet", padding="same", width_factor=1 / 64)
    assert network.trunk(torch.empty(1, 3, 35, 35, device="meta"))["pool5"].shape[2:] == (1, 1)
    with pytest.raises(RuntimeError):
        network.trunk(torch.empty(1, 3, 34, 34, device="meta"))
    with pytest.raises(GeometryError, match="choose a patch size of 35 x 35"):
        network(torch.empty(1, 3, 34, 34, device="meta"))


def test_a_smaller_image_leaves_googlenet_a_single_cell():
    network = _on_paper("googlenet", padding="same", width_factor=1 / 64).eval()
    assert network.trunk(torch.empty(1, 3, 47, 47, device="meta"))["pool5"].shape[2:] == (2, 2)
    assert network.trunk(torch.empty(1, 3, 46, 46, device="meta"))["pool5"].shape[2:] == (1, 1)


def test_finer_strides_are_for_vgg16_only():
    with pytest.raises(ConfigError, match=r"^model\.options\.trunk is not a known option"):
        build_model("fcn_8s", in_channels=3, num_classes=21, trunk="alexnet")
