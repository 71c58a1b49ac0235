"""Published weights: with them, a trunk gives the features of torchvision's network."""

import hashlib

import pytest
import safetensors.torch
import torch
import torchvision.models
from torch import nn

from medseg.errors import ConfigError, InputError
from medseg.models import build_model, load_pretrained
from medseg.models.blocks.vgg import VGG16


def _published(name):
    """torchvision's network with random weights and statistics, as if published."""
    more = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    if name.startswith("vgg"):
        more = {"init_weights": False}
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(7)
        network = getattr(torchvision.models, name)(num_classes=3, **more)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(std=0.1)
                layer.running_var.uniform_(0.5, 2)
    return network.eval()


def _file(tmp_path, network, *, suffix=".pth"):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return path


def _image(channels=3):
    return torch.rand(1, channels, 64, 96, generator=torch.Generator().manual_seed(1))


def _stem_features(network, images):
    """Features of torchvision's residual network after each stage of stride 4, 8, 16 and 32."""
    current = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    stages = []
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        current = stage(current)
        stages.append(current)
    return stages


def test_a_residual_trunk_gives_torchvisions_features(tmp_path):
    theirs = _published("resnet50")
    path = _file(tmp_path, theirs)
    ours = build_model("deeplab_v3", in_channels=3, num_classes=2, backbone="resnet50").eval()
    assert load_pretrained(ours, path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with torch.no_grad():
        expected, features = _stem_features(theirs, _image()), ours.trunk(_image())
    # The first three stages have torchvision's strides and no dilation.
    for own, other in zip(features[:3], expected[:3], strict=True):
        torch.testing.assert_close(own, other)
    # The last stage is dilated in place of its stride; its weights are the same.
    assert torch.equal(ours.trunk.layer4[2].conv2.weight, theirs.layer4[2].conv2.weight)


@pytest.mark.parametrize(("backbone", "norm"), [("resnet50", "frozen_batch"), ("resnet18", "batch")])
def test_the_trunk_of_mask_rcnn_gives_torchvisions_features(tmp_path, backbone, norm):
    theirs = _published(backbone)
    ours = build_model("mask_rcnn", in_channels=3, num_classes=2, backbone=backbone, norm=norm).eval()
    heads = {name: tensor.clone() for name, tensor in ours.state_dict().items() if not name.startswith("trunk.")}
    load_pretrained(ours, _file(tmp_path, theirs))
    with torch.no_grad():
        found, expected = ours.trunk(_image()), _stem_features(theirs, _image())
    for own, other in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in heads.items())


def test_a_trunk_with_group_norm_takes_no_weights_of_batch_norm(tmp_path):
    path = _file(tmp_path, _published("resnet18"))
    ours = build_model("mask_rcnn", in_channels=1, num_classes=2, backbone="resnet18", norm="group")
    with pytest.raises(ConfigError, match=r"published for batch norm, this trunk has group norm\. Set .*frozen_batch"):
        load_pretrained(ours, path)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
def test_a_vgg_trunk_gives_torchvisions_features(tmp_path, name):
    theirs = _published(name).features
    path = tmp_path / "vgg.safetensors"
    safetensors.torch.save_file({f"features.{key}": tensor for key, tensor in theirs.state_dict().items()}, path)
    ours = nn.Module()
    ours.trunk = VGG16(3, batch_norm=name.endswith("_bn"))
    load_pretrained(ours.eval(), path)
    with torch.no_grad():
        torch.testing.assert_close(ours.trunk(_image())["pool5"], theirs(_image()))


def test_fcn_alexnet_scores_a_picture_as_the_classifier_does(tmp_path):
    theirs = _published("alexnet")
    ours = build_model("fcn_32s", in_channels=3, num_classes=3, trunk="alexnet", padding="same").eval()
    load_pretrained(ours, _file(tmp_path, theirs))
    # 224 pixels are what torchvision's classifier was made for: its 6 x 6 features need no pooling to 6 x 6.
    picture = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = theirs.features(picture)
        fc6, fc7 = theirs.classifier[1], theirs.classifier[4]
        expected = fc7(fc6(features.flatten(1)).relu()).relu()
        # Padding surrounds the 6 x 6 features by 3; the window in the middle sees all of them and nothing else.
        connected = ours.fully_connected(ours.trunk(picture)["pool5"][..., :6, :6])
    assert features.shape[2:] == (6, 6)
    torch.testing.assert_close(connected[..., 3, 3], expected, rtol=1e-4, atol=1e-5)


def test_a_googlenet_trunk_gives_torchvisions_features(tmp_path):
    theirs = _published("googlenet")
    ours = build_model("fcn_32s", in_channels=3, num_classes=2, trunk="googlenet", padding="same").eval()
    load_pretrained(ours, _file(tmp_path, theirs, suffix=".safetensors"))
    theirs.avgpool = theirs.dropout = theirs.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(ours.trunk(_image())["pool5"].flatten(1), theirs(_image()))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_equal_channels_give_the_features_of_a_grey_picture(tmp_path, channels):
    theirs = _published("resnet50")
    ours = build_model("deeplab_v3", in_channels=channels, num_classes=2, backbone="resnet50").eval()
    load_pretrained(ours, _file(tmp_path, theirs))
    grey = _image(1)
    with torch.no_grad():
        expected = theirs.conv1(grey.expand(1, 3, -1, -1))
        torch.testing.assert_close(ours.trunk.conv1(grey.expand(1, channels, -1, -1)), expected)


def test_weights_of_another_network_are_one_line(tmp_path):
    path = _file(tmp_path, _published("resnet50"))
    network = build_model("segnet", in_channels=3, num_classes=2)
    with pytest.raises(ConfigError) as refused:
        load_pretrained(network, path)
    assert str(refused.value).endswith(
        "does not hold the weights of torchvision's vgg16_bn that this network takes: features.0.weight is missing, "
        "expected (64, 3, 3, 3)."
    )


def test_a_narrower_network_is_refused_and_stays_as_it_was(tmp_path):
    path = _file(tmp_path, _published("resnet50"))
    network = build_model("deeplab_v3", in_channels=3, num_classes=2, backbone="resnet50", width_factor=0.25)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ConfigError, match=r"conv1\.weight has shape \(64, 3, 7, 7\), expected \(16, 3, 7, 7\)\.$"):
        load_pretrained(network, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_networks_without_a_published_trunk_are_refused(tmp_path):
    network = build_model("unet", in_channels=1, num_classes=2, width=2, depth=2)
    with pytest.raises(ConfigError, match="UNet has no trunk that ImageNet weights are published for"):
        load_pretrained(network, tmp_path / "weights.pth")


class Unwanted:
    """What a pickle may name, and must not be made."""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, r"cannot be read \(No such file"),
        ("weights.h5", b"x", r"expected a file of weights ending in \.pth, \.pt, \.safetensors"),
        ("noise.pth", b"not a pickle at all", "is no file of weights"),
        ("empty.pth", b"", "is no file of weights"),
        ("noise.safetensors", b"\xff" * 64, "is no file of weights"),
        ("object.pth", Unwanted(), "is no file of weights"),
        ("list.pth", [1, 2], "expected names and tensors, a state dict"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    network = build_model("deeplab_v1", in_channels=1, num_classes=2, width_factor=0.06)
    with pytest.raises((InputError, ConfigError), match=message) as refused:
        load_pretrained(network, path)
    assert "\n" not in str(refused.value)
