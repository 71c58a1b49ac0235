"""Every network against the contract of SegmentationNetwork; a new network is one line in CASES."""

import math
import os
from dataclasses import dataclass, field
from typing import Any

import onnxruntime
import pytest
import safetensors.torch
import torch
from monai.data import MetaTensor

from medseg.errors import ConfigError, GeometryError, InputError
from medseg.inference.onnx_export import write_onnx
from medseg.models import SegmentationNetwork, available_models, build_model


@dataclass(frozen=True)
class NetworkCase:
    """A small network and a size it takes."""

    name: str
    size: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, *, in_channels: int = 1, num_classes: int = 3) -> SegmentationNetwork:
        generator = torch.Generator().manual_seed(0)
        return build_model(
            self.name,
            in_channels=in_channels,
            num_classes=num_classes,
            spatial_dims=len(self.size),
            generator=generator,
            **self.options,
        )

    def images(self, *, batch: int = 1, in_channels: int = 1) -> torch.Tensor:
        return torch.randn(batch, in_channels, *self.size, generator=torch.Generator().manual_seed(1))


SMALL = {"width": 4, "depth": 3}
CASES = {
    "deconvnet": NetworkCase("deconvnet", (64, 97), {"width_factor": 1 / 64, "bottleneck_kernel": 2}),
    "deconvnet-unnormalised": NetworkCase(
        "deconvnet", (32, 45), {"width_factor": 1 / 32, "bottleneck_kernel": 1, "batch_norm": False}
    ),
    "fcn_32s": NetworkCase("fcn_32s", (1, 45), {"width_factor": 1 / 64}),
    "fcn_32s-same": NetworkCase("fcn_32s", (1, 45), {"width_factor": 1 / 64, "padding": "same"}),
    "fcn_32s-alexnet": NetworkCase(
        "fcn_32s", (35, 67), {"width_factor": 1 / 32, "padding": "same", "trunk": "alexnet"}
    ),
    "fcn_32s-googlenet": NetworkCase(
        "fcn_32s", (47, 67), {"width_factor": 1 / 16, "padding": "same", "trunk": "googlenet"}
    ),
    "fcn_16s": NetworkCase("fcn_16s", (1, 45), {"width_factor": 1 / 64}),
    "fcn_16s-same": NetworkCase("fcn_16s", (1, 45), {"width_factor": 1 / 64, "padding": "same"}),
    "fcn_8s": NetworkCase("fcn_8s", (1, 45), {"width_factor": 1 / 64}),
    "fcn_8s-same": NetworkCase("fcn_8s", (1, 45), {"width_factor": 1 / 64, "padding": "same"}),
    "segnet": NetworkCase("segnet", (32, 47), {"width_factor": 1 / 32}),
    "unet_2015": NetworkCase("unet_2015", (188, 204), {"width": 2, "dropout": 0.2}),
    "unet_2015-same": NetworkCase("unet_2015", (32, 48), {"width": 2, "padding": "same"}),
    "unet": NetworkCase("unet", (16, 24), SMALL),
    "unet-dropout": NetworkCase("unet", (16, 24), SMALL | {"dropout": 0.3}),
    "unet-residual": NetworkCase("unet", (16, 24), SMALL | {"residual": True}),
    "unet-residual-unnormalised": NetworkCase("unet", (16, 24), SMALL | {"residual": True, "norm": "none"}),
    "unet-instance": NetworkCase("unet", (16, 24), SMALL | {"norm": "instance"}),
    "unet-group": NetworkCase("unet", (16, 24), SMALL | {"norm": "group"}),
    "unet-linear": NetworkCase("unet", (16, 24), SMALL | {"upsample": "linear"}),
    "unet-deep": NetworkCase("unet", (16, 24), {"channels": [3, 5, 6, 8], "deep_supervision": True}),
    "unet-3d": NetworkCase("unet", (8, 12, 16), SMALL),
    "unet-3d-thick-slices": NetworkCase("unet", (16, 8, 5), SMALL | {"strides": [[2, 2, 1], [2, 2, 1]]}),
    "unet-3d-everything": NetworkCase(
        "unet",
        (16, 16, 4),
        {
            "channels": [4, 6, 8, 8],
            "strides": [[2, 2, 1], 2, [2, 1, 2]],
            "residual": True,
            "norm": "instance",
            "upsample": "linear",
            "deep_supervision": True,
            "dropout": 0.1,
        },
    ),
    "deeplab_v1": NetworkCase("deeplab_v1", (9, 14), {"width_factor": 0.06}),
    "deeplab_v1-4x4": NetworkCase("deeplab_v1", (17, 22), {"width_factor": 0.125, "field_of_view": "4x4"}),
    "deeplab_v2": NetworkCase("deeplab_v2", (17, 22), {"width_factor": 0.06, "backbone": "resnet50"}),
    "deeplab_v2-vgg16": NetworkCase(
        "deeplab_v2", (9, 14), {"width_factor": 0.06, "backbone": "vgg16", "scales": [1.0]}
    ),
    "deeplab_v3": NetworkCase("deeplab_v3", (17, 22), {"width_factor": 0.06, "backbone": "resnet50"}),
    "deeplab_v3-8": NetworkCase(
        "deeplab_v3",
        (9, 14),
        {"width_factor": 0.06, "backbone": "resnet50", "output_stride": 8, "auxiliary_head": True},
    ),
    "deeplab_v3_plus": NetworkCase("deeplab_v3_plus", (17, 22), {"width_factor": 0.06, "backbone": "resnet50"}),
    "parsenet": NetworkCase("parsenet", (9, 14), {"width_factor": 0.06}),
    "parsenet-early": NetworkCase("parsenet", (9, 14), {"width_factor": 0.06, "fusion": "early"}),
    "pspnet": NetworkCase("pspnet", (9, 14), {"width_factor": 0.06}),
    "unet_3d": NetworkCase("unet_3d", (92, 92, 92), {"width": 1}),
    "unet_3d-same": NetworkCase("unet_3d", (16, 24, 16), {"width": 2, "padding": "same", "norm": "batch"}),
    "unet_plus_plus": NetworkCase("unet_plus_plus", (32, 48), {"width": 2}),
    "unet_plus_plus-deep": NetworkCase(
        "unet_plus_plus", (32, 32), {"width": 2, "deep_supervision": True, "norm": "batch"}
    ),
    "unet_plus_plus-3d": NetworkCase("unet_plus_plus", (32, 16, 16), {"width": 2}),
    "residual_unet": NetworkCase("residual_unet", (16, 24), SMALL),
    "residual_unet-3d": NetworkCase("residual_unet", (8, 12, 16), SMALL | {"norm": "instance", "dropout": 0.1}),
    "attention_unet": NetworkCase("attention_unet", (16, 24), SMALL),
    "attention_unet-3d": NetworkCase("attention_unet", (8, 12, 16), SMALL | {"dropout": 0.1}),
    "dyn_unet": NetworkCase("dyn_unet", (16, 24), SMALL),
    "dyn_unet-residual": NetworkCase("dyn_unet", (16, 24), SMALL | {"encoder": "residual"}),
    "dyn_unet-3d-thick-slices": NetworkCase(
        "dyn_unet",
        (16, 8, 5),
        SMALL | {"strides": [[2, 2, 1], [2, 2, 1]], "kernels": [[3, 3, 1], 3, 3], "deep_supervision": True},
    ),
    "dyn_unet-3d-residual": NetworkCase(
        "dyn_unet", (16, 8, 8), SMALL | {"strides": [[2, 2, 1], 2], "encoder": "residual", "deep_supervision": True}
    ),
    "segresnet": NetworkCase("segresnet", (16, 24), {"width": 4, "dropout": 0.2}),
    "segresnet-3d": NetworkCase("segresnet", (8, 16, 8), {"width": 4, "blocks_down": [1, 1, 2]}),
    "swin_unetr": NetworkCase("swin_unetr", (64, 32), {"width": 12, "window": 4, "dropout": 0.1}),
    "swin_unetr-3d": NetworkCase("swin_unetr", (64, 32, 32), {"width": 12, "depths": [1, 1, 1, 1], "window": 2}),
    "sliding_window_cnn": NetworkCase("sliding_window_cnn", (95, 98), {"width": 4, "hidden": 5}),
    "sliding_window_cnn-mirror": NetworkCase(
        "sliding_window_cnn", (48, 51), {"width": 4, "hidden": 5, "padding": "mirror"}
    ),
}


