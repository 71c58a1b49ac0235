"""The classifier of patches of 2012, and the same weights at every pixel."""

import pytest
import torch
from torch.nn import functional as F

from medseg.errors import ConfigError, GeometryError
from medseg.models import build_model
from medseg.models.sliding_window_cnn import WINDOW


def _network(**options):
    options = {"width": 4, "hidden": 5} | options
    generator = torch.Generator().manual_seed(0)
    return build_model("sliding_window_cnn", in_channels=1, num_classes=3, generator=generator, **options).eval()


def _image(height: int, width: int) -> torch.Tensor:
    return torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _windows(image: torch.Tensor) -> torch.Tensor:
    """Every window of `image`, row by row, shape (N, C, 95, 95)."""
    windows = image.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def test_parameter_count_is_that_of_the_published_layer_list():
    with torch.device("meta"):
        network = build_model("sliding_window_cnn", in_channels=1, num_classes=2)
    convolutions = 48 * (4 * 4 + 1) + 48 * (5 * 5 * 48 + 1) + 2 * 48 * (4 * 4 * 48 + 1)
    connected = 200 * (3 * 3 * 48 + 1) + 2 * (200 + 1)
    count = sum(weight.numel() for weight in network.parameters())
    assert count == convolutions + connected == 219_290


def test_the_whole_image_at_once_gives_the_numbers_of_its_patches():
    network, image = _network().double(), _image(112, 97)
    with torch.no_grad():
        dense = network(image)
        patchwise = network.classify_patches(_windows(image))
    assert dense.shape == (1, 3, 112 - 94, 97 - 94)
    torch.testing.assert_close(dense, patchwise.T.reshape(dense.shape), rtol=1e-10, atol=1e-10)


def test_mirrored_borders_give_every_pixel_the_label_of_its_window():
    network, image = _network(padding="mirror").double(), _image(50, 48)
    assert network.context_voxels == 0
    windows = _windows(F.pad(image, (47,) * 4, mode="reflect"))
    pixels = torch.tensor([0, 7, 48 * 25 + 11, 50 * 48 - 1])
    with torch.no_grad():
        dense = network(image).flatten(2)[0].T
        torch.testing.assert_close(dense[pixels], network.classify_patches(windows[pixels]), rtol=1e-10, atol=1e-10)


def test_both_ways_have_the_same_gradient():
    network, image = _network().double(), _image(96, 98)
    both = (network(image).flatten(2)[0].T, network.classify_patches(_windows(image)))
    gradients = [torch.autograd.grad(logits.square().sum(), list(network.parameters())) for logits in both]
    for dense, patchwise in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, patchwise, rtol=1e-8, atol=1e-8)


def test_a_logit_sees_its_window_of_95_pixels_and_no_more(monkeypatch):
    # Positive weights and sums in place of maxima let every pixel that a logit can see show in its gradient.
    monkeypatch.setattr(
        F,
        "max_pool2d",
        lambda maps, size, stride, dilation: F.conv2d(
            maps, torch.ones(maps.shape[1], 1, size, size), stride=stride, dilation=dilation, groups=maps.shape[1]
        ),
    )
    network = _network()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    image = torch.rand(1, 1, 97, 98, requires_grad=True)
    network(image)[0, 0, 1, 2].backward()
    assert (image.grad[0, 0, 1:96, 2:97] > 0).all()
    assert (image.grad[0, 0] > 0).sum() == 95 * 95


def test_any_size_from_one_window_on_is_taken():
    network = _network()
    network.check_input_size((95, 1001))
    with pytest.raises(GeometryError, match=r"may have 95, 96, 97 and so on.*95 x 100\.$"):
        network.check_input_size((94, 100))
    assert network.input_size.input_for_output((512, 512)) == (606, 606)


def test_patches_of_another_size_and_volumes_are_refused():
    with pytest.raises(GeometryError, match="expected patches of 95 x 95 pixels, got 65 x 65"):
        _network().classify_patches(torch.rand(1, 1, 65, 65))
    with pytest.raises(ConfigError, match="model 'sliding_window_cnn' is for 2 spatial axes, got 3"):
        build_model("sliding_window_cnn", in_channels=1, num_classes=2, spatial_dims=3)
