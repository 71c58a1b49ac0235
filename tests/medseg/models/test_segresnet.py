"""MONAI's SegResNet behind our way of calling."""

import pytest
import torch

from medseg.errors import GeometryError
from medseg.models import build_model


def test_volumes_have_the_parameters_of_monais_default():
    with torch.device("meta"):
        network = build_model("segresnet", in_channels=1, num_classes=2, spatial_dims=3)
    assert sum(weight.numel() for weight in network.parameters()) == 1_176_186


@pytest.mark.parametrize(("width", "groups"), [(4, 4), (6, 2), (8, 8), (32, 8)])
def test_groups_are_the_most_up_to_8_that_divide_the_width(width, groups):
    with torch.device("meta"):
        network = build_model("segresnet", in_channels=1, num_classes=2, width=width)
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.GroupNorm)]
    assert {layer.num_groups for layer in layers} == {groups}


def test_sizes_step_by_two_to_the_levels_less_one():
    network = build_model("segresnet", in_channels=1, num_classes=2, width=4, blocks_down=[1, 1, 1])
    assert network.size_divisor == 4
    assert network(torch.rand(1, 1, 4, 12)).shape == (1, 2, 4, 12)
    with pytest.raises(GeometryError, match="choose a patch size of 8 x 12"):
        network(torch.rand(1, 1, 5, 12))
