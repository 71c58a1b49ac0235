"""MONAI's Swin UNETR behind our way of calling."""

import pytest
import torch

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def test_volumes_have_the_published_number_of_parameters():
    with torch.device("meta"):
        network = build_model("swin_unetr", in_channels=1, num_classes=14, spatial_dims=3)
    assert sum(weight.numel() for weight in network.parameters()) == 62_187_296


def test_sizes_step_by_32_and_one_coarse_voxel_cannot_be_normalised():
    network = build_model("swin_unetr", in_channels=1, num_classes=2, width=12, depths=[1, 1, 1, 1]).eval()
    assert network.size_divisor == 32
    with pytest.raises(GeometryError, match="choose a patch size of 96 x 64"):
        network.check_input_size((65, 64))
    with pytest.raises(GeometryError, match=r"32 x 32 voxels leaves one voxel.*Choose a patch size of 64 x 64"):
        network.check_input_size((32, 32))


def test_saving_memory_changes_no_gradient():
    networks = [
        build_model(
            "swin_unetr",
            in_channels=1,
            num_classes=2,
            generator=torch.Generator().manual_seed(0),
            width=12,
            depths=[1, 1, 1, 1],
            save_memory=save_memory,
        )
        for save_memory in (False, True)
    ]
    images = torch.rand(1, 1, 64, 32)
    for network in networks:
        network(images).square().mean().backward()
    for plain, saving in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(plain.grad, saving.grad)


def test_a_width_that_is_no_multiple_of_12_is_refused():
    with pytest.raises(ConfigError, match=r"model\.options\.width: .*multiple of 12"):
        build_model("swin_unetr", in_channels=1, num_classes=2, width=20)
