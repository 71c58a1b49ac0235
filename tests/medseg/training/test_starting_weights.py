"""A training that starts from published weights or from a model, and says so in its package."""

import hashlib
import json

import numpy as np
import pytest
import safetensors.torch
import torch

from medseg.datasets import open_dataset
from medseg.datasets.reading import read_case
from medseg.errors import ConfigError, InputError
from medseg.inference import load_model, load_network, read_manifest
from medseg.io import read_image, read_label_map, write_image, write_label_map
from medseg.jobs.train import train
from medseg.models import build_model
from medseg.training.fit import fit
from medseg.training.validation import as_classes

DATA_OPTIONS = {"size": 64, "train_cases": 3, "validation_cases": 2, "test_cases": 0, "mean_radius_voxel": 8}
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


@pytest.fixture(scope="module")
def parent(tiny_recipe, cells_dir, tmp_path_factory):
    """The folder of a finished run."""
    recipe = tiny_recipe(steps=4, steps_per_epoch=4)
    return fit(recipe, data_dir=cells_dir, run_dir=tmp_path_factory.mktemp("parent") / "run", device="cpu", quiet=True)


def _fine_tuned(path, *, labels="[background, cell]", model=""):
    path.write_text(
        f"schema_version: 1\nname: tuned\ndata: {{dataset: folder, options: {{labels: {labels}, validation: [c]}}}}\n"
        f"model: {{start_from: {path.parent / 'parent'}{model}}}\n"
        "training: {steps: 1, steps_per_epoch: 1, batch_size: 1, optimiser: {lr: 1.0e-12, weight_decay: 0.0}}\n"
    )
    return path


@pytest.fixture
def own_images(parent, cells_dir, tmp_path):
    """A folder with `parent`, a link to the run, and three generated images as somebody's own."""
    (tmp_path / "parent").symlink_to(parent)
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    cases = open_dataset("phantom_cells", root=cells_dir, options=DATA_OPTIONS).cases()
    for name, case in zip("abc", cases[:3], strict=True):
        image, reference = read_case(case)
        write_image(image, tmp_path / "images" / f"{name}.tif")
        write_label_map(as_classes(reference), tmp_path / "labels" / f"{name}.tif")
    return tmp_path


def test_a_fine_tuning_starts_from_all_weights_of_its_parent_and_says_so(own_images, parent):
    recipe = _fine_tuned(own_images / "tuned.yaml")
    run = train(recipe, data_dir=own_images, run_dir=own_images / "run", device="cpu", quiet=True)
    before, after = load_network(parent / "best").state_dict(), load_network(run / "best").state_dict()
    assert list(before) == list(after)
    for name, weights in before.items():
        if "running" not in name and "num_batches" not in name:  # a step of no length still counts its batch
            torch.testing.assert_close(after[name], weights)
    old, new = read_manifest(parent / "best"), read_manifest(run / "best")
    assert (new.training.parent_name, new.training.parent_sha256) == (old.name, old.weights_sha256)
    assert (new.architecture, new.transforms, new.labels) == (old.architecture, old.transforms, old.labels)
    assert old.weights_sha256 in (run / "best" / "docs" / "README.md").read_text()
    assert str(own_images) not in (run / "best" / "medseg.json").read_text()


def test_the_scores_before_are_those_of_the_parent_on_the_same_images(own_images, parent):
    recipe = _fine_tuned(own_images / "tuned.yaml")
    run = train(recipe, data_dir=own_images, run_dir=own_images / "run", device="cpu", quiet=True)
    table = read_manifest(parent / "best").label_table
    image = read_image(own_images / "images" / "c.tif")
    reference = read_label_map(own_images / "labels" / "c.tif", labels=table)
    answer = load_model(parent, device="cpu").predict(image).label_map
    both = 2 * np.sum((answer.array == 1) & (reference.array == 1))
    dice = both / (np.sum(answer.array == 1) + np.sum(reference.array == 1))
    written = json.loads((run / "parent_metrics.json").read_text())
    assert written["summary"]["dice/cell"]["value"] == pytest.approx(dice)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": "[background, nucleus]"}, r"classes: the model tiny has 0=background, 1=cell, got .*1=nucleus"),
        ({"labels": "[background, cell, wall]"}, r"classes: .*got 0=background, 1=cell, 2=wall"),
        ({"model": ", options: {width: 8}"}, r"model\.options: .*'width': 4.*got .*'width': 8"),
        ({"model": ", pretrained: vgg.pth"}, r"pretrained and start_from both say"),
    ],
)
def test_what_does_not_fit_the_parent_is_refused_in_one_line(own_images, change, message):
    recipe = _fine_tuned(own_images / "tuned.yaml", **change)
    with pytest.raises(ConfigError, match=message) as caught:
        train(recipe, data_dir=own_images, run_dir=own_images / "run", device="cpu", quiet=True)
    assert "\n" not in str(caught.value)
    assert not (own_images / "run").exists()
