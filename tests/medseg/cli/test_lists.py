"""`medseg models` and `medseg datasets`: what can be named, for people and for programs."""

import json

from medseg.datasets import available_datasets
from medseg.models import available_models


def test_networks_and_trained_models_are_listed(medseg_command):
    text = medseg_command("models").out
    for name in (*available_models(), "em-membranes", "ct-phantom-lesions"):
        assert any(line.startswith(f"{name} ") for line in text.splitlines())


def test_trained_models_come_with_their_whole_manifest(medseg_command):
    content = json.loads(medseg_command("models", "--json").out)
    assert set(content["architectures"]) == set(available_models())
    assert set(content["trained"]) == {"em-membranes", "nuclei", "ct-phantom-lesions"}
    for name, manifest in content["trained"].items():
        assert manifest["name"] == name
        assert len(manifest["weights_sha256"]) == 64


def test_all_data_sets_are_listed(medseg_command):
    text = medseg_command("datasets").out
    assert all(any(line.startswith(f"{name} ") for line in text.splitlines()) for name in available_datasets())
    assert set(json.loads(medseg_command("datasets", "--json").out)) == set(available_datasets())


def test_one_data_set_is_described_with_its_splits(medseg_command, tmp_path):
    text = medseg_command("datasets", "phantom_cells", "--data", tmp_path / "cells").out
    assert "background, cell" in text
    facts = json.loads(medseg_command("datasets", "phantom_cells", "--data", tmp_path / "cells", "--json").out)
    assert (facts["train"], facts["validation"], facts["test"]) == ("16 cases", "4 cases", "4 cases")
    assert facts["first image"] == str(tmp_path / "cells" / "train_000" / "image.tif")


def test_a_data_set_that_needs_options_says_which(medseg_command):
    outcome = medseg_command("datasets", "folder")
    assert outcome.code == 0
    assert "labels; if wanted image_pattern" in outcome.out
    assert "medseg plan FOLDER" in outcome.out


def test_a_network_is_told_with_its_paper_and_the_count_of_its_parameters(medseg_command):
    out = medseg_command("models", "fcn_8s").out
    assert "Long 2015" in out
    assert "134,489,759" in out  # counted from the layer list of the paper, 21 classes


def test_an_unknown_model_is_answered_with_those_known(medseg_command):
    outcome = medseg_command("models", "fcn_7s")
    assert outcome.code == 2
    assert "fcn_8s" in outcome.err
