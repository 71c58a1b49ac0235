"""nnU-Net's networks: MONAI's twin of the plain one, the published count of the residual one."""

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model
from medseg.models.blocks.residual_encoder import LeakyResidualBlock


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _on_paper(**options):
    with torch.device("meta"):
        return build_model("dyn_unet", in_channels=1, num_classes=2, spatial_dims=3, **options)


def test_the_plain_network_has_the_parameters_of_monais_twin():
    assert _count(_on_paper()) == 31_189_410


def test_the_residual_network_has_the_parameters_of_nnunets_preset_l():
    # Counted with a head on each of the five expanding levels, as nnU-Net always has.
    assert _count(_on_paper(encoder="residual", deep_supervision=True)) == 102_349_770


def test_heads_of_deep_supervision_are_on_all_levels_between_the_finest_and_the_bottom():
    network = _on_paper(deep_supervision=True)
    assert _count(network) == 31_189_410 + sum(2 * width + 2 for width in (64, 128, 256, 320))
    output = network.forward_with_auxiliary(torch.empty(1, 1, 64, 64, 32, device="meta"))
    sizes = [(64 // 2**level, 64 // 2**level, 32 // 2**level) for level in range(5)]
    assert [tuple(logits.shape[2:]) for logits in (output.logits, *output.auxiliary)] == sizes


def test_with_monais_weights_the_plain_network_gives_monais_logits():
    ours = build_model("dyn_unet", in_channels=2, num_classes=3, width=4, depth=4).eval()
    theirs = DynUNet(2, 2, 3, [3] * 4, [1, 2, 2, 2], [2] * 3, filters=[4, 8, 16, 32]).eval()
    levels = nn.ModuleList([theirs.input_block, *theirs.downsamples, theirs.bottleneck])
    ours.contracting.load_state_dict(levels.state_dict())
    ours.expanding.load_state_dict(theirs.upsamples.state_dict())
    ours.head.load_state_dict(theirs.output_block.conv.conv.state_dict())
    images = torch.rand(1, 2, 32, 24)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("spatial_dims", "widest"), [(2, 512), (3, 320)])
def test_channels_double_up_to_nnunets_limits(spatial_dims, widest):
    with torch.device("meta"):
        network = build_model("dyn_unet", in_channels=1, num_classes=2, spatial_dims=spatial_dims, encoder="residual")
    widths = [level[-1].second[0].out_channels for level in network.contracting[1:]]
    assert widths == [64, 128, 256, widest, widest]


def test_the_residual_encoder_has_1_3_4_6_6_6_blocks():
    network = _on_paper(encoder="residual")
    blocks = [sum(isinstance(part, LeakyResidualBlock) for part in level.modules()) for level in network.contracting]
    assert blocks == [1, 3, 4, 6, 6, 6]


def test_a_residual_block_whose_convolutions_add_nothing_pools_its_input():
    block = LeakyResidualBlock(3, 3, kernel=(3, 3), stride=(2, 1))
    features = torch.rand(1, 3, 4, 5)
    with torch.no_grad():
        block.second[1].weight.zero_()
        pooled = block(features)
    torch.testing.assert_close(pooled, (features[:, :, ::2] + features[:, :, 1::2]) / 2)


@pytest.mark.parametrize("encoder", ["plain", "residual"])
def test_thick_slices_keep_their_number(encoder):
    network = build_model(
        "dyn_unet",
        in_channels=1,
        num_classes=2,
        spatial_dims=3,
        encoder=encoder,
        width=2,
        depth=3,
        strides=[[2, 2, 1], 2],
        kernels=[[3, 3, 1], 3, 3],
    )
    assert network.input_size.divisor == (4, 4, 2)
    assert network(torch.rand(1, 1, 8, 12, 6)).shape == (1, 2, 8, 12, 6)


def test_one_voxel_on_the_coarsest_level_cannot_be_normalised():
    network = build_model("dyn_unet", in_channels=1, num_classes=2, width=2, depth=3).eval()
    with pytest.raises(GeometryError, match=r"4 x 4 voxels leaves one voxel.*patch size of 8 x 8 or fewer levels"):
        network(torch.rand(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strides": [2]}, r"model\.options: strides must have 5 entries for 6 levels, not 1"),
        ({"kernels": [3]}, r"model\.options: kernels must have 6 entries for 6 levels, not 1"),
        ({"kernels": [4] * 6}, r"model\.options: kernels must be odd"),
        ({"strides": [[1, 2, 2]] * 5}, r"model\.options\.strides: expected one number or 2 for each level"),
        ({"encoder": "dense"}, r"model\.options\.encoder: input should be 'plain' or 'residual'"),
    ],
)
def test_wrong_options_are_refused_by_their_path(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model("dyn_unet", in_channels=1, num_classes=2, **options)
