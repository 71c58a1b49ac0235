"""The trunk of VGG16 against torchvision's and against its own arithmetic."""

import pytest
import torch
from support.layer_grids import grid_after
from torch import nn
from torchvision.models import vgg16

from medseg.models.blocks.unpooling import unpool
from medseg.models.blocks.vgg import VGG16, Pooling


def _layers(trunk):
    for stage, pool in zip(trunk.stages, trunk.pools, strict=True):
        yield from stage
        yield pool


@pytest.mark.parametrize(("batch_norm", "parameters"), [(False, 14_714_688), (True, 14_723_136)])
def test_it_has_the_weights_of_torchvisions_features(batch_norm, parameters):
    with torch.device("meta"):
        trunk = VGG16(3, batch_norm=batch_norm)
    # 8,448 more with batch norm: a scale and a shift for each of the 4,224 channels.
    assert sum(weight.numel() for weight in trunk.parameters()) == parameters
    if not batch_norm:
        with torch.device("meta"):
            theirs = vgg16().features
        assert [weight.shape for weight in trunk.parameters()] == [weight.shape for weight in theirs.parameters()]


def test_features_are_named_after_the_layers_that_they_come_from():
    with torch.device("meta"):
        features = VGG16(3)(torch.empty(1, 3, 64, 96))
    sizes = {name: (value.shape[1], *value.shape[2:]) for name, value in features.items()}
    assert sizes == {
        "conv1_2": (64, 64, 96),
        "pool1": (64, 32, 48),
        "conv2_2": (128, 32, 48),
        "pool2": (128, 16, 24),
        "conv3_3": (256, 16, 24),
        "pool3": (256, 8, 12),
        "conv4_3": (512, 8, 12),
        "pool4": (512, 4, 6),
        "conv5_3": (512, 4, 6),
        "pool5": (512, 2, 3),
    }


def test_pool5_sees_212_pixels_32_apart():
    with torch.device("meta"):
        trunk = VGG16(3)
    grid = grid_after(_layers(trunk))
    assert (grid.stride, grid.field_of_view) == (32, 212)
    assert trunk.output_stride == 32


def test_dilation_in_place_of_strides_keeps_a_stride_of_8():
    pooling = Pooling(kernel=3, strides=(2, 2, 2, 1, 1))
    with torch.device("meta"):
        trunk = VGG16(3, pooling=pooling, dilations=(1, 1, 1, 1, 2))
        features = trunk(torch.empty(1, 3, 321, 321))
    assert features["pool5"].shape == (1, 512, 41, 41)
    assert grid_after(_layers(trunk)).stride == trunk.output_stride == 8


def test_layers_in_a_row_give_the_same_as_the_trunk():
    trunk = VGG16(1, width_factor=1 / 32)
    image = torch.rand(1, 1, 65, 33)
    with torch.no_grad():
        pooled, positions = trunk.forward_with_positions(image)
        features = trunk(image)
        assert torch.equal(nn.Sequential(*_layers(trunk))(image), features["pool5"])
    assert torch.equal(pooled, features["pool5"])
    assert [position.size for position in positions] == [(65, 33), (32, 16), (16, 8), (8, 4), (4, 2)]
    assert torch.equal(unpool(pooled, positions[-1]).amax(dim=(2, 3)), features["pool5"].amax(dim=(2, 3)))
