"""The facts of Chen 2018 (TPAMI)."""

import pytest
import torch

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _on_paper(**options):
    """The network for 3 channels and 21 classes without memory behind its weights."""
    with torch.device("meta"):
        return build_model("deeplab_v2", in_channels=3, num_classes=21, **options)


def _small(**options):
    generator = torch.Generator().manual_seed(0)
    options = {"backbone": "resnet50", "width_factor": 1 / 16} | options
    return build_model("deeplab_v2", in_channels=1, num_classes=3, generator=generator, **options).eval()


@pytest.mark.parametrize(("backbone", "parameters"), [("resnet101", 44_048_532), ("vgg16", 37_877_652)])
def test_parameter_count_is_that_of_the_layer_list(backbone, parameters):
    # Trunk without its classifier, batch norms with it, and four branches with bias.
    assert sum(weight.numel() for weight in _on_paper(backbone=backbone).parameters()) == parameters


def test_four_branches_are_dilated_by_6_12_18_and_24():
    assert [branch.dilation[0] for branch in _on_paper().branches] == [6, 12, 18, 24]
    assert [branch[0][0].dilation[0] for branch in _on_paper(backbone="vgg16").branches] == [6, 12, 18, 24]


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16"])
def test_each_scale_is_scored_every_8_of_its_pixels(backbone):
    network = _on_paper(backbone=backbone, width_factor=0.1)
    seen = []
    network.branches[0].register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[2:])))
    assert network(torch.empty(1, 3, 321, 101, device="meta")).shape == (1, 21, 321, 101)
    # 321 x 101, 241 x 76 and 161 x 51 pixels.
    assert seen == [(41, 13), (31, 10), (21, 7)]


def test_the_largest_score_of_the_scales_counts():
    network = _small()
    with torch.no_grad():
        output = network.forward_with_auxiliary(torch.rand(1, 1, 33, 40))
    assert [tuple(logits.shape) for logits in output.auxiliary] == [(1, 3, 33, 40)] * 3
    assert torch.equal(output.logits, torch.stack(output.auxiliary).amax(dim=0))


def test_the_finest_scale_comes_first_and_is_the_network_without_the_others():
    several, one = _small(scales=[0.5, 1.0]), _small(scales=[1.0])
    image = torch.rand(1, 1, 33, 40)
    with torch.no_grad():
        torch.testing.assert_close(several.forward_with_auxiliary(image).auxiliary[0], one(image))
    assert one.forward_with_auxiliary(image).auxiliary == ()


@pytest.mark.parametrize(("scales", "smallest"), [([1.0], 9), ([0.5, 1.0], 17), ([0.75], 11), ([2.0], 9)])
def test_the_smallest_scale_leaves_two_cells(scales, smallest):
    network = _small(scales=scales)
    with pytest.raises(GeometryError, match=rf"patch size of {smallest} x {smallest}\.$"):
        network.check_input_size((1, 1))
    # Batch norm in training needs them.
    assert network.train()(torch.rand(1, 1, smallest, smallest)).shape == (1, 3, smallest, smallest)


@pytest.mark.parametrize("scales", [[], [0.0], [3.0]])
def test_scales_that_make_no_sense_are_refused(scales):
    with pytest.raises(ConfigError, match=r"model\.options\.scales"):
        _small(scales=scales)
