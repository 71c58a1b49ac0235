"""Packages come back as they were written, and anything else is refused with its cause."""

import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg.errors import InputError, ModelPackageError, StorageError, UnknownNameError
from medseg.inference import find_model, installed_models, load_model, load_network, read_manifest, write_package
from medseg.inference import installed as installed_module
from medseg.models import build_model

WEIGHTS = Path("models/model.safetensors")


@pytest.fixture
def package(tmp_path, make_manifest, unet) -> Path:
    return write_package(tmp_path / "best", network=unet, manifest=make_manifest())


def edit(folder: Path, **changes) -> None:
    path = folder / "medseg.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


class TestRoundTrip:
    def test_the_weights_and_the_manifest_come_back(self, package, make_manifest, unet):
        network = load_network(package)
        assert not network.training
        for name, tensor in unet.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor)
        manifest = read_manifest(package)
        digest = hashlib.sha256((package / WEIGHTS).read_bytes()).hexdigest()
        assert manifest == make_manifest(weights_sha256=digest)

    def test_the_files_are_those_of_a_bundle(self, package):
        files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
        assert files == {
            "medseg.json",
            "models/model.safetensors",
            "docs/README.md",
            "configs/metadata.json",
            "configs/inference.json",
        }

    def test_the_same_model_gives_the_same_bytes(self, package, tmp_path, make_manifest, unet):
        again = write_package(tmp_path / "again", network=unet, manifest=make_manifest())
        for path in (path for path in package.rglob("*") if path.is_file()):
            assert (again / path.relative_to(package)).read_bytes() == path.read_bytes()

    def test_loading_leaves_the_global_random_state_alone(self, package):
        before = torch.get_rng_state()
        load_network(package)
        assert torch.equal(torch.get_rng_state(), before)

    def test_undefined_scores_are_stored_as_none(self, tmp_path, make_manifest, unet):
        from medseg.inference import Scores

        scores = Scores(summary={"mean_dice": 0.5, "dice/rare": float("nan")}, cases=1)
        folder = write_package(tmp_path / "m", network=unet, manifest=make_manifest(scores=scores))
        assert read_manifest(folder).scores.summary == {"mean_dice": 0.5, "dice/rare": None}

    def test_an_older_package_is_replaced_and_nothing_else_is_left(self, package, make_manifest):
        other = build_model("unet", in_channels=1, num_classes=2, width=2, depth=2)
        write_package(package, network=other, manifest=make_manifest(description="Second."))
        assert read_manifest(package).description == "Second."
        assert torch.equal(
            next(iter(load_network(package).state_dict().values())), next(iter(other.state_dict().values()))
        )
        assert [path.name for path in package.parent.iterdir()] == ["best"]

    def test_pictures_stand_in_the_card(self, tmp_path, make_manifest, unet):
        picture = tmp_path / "case 7.png"
        picture.write_bytes(b"png")
        folder = write_package(tmp_path / "m", network=unet, manifest=make_manifest(), pictures=[picture])
        assert (folder / "docs/picture_1.png").read_bytes() == b"png"
        assert "![Example 1](picture_1.png)" in (folder / "docs/README.md").read_text(encoding="utf-8")


class TestWritingFails:
    def test_a_folder_with_something_else_is_kept(self, tmp_path, make_manifest, unet):
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter.txt").write_text("x")
        with pytest.raises(InputError, match="thesis: exists and is not a model package"):
            write_package(tmp_path / "thesis", network=unet, manifest=make_manifest())
        assert (tmp_path / "thesis" / "chapter.txt").exists()

    def test_a_failure_leaves_the_old_package_and_no_rest(self, package, make_manifest, unet, monkeypatch):
        before = (package / "medseg.json").read_bytes()

        def full(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot write .*best: No space left on device. Free some space"):
            write_package(package, network=unet, manifest=make_manifest(description="Second."))
        assert (package / "medseg.json").read_bytes() == before
        assert [path.name for path in package.parent.iterdir()] == ["best"]


class TestDamage:
    @pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.999])
    def test_one_flipped_bit_in_the_weights_is_refused(self, package, place):
        content = bytearray((package / WEIGHTS).read_bytes())
        content[int(place * (len(content) - 1))] ^= 0b100
        (package / WEIGHTS).write_bytes(content)
        with pytest.raises(ModelPackageError, match=r"model\.safetensors: the weights are damaged or were exchanged"):
            load_network(package)

    def test_missing_weights_are_named(self, package):
        (package / WEIGHTS).unlink()
        with pytest.raises(ModelPackageError, match=r"model\.safetensors: is missing. medseg opens safetensors only"):
            load_network(package)

    def test_a_pickle_is_never_opened(self, package, tmp_path):
        marker = tmp_path / "opened"

        class Trap:
            def __reduce__(self):
                return (Path.touch, (marker,))

        for name in ("model.pt", "model.ckpt", "model.safetensors.pkl"):
            (package / "models" / name).write_bytes(pickle.dumps(Trap()))
        load_network(package)
        (package / WEIGHTS).write_bytes(pickle.dumps(Trap()))
        edit(package, weights_sha256=hashlib.sha256((package / WEIGHTS).read_bytes()).hexdigest())
        with pytest.raises(ModelPackageError, match="is no safetensors file"):
            load_network(package)
        assert not marker.exists()

    def test_what_monai_would_run_as_code_is_left_alone(self, package, tmp_path, make_image):
        marker = tmp_path / "opened"
        trap = {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [str(marker)]}}
        text = json.dumps({"network_def": trap, "run": [f"$__import__('pathlib').Path({str(marker)!r}).touch()"]})
        for name in ("inference.json", "metadata.json", "logging.conf", "train.yaml"):
            (package / "configs" / name).write_text(text)
        load_model(package, device="cpu").predict(make_image(np.zeros((16, 16), np.float32)))
        for hostile in (trap, "$__import__('os')"):
            edit(package, architecture={"name": hostile, "in_channels": 1, "num_classes": 2, "spatial_dims": 2})
            with pytest.raises(ModelPackageError):
                load_network(package)
        assert not marker.exists()

    def test_weights_of_another_network_are_explained(self, package):
        edit(package, architecture={**json.loads((package / "medseg.json").read_text())["architecture"], "options": {}})
        with pytest.raises(ModelPackageError, match=r"do not fit the network of the manifest: \d+ missing \("):
            load_network(package)

    def test_another_shape_is_explained(self, package):
        architecture = json.loads((package / "medseg.json").read_text())["architecture"]
        edit(package, architecture={**architecture, "options": {"width": 3, "depth": 2}})
        with pytest.raises(ModelPackageError, match=r"has shape \(2, 1, 3, 3\), the network has \(3, 1, 3, 3\)"):
            load_network(package)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "no_such_net"}, "cannot build its network 'no_such_net': unknown model"),
            ({"options": {"no_such_option": 1}}, "cannot build its network 'unet': .*no_such_option"),
        ],
    )
    def test_a_network_that_is_not_known_is_named(self, package, change, message):
        architecture = json.loads((package / "medseg.json").read_text())["architecture"]
        edit(package, architecture={**architecture, **change})
        with pytest.raises(ModelPackageError, match=message):
            load_network(package)


