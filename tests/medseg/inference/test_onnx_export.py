"""An ONNX file answers as its package does, and says how it is to be used."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from medseg.errors import InputError, ModelPackageError, UnknownNameError
from medseg.inference import export_onnx, load_network, write_package
from medseg.inference.onnx_export import compare_with_onnx, write_onnx
from medseg.models import build_model


@pytest.fixture
def package(tmp_path, make_manifest):
    generator = torch.Generator().manual_seed(3)
    network = build_model("unet", in_channels=1, num_classes=2, width=2, depth=2, generator=generator)
    return write_package(tmp_path / "tiny", network=network, manifest=make_manifest())


def test_the_file_answers_as_the_package_and_says_what_it_needs(package, tmp_path):
    written = export_onnx(package, tmp_path / "tiny.onnx")
    # The manifest's patches of 16 x 16 fit the two levels of the network.
    assert written.tile_size == (16, 16)
    tile = np.random.default_rng(5).random((1, 1, 16, 16), dtype=np.float32)
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    (answer,) = session.run(["logits"], {"image": tile})
    with torch.no_grad():
        expected = load_network(package)(torch.from_numpy(tile)).numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    assert 0 <= written.difference < 1e-5
    stated = {entry.key: entry.value for entry in onnx.load(written.path).metadata_props}
    manifest = json.loads((package / "medseg.json").read_text())
    assert [entry["name"] for entry in json.loads(stated["medseg.labels"])] == ["background", "bright"]
    assert json.loads(stated["medseg.input"]) == manifest["input"]
    assert json.loads(stated["medseg.transforms"])["intensity"] == {"kind": "window", "lower": 0.0, "upper": 1.0}
    assert stated["medseg.weights_sha256"] == manifest["weights_sha256"]
    assert stated["medseg.notice"] == manifest["notice"]


def test_another_ending_and_another_name_are_refused(package, tmp_path):
    with pytest.raises(InputError, match=r"tiny\.pt: expected a file name that ends in \.onnx\.$"):
        export_onnx(package, tmp_path / "tiny.pt")
    with pytest.raises(UnknownNameError):
        export_onnx("no-such-model", tmp_path / "tiny.onnx")


class WithoutTranslation(nn.Module):
    """ONNX has no eigenvalues."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvalsh(images)


def test_an_operation_that_onnx_lacks_is_one_line(tmp_path):
    with pytest.raises(ModelPackageError) as refused:
        write_onnx(WithoutTranslation(), torch.eye(4)[None, None], tmp_path / "x.onnx", name="eigen", metadata={})
    message = str(refused.value)
    assert message.startswith("network 'eigen' cannot be written as ONNX: ")
    assert "\n" not in message
    assert "eig" in message.removeprefix("network 'eigen'")
    assert not (tmp_path / "x.onnx").exists()


def test_a_file_that_answers_otherwise_is_refused(tmp_path):
    network, other = (nn.Conv2d(1, 2, kernel_size=3) for _ in range(2))
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(1.0)
        for weight in other.parameters():
            weight.fill_(2.0)
    example = torch.ones(1, 1, 4, 4)
    write_onnx(other, example, tmp_path / "x.onnx", name="other", metadata={})
    # Nine ones and a bias of 1 are 10, twice as much for the other.
    with pytest.raises(ModelPackageError, match=r"answers otherwise than the network \(by up to 10\)"):
        compare_with_onnx(network, example, tmp_path / "x.onnx")