ONNX_EVERY_RUN = ("unet", "segnet", "fcn_32s-same", "deeplab_v1", "unet_3d-same", "sliding_window_cnn-mirror")
ONNX_CASES = CASES if os.environ.get("MEDSEG_TEST_SCALE") == "full" else ONNX_EVERY_RUN
"""Writing all takes two minutes: a usual run takes plain, unpooling, bilinear, dilated, 3-D and mirroring networks."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> NetworkCase:
    return CASES[request.param]


def test_every_known_network_has_a_case():
    known = {name for name, description in available_models().items() if description.answers == "classes"}
    assert {case.name for case in CASES.values()} == known


def test_logits_have_a_channel_for_each_class_and_the_promised_size(case):
    network = case.build()
    logits = network(case.images(batch=2))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 3, *(size - 2 * network.context_voxels for size in case.size))
    assert logits.dtype == torch.float32


def test_forward_returns_plain_logits_in_evaluation_mode_too(case):
    network = case.build().eval()
    with torch.no_grad():
        logits = network(case.images())
        output = network.forward_with_auxiliary(case.images())
    torch.testing.assert_close(logits, output.logits, rtol=0, atol=0)
    assert bool(output.auxiliary) == network.has_auxiliary_heads


def test_gradient_reaches_every_parameter(case):
    network = case.build()
    output = network.forward_with_auxiliary(case.images(batch=2))
    sum(logits.square().mean() for logits in (output.logits, *output.auxiliary)).backward()
    without = [
        name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()
    ]
    assert without == []


def test_evaluation_depends_on_the_input_alone(case):
    network = case.build().eval()
    with torch.no_grad():
        first, second = network(case.images()), network(case.images())
        pair = network(torch.cat([case.images(), -case.images()]))
    assert torch.equal(first, second)
    torch.testing.assert_close(pair[:1], first, rtol=1e-4, atol=1e-4)


def test_a_batch_of_one_can_be_trained(case):
    logits = case.build().train()(case.images(batch=1))
    assert logits.isfinite().all()


def test_same_generator_same_weights(case):
    first, second = case.build().state_dict(), case.build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_load_into_a_second_network(case):
    network, other = case.build().eval(), case.build().eval()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
        other.load_state_dict(network.state_dict())
        assert torch.equal(network(case.images()), other(case.images()))
    assert all(weight.is_contiguous() for weight in network.state_dict().values())


def test_weights_go_through_safetensors(case):
    network, other = case.build().eval(), case.build().eval()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(network.state_dict())))
        assert torch.equal(network(case.images()), other(case.images()))


@pytest.mark.parametrize("key", ONNX_CASES)
def test_onnx_runtime_gives_the_same_logits(key, tmp_path):
    case = CASES[key]
    network = case.build().eval()
    path = tmp_path / "network.onnx"
    write_onnx(network, torch.zeros(case.images().shape), path, name=case.name, metadata={})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (answer,) = session.run(["logits"], {"image": case.images().numpy()})
    with torch.no_grad():
        expected = network(case.images())
    assert expected.std() > 0
    torch.testing.assert_close(torch.from_numpy(answer), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_several_channels_are_taken(case):
    network = case.build(in_channels=3, num_classes=2)
    assert network(case.images(in_channels=3, batch=2)).shape[1] == 2


def test_metatensor_goes_in_and_a_plain_tensor_comes_out(case):
    network = case.build().eval()
    with torch.no_grad():
        logits = network(MetaTensor(case.images()))
        assert type(logits) is torch.Tensor
        assert torch.equal(logits, network(case.images()))


def test_bf16_autocast_gives_nearly_the_same_logits(case):
    network = case.build().eval()
    with torch.no_grad():
        exact = network(case.images())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(case.images())
    assert (rounded.float() - exact).abs().mean() < 0.05 * exact.abs().max()


def test_sizes_step_by_the_divisor(case):
    network = case.build()
    network.check_input_size([size + network.size_divisor for size in case.size])
    assert all(network.size_divisor % step == 0 for step in network.input_size.divisor)
    assert network.size_divisor == math.lcm(*network.input_size.divisor)


def test_a_wrong_size_is_refused_with_the_next_right_one(case):
    network = case.build()
    wrong = (case.size[0] - 1, *case.size[1:])
    right = " x ".join(str(size) for size in case.size)
    with pytest.raises(GeometryError, match=rf"does not fit; an axis may have .*choose a patch size of {right}\.$"):
        network(torch.zeros(1, 1, *wrong))


def test_wrong_channels_axes_and_numbers_are_refused(case):
    network = case.build()
    with pytest.raises(InputError, match=r"expected images of shape \(batch, 1, x, y.*got \(1, 2, "):
        network(case.images(in_channels=2))
    with pytest.raises(InputError, match="expected images of shape"):
        network(case.images()[0])
    with pytest.raises(InputError, match=r"expected floating-point images, got torch.uint8. Convert them"):
        network(case.images().to(torch.uint8))


def test_an_unknown_option_is_refused_with_its_path_and_the_known_ones(case):
    known = next(iter(available_models()[case.name].options.model_fields))
    misspelt = known[:-2] + known[-1] + known[-2]
    with pytest.raises(
        ConfigError, match=rf"^model\.options\.{misspelt} is not a known option\. Did you mean '{known}'\? Known: "
    ):
        build_model(case.name, in_channels=1, num_classes=2, spatial_dims=len(case.size), **{misspelt: 3})
