"""The facts of Cicek 2016 and of its arithmetic."""

import pytest
import torch
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _on_paper(**options):
    with torch.device("meta"):
        return build_model("unet_3d", in_channels=3, num_classes=3, spatial_dims=3, **options)


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameter_count_is_the_one_that_the_paper_prints():
    # Counted: weights and biases of all convolutions; the up-convolutions have no bias, there is no batch norm.
    assert _count(_on_paper()) == 19_069_955


def test_batch_norm_adds_a_scale_and_a_shift_per_channel_of_each_convolution():
    contracting = 32 + 64 + 64 + 128 + 128 + 256 + 256 + 512
    expanding = 2 * (256 + 128 + 64)
    assert _count(_on_paper(norm="batch")) == 19_069_955 + 2 * (contracting + expanding)


def test_132_x_132_x_116_voxels_give_44_x_44_x_28():
    network = _on_paper()
    assert network(torch.empty(1, 3, 132, 132, 116, device="meta")).shape == (1, 3, 44, 44, 28)
    assert network.context_voxels == (132 - 44) // 2 == (116 - 28) // 2


def test_it_has_18_convolutions_and_3_poolings_like_the_figure():
    kinds = [type(layer) for layer in _on_paper().modules()]
    assert kinds.count(nn.Conv3d) == 15
    assert kinds.count(nn.ConvTranspose3d) == 3
    assert [level[-3].out_channels for level in _on_paper().contracting] == [64, 128, 256, 512]


@pytest.mark.parametrize(("size", "following"), [(1, 92), (91, 92), (93, 100), (117, 124)])
def test_other_sizes_are_refused_with_the_following_one(size, following):
    with pytest.raises(GeometryError, match=rf"may have 92, 100, 108 and so on.*{following} x 132 x 116\.$"):
        _on_paper(width=1).check_input_size((size, 132, 116))


def test_the_smallest_volume_leaves_four_voxels():
    network = _on_paper(width=1)
    assert network(torch.empty(1, 3, 92, 92, 92, device="meta")).shape == (1, 3, 4, 4, 4)


def test_padding_same_changes_no_weight_and_keeps_the_size():
    network = _on_paper(padding="same")
    assert _count(network) == 19_069_955
    assert network(torch.empty(1, 3, 32, 24, 16, device="meta")).shape == (1, 3, 32, 24, 16)
    assert network.context_voxels == 0


def test_overlapping_tiles_agree_where_they_overlap():
    network = build_model("unet_3d", in_channels=1, num_classes=2, spatial_dims=3, width=1).eval()
    volume = torch.randn(1, 1, 100, 92, 92, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, tile = network(volume), network(volume[:, :, 8:])
    torch.testing.assert_close(tile, whole[:, :, 8:], rtol=1e-4, atol=1e-5)


def test_images_are_refused():
    with pytest.raises(ConfigError, match="model 'unet_3d' is for 3 spatial axes, got 2"):
        build_model("unet_3d", in_channels=1, num_classes=2)
