"""MONAI's residual U-Net behind our way of calling."""

import pytest
import torch
from monai.networks.nets import UNet

from medseg.errors import GeometryError
from medseg.models import build_model


def test_volumes_have_the_parameters_of_monais_spleen_example():
    with torch.device("meta"):
        network = build_model("residual_unet", in_channels=1, num_classes=2, spatial_dims=3)
    assert sum(weight.numel() for weight in network.parameters()) == 4_808_917


def test_with_monais_weights_it_gives_monais_logits():
    ours = build_model("residual_unet", in_channels=2, num_classes=3, width=4, depth=3).eval()
    theirs = UNet(2, 2, 3, channels=(4, 8, 16), strides=(2, 2), num_res_units=2, norm="batch").eval()
    ours.network.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 2, 20, 12)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("depth", "step"), [(2, 2), (4, 8), (5, 16)])
def test_sizes_step_by_two_to_the_levels_less_one(depth, step):
    with torch.device("meta"):
        network = build_model("residual_unet", in_channels=1, num_classes=2, width=2, depth=depth)
        assert network(torch.empty(1, 1, 3 * step, 5 * step)).shape == (1, 2, 3 * step, 5 * step)
    with pytest.raises(GeometryError, match=f"choose a patch size of {4 * step} x {5 * step}"):
        network.check_input_size((3 * step + 1, 5 * step))


@pytest.mark.parametrize(("norm", "in_evaluation"), [("batch", True), ("instance", False)])
def test_one_voxel_on_the_coarsest_level_cannot_be_normalised(norm, in_evaluation):
    network = build_model("residual_unet", in_channels=1, num_classes=2, width=4, depth=3, norm=norm)
    message = rf"ResidualUNet: .*4 x 4 voxels leaves one voxel.*for {norm} norm\. Choose a patch size of 8 x 8"
    with pytest.raises(GeometryError, match=message):
        network(torch.rand(1, 1, 4, 4))
    network.eval()
    if in_evaluation:
        assert network(torch.rand(1, 1, 4, 4)).shape == (1, 2, 4, 4)
    else:
        with pytest.raises(GeometryError, match=message):
            network(torch.rand(1, 1, 4, 4))
