"""The facts of Long 2015 and Shelhamer 2017."""

import pytest
import torch
from support.layer_grids import Grid, grid_after
from torch import nn

from medseg.errors import ConfigError
from medseg.models import build_model

NAMES = ("fcn_32s", "fcn_16s", "fcn_8s")
STRIDES = {"fcn_32s": 32, "fcn_16s": 16, "fcn_8s": 8}
PADDINGS = ("original", "same")

# Published definition (voc-fcn32s, -fcn16s, -fcn8s): rows and columns that the crop layers cut off.
FINAL_CROP = {"fcn_32s": 19, "fcn_16s": 27, "fcn_8s": 31}
SKIP_CROP = {"fcn_32s": {}, "fcn_16s": {"pool4": 5}, "fcn_8s": {"pool4": 5, "pool3": 9}}


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _on_paper(name, **options):
    """The network without memory behind its weights: shapes and counts cost nothing."""
    with torch.device("meta"):
        return build_model(name, in_channels=3, num_classes=21, **options)


def _small(name, **options):
    generator = torch.Generator().manual_seed(0)
    return build_model(name, in_channels=1, num_classes=2, generator=generator, width_factor=1 / 64, **options).eval()


def _trunk_layers(network, last):
    """Layers up to the pooling called `last`."""
    for number, (stage, pool) in enumerate(zip(network.trunk.stages, network.trunk.pools, strict=True), start=1):
        yield from stage
        yield pool
        if last == f"pool{number}":
            return


def _score_grid(network) -> Grid:
    return grid_after([*_trunk_layers(network, "pool5"), *network.fully_connected, network.score])


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("name", "parameters"), [("fcn_32s", 136_152_917), ("fcn_16s", 134_815_994), ("fcn_8s", 134_489_759)]
)
def test_parameter_count_is_that_of_the_published_layer_list(name, parameters, padding):
    # Counted: every convolution with its bias, and the transposed convolutions, 21 x 21 kernels each, without.
    assert _count(_on_paper(name, padding=padding)) == parameters


def test_fcn_8s_has_134_362_751_weights_without_its_transposed_convolutions():
    network = _on_paper("fcn_8s")
    transposed = sum(_count(layer) for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d))
    assert _count(network) - transposed == 134_362_751


def test_fc6_sees_404_pixels_and_pool5_212():
    network = _on_paper("fcn_32s")
    assert grid_after(_trunk_layers(network, "pool5")).field_of_view == 212
    grid = _score_grid(network)
    assert (grid.stride, grid.field_of_view) == (32, 404)


def test_a_score_shows_404_pixels_in_its_gradient():
    network = _small("fcn_32s", padding="same")
    # Positive weights and means in place of maxima let every pixel that a score can see show in its gradient.
    network.trunk.pools = nn.ModuleList([nn.AvgPool2d(2) for _ in range(5)])
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    image = torch.ones(1, 1, 544, 480, dtype=torch.double, requires_grad=True)
    network.double()
    network.score(network.fully_connected(network.trunk(image)["pool5"]))[0, 0, 8, 7].backward()
    seen = (image.grad[0, 0] > 0).nonzero()
    # Feature 8 lies on the pixels 256 to 287, feature 7 on 224 to 255; 186 more to each side make 404.
    assert seen.amin(dim=0).tolist() == [256 - 186, 224 - 186]
    assert seen.amax(dim=0).tolist() == [287 + 186, 255 + 186]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_skips_and_logits_lie_where_the_scores_lie(name, padding, monkeypatch):
    network = _on_paper(name, padding=padding)
    seen = []
    monkeypatch.setattr("medseg.models.fcn._add_aligned", lambda scores, skip, offset: seen.append(offset) or scores)
    network(torch.empty(1, 3, 64, 64, device="meta"))
    grid = _score_grid(network)
    expected = []
    for pool in SKIP_CROP[name]:
        grid = grid_after([network.up[pool]], grid)
        skip = grid_after([*_trunk_layers(network, pool), network.skip_scores[pool]])
        assert skip.stride == grid.stride
        expected.append((grid.start - skip.start) / grid.stride)
    assert grid.stride == STRIDES[name]
    assert seen == expected
    assert expected == (list(SKIP_CROP[name].values()) if padding == "original" else [0] * len(expected))
    final = grid_after([network.final_up], grid)
    assert final.stride == 1
    assert -final.start == (FINAL_CROP[name] if padding == "original" else 0)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_in_the_scores_arrives_at_its_pixel(name, padding):
    """The first 19, 27 or 31 rows are cut, no others."""
    network = _on_paper(name, padding=padding)
    rows = torch.arange(400.0).view(1, 1, 400, 1).expand(1, 21, 400, 400)
    network.final_up.forward = lambda _: rows
    logits = network(torch.empty(1, 3, 50, 60, device="meta"))
    assert logits.shape == (1, 21, 50, 60)
    first = FINAL_CROP[name] if padding == "original" else 0
    assert logits[0, 0, :, 0].tolist() == list(range(first, first + 50))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", NAMES)
