"""The layer list of UNet++ and its nested heads."""

import pytest
import torch

from medseg.models import build_model

CHANNELS = [32, 64, 128, 256, 512]


def _pair(entering: int, leaving: int) -> int:
    """Two 3 x 3 convolutions with bias and a norm's scale and shift."""
    return 9 * entering * leaving + 3 * leaving + 9 * leaving * leaving + 3 * leaving


def _layer_list(channels: list[int]) -> int:
    """Weights of all nodes X(row, column) for one input channel, without heads."""
    entering = [1, *channels]
    total = sum(_pair(before, after) for before, after in zip(entering, channels, strict=False))
    for row in range(4):
        for column in range(1, 5 - row):
            below = channels[row + 1]
            up = below if row == 0 else below // 2
            total += 4 * below * up + up + _pair(column * channels[row] + up, channels[row])
    return total


def _on_paper(**options):
    with torch.device("meta"):
        return build_model("unet_plus_plus", in_channels=1, num_classes=2, **options)


@pytest.mark.parametrize(("deep_supervision", "heads"), [(False, 1), (True, 4)])
def test_parameter_count_is_that_of_the_nested_layer_list(deep_supervision, heads):
    count = sum(weight.numel() for weight in _on_paper(deep_supervision=deep_supervision).parameters())
    assert count == _layer_list(CHANNELS) + heads * (32 * 2 + 2)
    # Zhou 2018, table 3.
    assert count == pytest.approx(9.04e6, rel=0.01)


def test_auxiliary_logits_are_those_of_the_shallower_decoders_on_the_inputs_grid():
    network = build_model("unet_plus_plus", in_channels=1, num_classes=2, width=2, deep_supervision=True).eval()
    images = torch.rand(1, 1, 32, 48)
    with torch.no_grad():
        output = network.forward_with_auxiliary(images)
        monai = network.network(images)
    assert [logits.shape for logits in output.auxiliary] == [(1, 2, 32, 48)] * 3
    for ours, theirs in zip((output.logits, *output.auxiliary), reversed(monai), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_without_deep_supervision_there_are_no_other_heads_to_save():
    names = build_model("unet_plus_plus", in_channels=1, num_classes=2, width=2).state_dict()
    assert {name.split(".")[1] for name in names if "final" in name} == {"final_conv_0_4"}
