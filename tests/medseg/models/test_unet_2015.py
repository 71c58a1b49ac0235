"""The facts of Ronneberger 2015 and of its arithmetic."""

import math

import pytest
import torch
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _on_paper(**kwargs):
    """The network without memory behind its weights: shapes and counts cost nothing."""
    with torch.device("meta"):
        return build_model("unet_2015", **kwargs)


@pytest.mark.parametrize(
    ("in_channels", "num_classes", "parameters"), [(1, 2, 31_030_658), (3, 2, 31_031_810), (1, 1, 31_030_593)]
)
def test_parameter_count_is_that_of_the_published_layer_list(in_channels, num_classes, parameters):
    assert _count(_on_paper(in_channels=in_channels, num_classes=num_classes)) == parameters


def test_it_has_23_convolutions():
    network = _on_paper(in_channels=1, num_classes=2)
    kinds = [type(layer) for layer in network.modules()]
    assert kinds.count(nn.Conv2d) + kinds.count(nn.ConvTranspose2d) == 23
    assert kinds.count(nn.ConvTranspose2d) == 4


def test_572_pixels_give_388():
    network = _on_paper(in_channels=1, num_classes=2)
    assert network(torch.empty(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)
    assert network.context_voxels == (572 - 388) // 2 == 92


def test_padding_same_changes_no_weight_and_keeps_the_size():
    network = _on_paper(in_channels=1, num_classes=2, padding="same")
    assert _count(network) == 31_030_658
    assert network(torch.empty(1, 1, 256, 256, device="meta")).shape == (1, 2, 256, 256)
    assert network.context_voxels == 0


@pytest.mark.parametrize("size", [188, 204, 572, 700])
def test_allowed_sizes_step_by_16_from_188(size):
    network = _on_paper(in_channels=1, num_classes=2, width=1)
    assert network(torch.empty(1, 1, size, size, device="meta")).shape[2:] == (size - 184, size - 184)


@pytest.mark.parametrize(("size", "following"), [(1, 188), (172, 188), (189, 204), (512, 524), (571, 572)])
def test_other_sizes_are_refused_with_the_following_one(size, following):
    network = _on_paper(in_channels=1, num_classes=2, width=1)
    with pytest.raises(GeometryError, match=rf"may have 188, 204, 220 and so on.*{following} x 572\.$"):
        network.check_input_size((size, 572))


def test_the_input_for_a_tile_of_512_is_524_plus_the_context():
    network = _on_paper(in_channels=1, num_classes=2, width=1)
    wanted = network.input_size.input_for_output((512, 4))
    # 512 + 184 = 696; 188 + 32 * 16 = 700 is the first allowed size from there; 4 + 184 = 188 is the smallest one.
    assert wanted == (700, 188)
    assert network.input_size.output_for_input(wanted) == (516, 4)


def test_overlapping_tiles_agree_where_they_overlap():
    network = build_model("unet_2015", in_channels=1, num_classes=2, width=2).eval()
    image = torch.randn(1, 1, 204, 204, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, tile = network(image), network(image[..., 16:, 16:])
    # Without padding a pixel's logits depend on its surroundings alone: the tile is seamless.
    torch.testing.assert_close(tile, whole[..., 16:, 16:], rtol=1e-4, atol=1e-5)


def test_four_logits_see_188_pixels_and_no_more():
    network = build_model("unet_2015", in_channels=1, num_classes=2, width=2).eval()
    # Positive weights and means in place of maxima let every pixel that a logit can see show in its gradient.
    network.pool = nn.AvgPool2d(2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    image = torch.rand(1, 1, 204, 204, requires_grad=True)
    network(image)[0, 0, :4, :4].sum().backward()
    assert (image.grad[0, 0, :188, :188] > 0).all()
    assert (image.grad[0, 0, 188:] == 0).all()
    assert (image.grad[0, 0, :, 188:] == 0).all()


def test_crop_to_output_keeps_the_middle_of_the_target():
    network = _on_paper(in_channels=1, num_classes=2, width=1)
    target = torch.arange(188 * 204).view(1, 188, 204)
    cropped = network.crop_to_output(target)
    assert cropped.shape == (1, 4, 20)
    assert cropped[0, 0, 0] == 92 * 204 + 92


def test_weights_start_with_variance_two_over_the_summed_inputs():
    network = build_model(
        "unet_2015", in_channels=1, num_classes=2, width=16, generator=torch.Generator().manual_seed(0)
    )
    # Bottom block: 3 x 3 kernels over 128 and 256 channels; up-convolutions see each input voxel once.
    for weight, summed in ((network.contracting[4][0].weight, 9 * 128), (network.up[3].weight, 256)):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / summed), rel=0.02)
        assert weight.mean().item() == pytest.approx(0, abs=0.01 * math.sqrt(2 / summed))


def test_dropout_works_in_training_only():
    network = build_model("unet_2015", in_channels=1, num_classes=2, width=2, padding="same", dropout=0.5)
    image = torch.rand(1, 1, 32, 32)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_volumes_are_refused():
    with pytest.raises(ConfigError, match=r"model 'unet_2015' is for 2 spatial axes, got 3"):
        build_model("unet_2015", in_channels=1, num_classes=2, spatial_dims=3)