def test_every_size_is_taken_and_given_back(name, padding):
    network = _on_paper(name, padding=padding, width_factor=1 / 64)
    for size in [(1, 1), (2, 500), (31, 32), (33, 65), (97, 130), (223, 225), (500, 375)]:
        assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 21, *size)


def test_500_pixels_give_16_by_16_scores():
    network = _on_paper("fcn_32s")
    scores = network.score(network.fully_connected(network.trunk(torch.empty(1, 3, 500, 500, device="meta"))["pool5"]))
    # 500 + 2 * 100 - 2 = 698; five halvings, rounded up: 349, 175, 88, 44, 22; the 7-wide fc6 leaves 16.
    assert scores.shape == (1, 21, 16, 16)


def test_training_starts_from_the_coarse_scores_interpolated():
    network = _small("fcn_8s", padding="same")
    image = torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = network(image)
        scores = network.score(network.fully_connected(network.trunk(image)["pool5"]))
        interpolated = network.final_up(network.up["pool3"](network.up["pool4"](scores)))
    assert all((layer.weight == 0).all() for layer in network.skip_scores.values())
    assert scores.abs().max() > 0
    torch.testing.assert_close(logits, interpolated)


@pytest.mark.parametrize("option", ["pool4_scale", "pool3_scale"])
def test_the_scale_multiplies_what_a_skip_adds(option):
    image = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    added = []
    for scale in (1.0, 0.01):
        network = _small("fcn_8s", padding="same", **{option: scale})
        with torch.no_grad():
            without = network(image)
            network.skip_scores[option.removesuffix("_scale")].weight.fill_(1)
            added.append(network(image) - without)
    assert added[0].abs().max() > 0
    torch.testing.assert_close(added[1], 0.01 * added[0], rtol=1e-3, atol=1e-5)


def test_skips_are_summed_as_they_are_or_with_the_scales_of_training_at_once():
    assert _on_paper("fcn_32s").skip_scales == {}
    assert _on_paper("fcn_16s").skip_scales == {"pool4": 1}
    assert _on_paper("fcn_8s").skip_scales == {"pool4": 1, "pool3": 1}
    at_once = _on_paper("fcn_8s", pool4_scale=0.01, pool3_scale=0.0001)
    assert at_once.skip_scales == {"pool4": 0.01, "pool3": 0.0001}


def test_a_variant_refuses_the_scale_of_a_skip_that_it_lacks():
    with pytest.raises(ConfigError, match=r"^model\.options\.pool3_scale is not a known option"):
        build_model("fcn_16s", in_channels=1, num_classes=2, pool3_scale=1.0)
    with pytest.raises(ConfigError, match=r"^model\.options\.pool4_scale is not a known option"):
        build_model("fcn_32s", in_channels=1, num_classes=2, pool4_scale=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_volumes_are_refused(name):
    with pytest.raises(ConfigError, match=rf"model '{name}' is for 2 spatial axes, got 3"):
        build_model(name, in_channels=1, num_classes=2, spatial_dims=3)
