"""The facts of Chen 2017, and torchvision's DeepLab v3."""

import pytest
import torch
from torchvision.models import segmentation

from medseg.models import build_model


def _on_paper(**options):
    """The network for 3 channels and 21 classes without memory behind its weights."""
    with torch.device("meta"):
        return build_model("deeplab_v3", in_channels=3, num_classes=21, **options)


@pytest.mark.parametrize(
    ("backbone", "auxiliary_head", "parameters"),
    [
        ("resnet50", False, 39_638_869),
        ("resnet50", True, 42_004_074),
        ("resnet101", False, 58_630_997),
        ("resnet101", True, 60_996_202),
    ],
)
def test_weights_are_those_of_torchvision(backbone, auxiliary_head, parameters):
    with torch.device("meta"):
        build_theirs = getattr(segmentation, f"deeplabv3_{backbone}")
        theirs = build_theirs(weights=None, weights_backbone=None, aux_loss=auxiliary_head, num_classes=21)
    ours = _on_paper(backbone=backbone, auxiliary_head=auxiliary_head)
    assert [tuple(weight.shape) for weight in ours.parameters()] == [
        tuple(weight.shape) for weight in theirs.parameters()
    ]
    assert sum(weight.numel() for weight in ours.parameters()) == parameters


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [1, 6, 12, 18]), (8, [1, 12, 24, 36])])
def test_finer_features_double_the_rates_and_change_no_weight(output_stride, rates):
    network = _on_paper(output_stride=output_stride)
    assert [branch[0].dilation[0] for branch in network.head[0].branches] == rates
    seen = []
    network.head[-1].register_forward_hook(lambda *call: seen.append(tuple(call[2].shape[2:])))
    assert network.eval()(torch.empty(1, 3, 513, 100, device="meta")).shape == (1, 21, 513, 100)
    assert seen == [(512 // output_stride + 1, -(-100 // output_stride))]
    shapes = {name: weight.shape for name, weight in network.state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in _on_paper().state_dict().items()}


def test_the_auxiliary_head_scores_every_pixel_from_the_third_stage():
    network = _on_paper(auxiliary_head=True).eval()
    output = network.forward_with_auxiliary(torch.empty(1, 3, 65, 71, device="meta"))
    assert [tuple(logits.shape) for logits in output.auxiliary] == [(1, 21, 65, 71)]
    assert network.auxiliary_head[0][0].in_channels == 1024


def test_multi_grid_can_be_left_out():
    assert [block.conv2.dilation[0] for block in _on_paper().trunk.layer4] == [2, 4, 8]
    assert [block.conv2.dilation[0] for block in _on_paper(multi_grid=False).trunk.layer4] == [1, 2, 2]


def test_the_whole_image_is_seen_from_every_pixel():
    network = build_model("deeplab_v3", in_channels=1, num_classes=2, backbone="resnet50", width_factor=1 / 16)
    network.eval()
    image = torch.rand(1, 1, 65, 65, requires_grad=True)
    network(image)[0, 0, 0, 0].backward()
    assert image.grad[0, 0, -8:, -8:].abs().sum() > 0
