"""The dilated ResNet against torchvision's and against its own strided form."""

import pytest
import torch
import torchvision

from medseg.models.blocks.initialisation import initialise_he
from medseg.models.blocks.resnet import DilatedResNet


def _small(**options) -> DilatedResNet:
    network = DilatedResNet(3, depth="resnet50", width_factor=1 / 16, **options)
    initialise_he(network, generator=torch.Generator().manual_seed(0))
    return network.eval()


@pytest.mark.parametrize(("depth", "theirs"), [("resnet50", "resnet50"), ("resnet101", "resnet101")])
def test_weights_are_those_of_torchvision_without_the_classifier(depth, theirs):
    with torch.device("meta"):
        expected = torchvision.models.get_model(theirs, weights=None).state_dict()
        ours = DilatedResNet(3, depth=depth).state_dict()
    expected = {name: weight.shape for name, weight in expected.items() if not name.startswith("fc.")}
    assert {name: weight.shape for name, weight in ours.items()} == expected


def test_features_are_those_of_torchvision():
    ours = DilatedResNet(3, depth="resnet50", output_stride=8).eval()
    theirs = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    image = torch.rand(1, 3, 33, 41)
    with torch.no_grad():
        expected = image
        for layer in list(theirs.children())[:-2]:
            expected = layer(expected)
        torch.testing.assert_close(ours(image)[-1], expected, rtol=0, atol=0)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilation_computes_the_strided_features_and_those_in_between(output_stride):
    dilated, strided = _small(output_stride=output_stride), _small(output_stride=32)
    strided.load_state_dict(dilated.state_dict())
    image = torch.rand(1, 3, 101, 75)
    step = 32 // output_stride
    with torch.no_grad():
        torch.testing.assert_close(dilated(image)[-1][..., ::step, ::step], strided(image)[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("output_stride", "strides"), [(8, (4, 8, 8, 8)), (16, (4, 8, 16, 16)), (32, (4, 8, 16, 32))])
def test_stages_have_their_strides_at_odd_sizes(output_stride, strides):
    features = _small(output_stride=output_stride)(torch.rand(1, 3, 97, 75))
    # A window that starts on every stride-th pixel, the first one included.
    assert [tuple(stage.shape[2:]) for stage in features] == [(-(-97 // step), -(-75 // step)) for step in strides]


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [2, 4, 8]), (8, [4, 8, 16])])
def test_multi_grid_multiplies_the_rates_of_the_last_stage(output_stride, rates):
    network = _small(output_stride=output_stride, multi_grid=(1, 2, 4))
    assert [block.conv2.dilation[0] for block in network.layer4] == rates


def test_the_deep_stem_has_three_3_wide_convolutions():
    with torch.device("meta"):
        network = DilatedResNet(3, depth="resnet50", deep_stem=True)
    weights = sum(weight.numel() for weight in [*network.conv1.parameters(), *network.bn1.parameters()])
    assert weights == 9 * (3 * 64 + 64 * 64 + 64 * 128) + 2 * (64 + 64 + 128)
