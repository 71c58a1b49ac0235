"""The U-Net's options, one by one."""

import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _kinds(network: nn.Module) -> set[str]:
    return {type(layer).__name__ for layer in network.modules()}


def _blocks(channels: list[int], kernel: int) -> int:
    """Weights of the 3-wide convolutions and batch norms of a plain U-Net, counted level by level."""
    total, entering = 0, 1
    for leaving in channels:
        total += kernel * (entering * leaving + leaving * leaving) + 4 * leaving
        entering = leaving
    for fine in channels[:-1]:
        total += kernel * (2 * fine * fine + fine * fine) + 4 * fine
    return total


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_parameter_count_is_that_of_the_layer_list(spatial_dims):
    channels = [8, 16, 32]
    network = build_model("unet", in_channels=1, num_classes=5, spatial_dims=spatial_dims, channels=channels)
    up = sum(2**spatial_dims * coarse * fine + fine for fine, coarse in ((8, 16), (16, 32)))
    assert _count(network) == _blocks(channels, 3**spatial_dims) + up + (8 * 5 + 5)


def test_width_64_without_norm_has_the_weights_of_the_original():
    with torch.device("meta"):
        network = build_model("unet", in_channels=1, num_classes=2, width=64, max_width=1024, norm="none")
    assert _count(network) == 31_030_658


def test_width_doubles_up_to_max_width():
    network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=5, max_width=20)
    assert [level[0].out_channels for level in network.contracting] == [4, 8, 16, 20, 20]


@pytest.mark.parametrize(
    ("norm", "layer"),
    [("batch", "BatchNorm"), ("instance", "InstanceNorm"), ("group", "GroupNorm")],
)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_norm_names_the_layer(norm, layer, spatial_dims):
    network = build_model("unet", in_channels=1, num_classes=2, spatial_dims=spatial_dims, width=4, depth=2, norm=norm)
    expected = layer if norm == "group" else f"{layer}{spatial_dims}d"
    assert expected in _kinds(network)


def test_group_norm_takes_the_most_groups_up_to_8_that_divide_the_channels():
    network = build_model("unet", in_channels=1, num_classes=2, channels=[6, 7, 32], norm="group")
    assert [level[1].num_groups for level in network.contracting] == [6, 7, 8]


def test_a_residual_block_whose_convolutions_are_zero_passes_its_input_on():
    network = build_model("unet", in_channels=4, num_classes=2, channels=[4, 8], norm="none", residual=True)
    block = network.contracting[0]
    features = torch.rand(1, 4, 5, 5)
    with torch.no_grad():
        block.second.weight.zero_()
        assert torch.equal(block(features), features)


def test_linear_upsampling_of_a_constant_is_that_constant():
    network = build_model("unet", in_channels=1, num_classes=2, channels=[1, 2], upsample="linear")
    upsampling = network.up[0]
    with torch.no_grad():
        upsampling.project.weight.fill_(0.5)
        enlarged = upsampling(torch.ones(1, 2, 3, 4))
    torch.testing.assert_close(enlarged, torch.ones(1, 1, 6, 8))


def test_deep_supervision_has_a_head_on_each_level_between_the_finest_and_the_bottom():
    network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=5, deep_supervision=True)
    output = network.forward_with_auxiliary(torch.rand(1, 1, 32, 64))
    assert [tuple(logits.shape) for logits in output.auxiliary] == [(1, 2, 16, 32), (1, 2, 8, 16), (1, 2, 4, 8)]
    assert output.logits.shape == (1, 2, 32, 64)


def test_deep_supervision_adds_nothing_to_forward():
    network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=3, deep_supervision=True)
    network(torch.rand(1, 1, 16, 16)).sum().backward()
    assert all(weight.grad is None for weight in network.auxiliary_heads.parameters())


def test_strides_of_thick_slices_leave_the_slices_alone():
    network = build_model(
        "unet",
        in_channels=1,
        num_classes=2,
        spatial_dims=3,
        width=4,
        depth=3,
        strides=[[2, 2, 1], 2],
        deep_supervision=True,
    )
    assert network.input_size.divisor == (4, 4, 2)
    assert network.size_divisor == 4
    output = network.forward_with_auxiliary(torch.rand(1, 1, 16, 16, 6))
    assert output.logits.shape == (1, 2, 16, 16, 6)
    assert output.auxiliary[0].shape == (1, 2, 8, 8, 6)
    with pytest.raises(GeometryError, match=r"\(4, 8, 12 and so on\); .*\(2, 4, 6 and so on\).*16 x 16 x 6"):
        network.check_input_size((16, 16, 5))


def test_batch_norm_computes_with_channels_last_and_instance_norm_does_not():
    image = torch.rand(1, 1, 16, 16)
    seen = {}
    for norm in ("batch", "none", "instance", "group"):
        network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=2, norm=norm)
        network.contracting[0].register_forward_hook(
            lambda *call, norm=norm: seen.update({norm: call[2].is_contiguous(memory_format=torch.channels_last)})
        )
        network(image)
    assert seen == {"batch": True, "none": True, "instance": False, "group": False}


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_one_voxel_on_the_coarsest_level_cannot_be_normalised(norm):
    network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=3, norm=norm)
    with pytest.raises(GeometryError, match=r"4 x 4 voxels leaves one voxel.*patch size of 8 x 8 or fewer levels"):
        network(torch.rand(2, 1, 4, 4))


def test_batch_norm_predicts_a_tile_of_one_coarse_voxel():
    network = build_model("unet", in_channels=1, num_classes=2, width=4, depth=3).eval()
    assert network(torch.rand(1, 1, 4, 4)).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_monai_sliding_window_agrees_with_one_window_over_the_whole(spatial_dims):
    network = build_model("unet", in_channels=1, num_classes=2, spatial_dims=spatial_dims, width=4, depth=2).eval()
    image = torch.rand(1, 1, *(24,) * spatial_dims)
    inferer = SlidingWindowInferer(roi_size=(16,) * spatial_dims, sw_batch_size=2, overlap=0.5, mode="gaussian")
    with torch.no_grad():
        tiled, whole = inferer(image, network), network(image)
    assert tiled.shape == whole.shape == (1, 2, *(24,) * spatial_dims)
    # Only the first window covers the first 4 voxels, and they lie more than a receptive field from its far border.
    corner = (slice(None), slice(None), *(slice(0, 4) for _ in range(spatial_dims)))
    torch.testing.assert_close(tiled[corner], whole[corner], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "bach"}, r"model\.options\.norm: input should be 'batch', .*got 'bach'"),
        ({"depth": 1}, r"model\.options\.depth: .*greater than or equal to 2, got 1"),
        ({"channels": [8, 16], "width": 8}, r"model\.options: give either channels or width, depth, max_width"),
        ({"strides": [2]}, r"model\.options: strides must have 4 entries for 5 levels, not 1"),
        ({"strides": [[1, 2, 2]] * 4}, r"model\.options\.strides: expected one factor or 2 for each level"),
        ({"depth": 2, "deep_supervision": True}, r"deep_supervision needs 3 levels or more, not 2"),
        ({"dropout": 1.0}, r"model\.options\.dropout: .*less than 1"),
        ({"residual": "perhaps"}, r"model\.options\.residual: input should be a valid boolean"),
    ],
)
def test_wrong_options_are_refused_by_their_path(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model("unet", in_channels=1, num_classes=2, **options)
