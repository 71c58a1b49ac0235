"""The facts of Noh 2015."""

import pytest
import torch
from torch import nn

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model


def _on_paper(**options):
    with torch.device("meta"):
        return build_model("deconvnet", in_channels=3, num_classes=21, **options)


def _small(**options):
    return build_model("deconvnet", in_channels=1, num_classes=2, width_factor=1 / 64, **options)


@pytest.mark.parametrize(("batch_norm", "parameters"), [(True, 251_805_653), (False, 251_772_245)])
def test_parameter_count_is_that_of_the_published_layer_list(batch_norm, parameters):
    # Counted: 13 + 2 convolutions, 1 + 13 deconvolutions and the 1-wide scores, all with biases; batch norm behind
    # all of them but the scores has a scale and a shift per channel.
    network = _on_paper(batch_norm=batch_norm)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


def test_224_pixels_meet_in_one_vector_of_4096_and_come_back():
    network = _on_paper().eval()
    seen = {}
    for name in ("fc6", "fc7", "fc6_deconvolution"):
        getattr(network, name).register_forward_hook(lambda *call, name=name: seen.update({name: call[2].shape[1:]}))
    assert network(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 21, 224, 224)
    assert seen == {"fc6": (4096, 1, 1), "fc7": (4096, 1, 1), "fc6_deconvolution": (512, 7, 7)}


def test_the_way_back_mirrors_the_way_down():
    stages = _on_paper().decoder.stages
    widths = [[layer.out_channels for layer in stage if isinstance(layer, nn.ConvTranspose2d)] for stage in stages]
    assert widths == [[512, 512, 512], [512, 512, 256], [256, 256, 128], [128, 64], [64, 64]]


@pytest.mark.parametrize("size", [(224, 224), (225, 300), (320, 481)])
def test_every_size_from_224_is_given_back(size):
    network = _on_paper(width_factor=1 / 64)
    assert network(torch.empty(2, 3, *size, device="meta")).shape == (2, 21, *size)


def test_less_is_refused():
    with pytest.raises(GeometryError, match=r"64 x 300 voxels does not fit.*patch size of 224 x 300\.$"):
        _on_paper().check_input_size((64, 300))


def test_a_narrower_bottleneck_takes_smaller_images():
    network = _small(bottleneck_kernel=2)
    assert network.input_size.minimum == (64, 64)
    assert network(torch.rand(2, 1, 64, 64)).shape == (2, 2, 64, 64)


def test_a_single_vector_cannot_be_normalised_in_training():
    network = _small(bottleneck_kernel=1)
    with pytest.raises(GeometryError, match=r"single vector.*two images a batch, a patch size of 64 x 64, or batch_n"):
        network(torch.rand(1, 1, 32, 32))
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 2, 32, 32)
    assert network(torch.rand(1, 1, 64, 64)).shape == (1, 2, 64, 64)
    assert network.eval()(torch.rand(1, 1, 32, 32)).shape == (1, 2, 32, 32)
    assert _small(bottleneck_kernel=1, batch_norm=False)(torch.rand(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_volumes_are_refused():
    with pytest.raises(ConfigError, match=r"model 'deconvnet' is for 2 spatial axes, got 3"):
        build_model("deconvnet", in_channels=1, num_classes=2, spatial_dims=3)