class TestManifestErrors:
    def test_a_folder_without_a_manifest_is_no_package(self, tmp_path):
        with pytest.raises(ModelPackageError, match=r"not a model package, medseg\.json is missing"):
            read_manifest(tmp_path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", r"medseg\.json: cannot be read as JSON"),
            ("[]", r"medseg\.json: expected a JSON object, got list"),
            ("", r"medseg\.json: cannot be read as JSON"),
            ("[" * 200_000, r"medseg\.json: cannot be read as JSON"),
        ],
    )
    def test_wrong_json_is_named(self, tmp_path, text, message):
        (tmp_path / "medseg.json").write_text(text)
        with pytest.raises(ModelPackageError, match=message):
            read_manifest(tmp_path)

    def test_bytes_that_are_no_text_are_named(self, tmp_path):
        (tmp_path / "medseg.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ModelPackageError, match="cannot be read as JSON"):
            read_manifest(tmp_path)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"schema_version": 2}, r"has schema_version 2, this medseg reads up to 1\. Update medseg"),
            ({"inference": {"overlap": 0.5}}, "inference.overlap is not a known key"),
            ({"weights_sha256": "abc"}, "weights_sha256"),
            ({"labels": [{"value": 0, "name": "background"}]}, "labels has 1 entries"),
            ({"input": {"axes": "CZYX", "channels": ["grey"]}}, "input.axes, transforms.patch_size and .* disagree"),
            ({"name": "../escape"}, "name: "),
        ],
    )
    def test_wrong_settings_are_named_by_their_path(self, package, changes, message):
        edit(package, **changes)
        with pytest.raises(ModelPackageError, match=message):
            read_manifest(package)


class TestFinding:
    def test_a_run_folder_means_its_best_package(self, package):
        assert find_model(package.parent) == package
        assert find_model(str(package)) == package

    def test_a_folder_without_a_model_says_what_was_expected(self, tmp_path):
        with pytest.raises(ModelPackageError, match=r"holds no trained model. Expected a model package"):
            find_model(tmp_path)

    def test_an_unknown_name_lists_the_installed(self, tmp_path, make_manifest, unet, monkeypatch):
        write_package(tmp_path / "em-membranes", network=unet, manifest=make_manifest())
        (tmp_path / "notes").mkdir()
        monkeypatch.setattr(installed_module, "PACKAGES_FOLDER", tmp_path)
        assert dict(installed_models()) == {"em-membranes": tmp_path / "em-membranes"}
        assert find_model("em-membranes") == tmp_path / "em-membranes"
        with pytest.raises(UnknownNameError, match=r"'em-membrane'\. Did you mean 'em-membranes'\?"):
            find_model("em-membrane")

    def test_no_installed_models_is_an_empty_table(self, tmp_path, monkeypatch):
        monkeypatch.setattr(installed_module, "PACKAGES_FOLDER", tmp_path / "none")
        assert dict(installed_models()) == {}

    def test_a_loaded_model_predicts(self, package, make_image):
        import numpy as np

        predictor = load_model(package, device="cpu")
        image = make_image(np.random.default_rng(0).random((19, 23)))
        prediction = predictor.predict(image)
        assert prediction.label_map.spatial_shape == (19, 23)
        assert prediction.label_map.metadata.extra["weights_sha256"] == predictor.manifest.weights_sha256


def test_the_card_tells_what_a_user_must_know(package):
    card = (package / "docs/README.md").read_text(encoding="utf-8")
    for fact in (
        "# tiny",
        "Finds what is bright.",
        "Research use only; not a medical device.",
        "| 1 | bright |",
        "generated, 3 training cases",
        "| mean_dice | 0.8750 |",
        "n = 4 validation case(s)",
        "Apache-2.0",
        "medseg predict FOLDER image.png --output mask.png",
        read_manifest(package).weights_sha256,
    ):
        assert fact in card
