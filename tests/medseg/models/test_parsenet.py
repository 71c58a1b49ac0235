"""The facts of Liu 2015."""

import pytest
import torch

from medseg.models import build_model
from medseg.models.parsenet import LengthNormalisation


def _small(fusion: str):
    generator = torch.Generator().manual_seed(0)
    return build_model(
        "parsenet", in_channels=1, num_classes=3, width_factor=1 / 16, fusion=fusion, generator=generator
    ).eval()


@pytest.mark.parametrize("fusion", ["late", "early"])
def test_global_context_adds_a_scale_a_channel_and_a_second_classifier(fusion):
    with torch.device("meta"):
        network = build_model("parsenet", in_channels=3, num_classes=21, fusion=fusion)
    # DeepLab v1's LargeFOV, scales of 1024 channels of the pixel and of the image, 21 x 1024 weights for the image.
    expected = 20_505_429 + 2 * 1024 + 21 * 1024
    assert sum(weight.numel() for weight in network.parameters()) == expected == 20_528_981


def test_normalised_features_have_the_length_of_the_scale_at_every_pixel():
    layer = LengthNormalisation(2)
    features = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3) * torch.rand(1, 1, 2, 3).add(1)
    # (3, 4) has length 5, whatever it is multiplied with; the scale starts at 10.
    torch.testing.assert_close(layer(features), torch.tensor([6.0, 8.0]).view(1, 2, 1, 1).expand(1, 2, 2, 3))


def test_late_and_early_fusion_with_the_same_weights_agree():
    late, early = _small("late"), _small("early")
    weights = late.state_dict()
    weights["head.weight"] = torch.cat([weights["head.weight"], weights.pop("image_head.weight")], dim=1)
    early.load_state_dict(weights)
    image = torch.rand(1, 1, 33, 50)
    with torch.no_grad():
        torch.testing.assert_close(late(image), early(image))


@pytest.mark.parametrize("fusion", ["late", "early"])
def test_every_pixel_sees_the_whole_image(fusion):
    image = torch.rand(1, 1, 601, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
    _small(fusion)(image)[0, :, 0].square().sum().backward()
    # Further away than the field of view of fc7.
    assert image.grad[..., 590:, :].abs().sum() > 0


@pytest.mark.parametrize("size", [(321, 321), (45, 100)])
def test_scores_lie_every_8_pixels_and_logits_on_every_pixel(size):
    with torch.device("meta"):
        network = build_model("parsenet", in_channels=3, num_classes=21)
    seen = []
    network.head.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[2:])))
    assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 21, *size)
    assert seen == [tuple(-(-length // 8) for length in size)]
