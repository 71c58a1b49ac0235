"""The facts of Chen 2018 (ECCV)."""

import pytest
import torch

from medseg.models import build_model


def _on_paper(**options):
    """The network for 3 channels and 21 classes without memory behind its weights."""
    with torch.device("meta"):
        return build_model("deeplab_v3_plus", in_channels=3, num_classes=21, **options)


@pytest.mark.parametrize(("backbone", "parameters"), [("resnet50", 26_682_725), ("resnet101", 45_674_853)])
def test_parameter_count_is_the_published_one(backbone, parameters):
    # All weights, of separable convolutions in pyramid and decoder.
    assert sum(weight.numel() for weight in _on_paper(backbone=backbone).parameters()) == parameters


def test_the_decoder_without_separable_convolutions_has_two_of_256_by_3_by_3():
    plain, separable = _on_paper(separable=False), _on_paper()
    more = sum(weight.numel() for weight in plain.parameters()) - sum(
        weight.numel() for weight in separable.parameters()
    )
    # A 3 x 3 convolution costs 9 a b weights, a separable one 9 a + a b: three in the pyramid, two in the decoder.
    convolutions = [(2048, 256)] * 3 + [(304, 256), (256, 256)]
    assert more == sum(8 * a * b - 9 * a for a, b in convolutions)


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("size", [(513, 513), (97, 70)])
def test_the_decoder_works_every_4_pixels_on_256_and_48_channels(output_stride, size):
    network = _on_paper(output_stride=output_stride).eval()
    seen = {}
    network.pyramid.register_forward_hook(lambda *call: seen.update(pyramid=tuple(call[2].shape)))
    network.decoder.register_forward_hook(lambda *call: seen.update(decoder=tuple(call[1][0].shape)))
    assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 21, *size)
    coarse, fine = (tuple(-(-length // step) for length in size) for step in (output_stride, 4))
    assert seen == {"pyramid": (1, 256, *coarse), "decoder": (1, 256 + 48, *fine)}
