"""Packages of networks of interiors and rims: the objects they make of pictures and stacks."""

import numpy as np
import pytest
import torch
from torch import nn

from medseg.config import InferenceConfig, ObjectRims, TransformsConfig, WindowIntensity
from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelKind, LabelTable
from medseg.inference import Architecture, Ensemble, RimPredictor, label_entries, load_model, write_package
from medseg.inference.card import model_card
from medseg.models import build_model
from medseg.transforms.object_rims import network_labels

CPU = torch.device("cpu")
TABLE = LabelTable.from_names(["background", "cell"])


class Levels(nn.Module):
    """Outside where the picture is black, rim where it is half bright, interior where it is bright."""

    def forward(self, images):
        return torch.cat([-20 * (images - level).abs() for level in (0.0, 1.0, 0.5)], dim=1)


@pytest.fixture
def rim_manifest(make_manifest):
    transforms = TransformsConfig(
        pipeline="microscopy",
        patch_size=(16, 16),
        intensity=WindowIntensity(lower=0.0, upper=1.0),
        object_rims=ObjectRims(),
    )
    return make_manifest(
        architecture=Architecture(
            name="unet", options={"width": 2, "depth": 2}, in_channels=1, num_classes=3, spatial_dims=2
        ),
        labels=label_entries(network_labels(TABLE, transforms)),
        transforms=transforms,
        inference=InferenceConfig.model_validate({"rims": {"min_voxels": 5}}),
    )


@pytest.fixture
def predictor(rim_manifest):
    return RimPredictor(Levels(), manifest=rim_manifest, device=CPU, precision="fp32")


def image(array, axes="CYX"):
    array = np.asarray(array, np.float32)[np.newaxis]
    return Image(array, Affine.from_spacing([1.0] * (array.ndim - 1), frame=WorldFrame.RAS), axes)


def two_cells_that_touch():
    """A block of 20 x 30 with a seam of half brightness at columns 15 and 16, the cells' rims, and a speck."""
    picture = np.zeros((40, 40), np.float32)
    picture[5:25, 5:35] = 1.0
    picture[5:25, 15:17] = 0.5
    picture[35, 35:38] = 1.0
    return picture


def test_touching_objects_are_parted_where_their_rims_meet(predictor):
    found = predictor.predict(image(two_cells_that_touch()))
    numbers = found.label_map.array
    assert found.label_map.kind is LabelKind.INSTANCES
    assert found.label_map.labels.names == ("background", "cell")
    assert set(np.unique(numbers)) == {0, 1, 2}
    assert (numbers[5:25, 5:15] == 1).all()
    assert (numbers[5:25, 17:35] == 2).all()
    # The rims belong to the objects, and what is smaller than min_voxels is none.
    assert (numbers[5:25, 15:17] > 0).all()
    assert not numbers[25:].any()
    assert [row.label for row in found.objects] == ["cell", "cell"]
    assert [row.voxels for row in found.objects] == np.bincount(numbers.ravel())[1:].tolist()
    assert all(row.mean_probability > 0.99 for row in found.objects)


def test_each_slice_of_a_stack_has_objects_of_its_own(predictor):
    stack = np.stack([two_cells_that_touch(), np.zeros((40, 40)), two_cells_that_touch()])
    numbers = predictor.predict(image(stack, "CZYX")).label_map.array
    assert [sorted(set(np.unique(one)) - {0}) for one in numbers] == [[1, 2], [], [3, 4]]
    assert ((numbers[2] > 0) == (numbers[0] > 0)).all()


def test_probabilities_are_those_of_the_networks_three_classes(predictor):
    found = predictor.predict(image(two_cells_that_touch()), with_probabilities=True)
    assert found.probabilities.metadata.channel_names == ("background", "cell", "rim")
    np.testing.assert_allclose(found.probabilities.array.sum(axis=0), 1, atol=1e-6)
    assert predictor.predict(image(two_cells_that_touch())).probabilities is None


def test_a_package_of_rims_is_loaded_as_one_that_finds_objects(rim_manifest, tmp_path):
    network = build_model("unet", in_channels=1, num_classes=3, spatial_dims=2, width=2, depth=2)
    folder = write_package(tmp_path / "cells", network=network, manifest=rim_manifest)
    loaded = load_model(folder, device="cpu")
    assert isinstance(loaded, RimPredictor)
    assert loaded.labels == TABLE
    assert loaded.predict(image(two_cells_that_touch())).label_map.kind is LabelKind.INSTANCES


def test_the_card_names_what_masks_hold(rim_manifest):
    card = model_card(rim_manifest)
    assert "| 1 | cell |" in card
    assert "| 2 | rim |" not in card
    assert "a number for each cell" in card


def test_models_of_objects_are_not_averaged(predictor):
    with pytest.raises(InputError, match=r"ensemble: tiny finds single objects, which have no mean. Leave it out."):
        Ensemble([predictor, predictor])
