"""The layer list of the attention U-Net, and what a gate does."""

import itertools

import torch

from medseg.models import build_model


def _layer_list(channels: list[int], *, kernel: int, num_classes: int) -> int:
    """Weights of MONAI's layer list for one input channel; every convolution has a bias."""

    def normalised(entering: int, leaving: int) -> int:
        return kernel * entering * leaving + leaving + 2 * leaving

    total = normalised(1, channels[0]) + normalised(channels[0], channels[0])
    for fine, coarse in itertools.pairwise(channels):
        total += normalised(fine, coarse) + normalised(coarse, coarse)
        total += normalised(coarse, fine)  # up
        half = fine // 2
        total += 2 * (fine * half + half + 2 * half) + (half + 1 + 2)  # gate: two projections, one map
        total += kernel * 2 * fine * fine + fine + 1  # merge, its norm has no weights, its PReLU has one
    return total + channels[0] * num_classes + num_classes


def test_parameter_count_is_that_of_the_layer_list():
    channels = [64, 128, 256, 512, 1024]
    for spatial_dims in (2, 3):
        with torch.device("meta"):
            network = build_model("attention_unet", in_channels=1, num_classes=2, spatial_dims=spatial_dims)
        count = sum(weight.numel() for weight in network.parameters())
        assert count == _layer_list(channels, kernel=3**spatial_dims, num_classes=2)


def test_a_closed_gate_lets_nothing_of_the_skip_connection_through():
    network = build_model("attention_unet", in_channels=1, num_classes=2, width=4, depth=2).eval()
    gate = network.network.model[1].attention
    skip, below = torch.rand(1, 4, 6, 6), torch.rand(1, 4, 6, 6)
    with torch.no_grad():
        gate.psi[1].weight.zero_()
        for bias, factor in ((-1e4, 0.0), (0.0, 0.5), (1e4, 1.0)):
            gate.psi[1].bias.fill_(bias)
            torch.testing.assert_close(gate(g=below, x=skip), factor * skip)
