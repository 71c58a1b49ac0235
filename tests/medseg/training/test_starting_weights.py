"""A training that starts from a file of published weights, and says so in its package."""

import hashlib
import json

import pytest
import safetensors.torch
import torch

from medseg.errors import ConfigError, InputError
from medseg.inference import load_network
from medseg.models import build_model
from medseg.training.fit import fit

NARROW = {"width_factor": 0.06}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file as torchvision's, of a narrow VGG16 with weights of its own."""
    generator = torch.Generator().manual_seed(9)
    trunk = build_model("deeplab_v1", in_channels=3, num_classes=2, generator=generator, **NARROW).trunk
    state = trunk.state_dict()
    path = tmp_path_factory.mktemp("published") / "vgg16.safetensors"
    safetensors.torch.save_file({theirs: state[own] for own, theirs in trunk.published_names().items()}, path)
    return path


def test_the_trunk_starts_from_the_file_and_the_package_names_it(published, tiny_recipe, cells_dir, tmp_path):
    standing_still = {"lr": 1e-12, "weight_decay": 0.0}
    model = {"name": "deeplab_v1", "options": NARROW, "pretrained": str(published)}
    recipe = tiny_recipe(model=model, steps=1, steps_per_epoch=1, ema_decay=None, optimiser=standing_still)
    run = fit(recipe, data_dir=cells_dir, run_dir=tmp_path / "run", device="cpu", quiet=True)
    weights = safetensors.torch.load_file(published)
    trained = load_network(run / "best").trunk
    for own, theirs in trained.published_names().items():
        expected = weights[theirs]
        if theirs == "features.0.weight":  # one channel in place of three colours
            expected = expected.sum(dim=1, keepdim=True)
        torch.testing.assert_close(trained.state_dict()[own], expected)
    sha256 = hashlib.sha256(published.read_bytes()).hexdigest()
    manifest = (run / "best" / "medseg.json").read_text()
    assert json.loads(manifest)["training"]["pretrained_sha256"] == sha256
    assert str(published.parent) not in manifest
    assert sha256 in (run / "best" / "docs" / "README.md").read_text()


def test_a_missing_file_and_a_network_without_a_trunk_are_refused(published, tiny_recipe, cells_dir, tmp_path):
    absent = {"name": "deeplab_v1", "options": NARROW, "pretrained": str(tmp_path / "absent.pth")}
    with pytest.raises(InputError, match=r"model\.pretrained: .*absent\.pth: cannot be read"):
        fit(tiny_recipe(model=absent), data_dir=cells_dir, run_dir=tmp_path / "a", device="cpu", quiet=True)
    unet = {"name": "unet", "options": {"width": 4, "depth": 3}, "pretrained": str(published)}
    with pytest.raises(ConfigError, match=r"model\.pretrained: UNet has no trunk"):
        fit(tiny_recipe(model=unet), data_dir=cells_dir, run_dir=tmp_path / "b", device="cpu", quiet=True)
