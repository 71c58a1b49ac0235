"""A package is a MONAI bundle: MONAI's own programs read it, run it and get the same answer."""

import json

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, verify_net_in_out
from monai.data import MetaTensor

from medseg.config import InferenceConfig, TransformsConfig, WindowIntensity
from medseg.errors import ModelPackageError
from medseg.inference import Architecture, load_model, write_package
from medseg.io import read_label_map, write_image
from medseg.models import build_model

REQUIRED_METADATA = {
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
"""Keys that the MONAI bundle specification demands."""

REQUIRED_TENSOR_FORMAT = {
    "type",
    "format",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
}


@pytest.fixture
def package(tmp_path, make_manifest, unet):
    return write_package(tmp_path / "tiny", network=unet, manifest=make_manifest())


def parser_of(package) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(package / "configs" / "inference.json")
    parser.read_meta(package / "configs" / "metadata.json")
    parser["bundle_root"] = str(package)
    parser["device"] = "$torch.device('cpu')"
    return parser


def test_the_metadata_have_the_keys_of_the_specification(package):
    metadata = json.loads((package / "configs/metadata.json").read_text(encoding="utf-8"))
    assert set(metadata) >= REQUIRED_METADATA
    formats = metadata["network_data_format"]
    for tensor in (formats["inputs"]["image"], formats["outputs"]["pred"]):
        assert set(tensor) >= REQUIRED_TENSOR_FORMAT
    assert formats["outputs"]["pred"]["channel_def"] == {"0": "background", "1": "bright"}
    assert "not a medical device" in metadata["intended_use"]


def test_monai_verifies_the_networks_input_and_output(package):
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(package / "configs/metadata.json"),
        config_file=str(package / "configs/inference.json"),
        device="cpu",
        bundle_root=str(package),
    )


def test_monais_inferer_gives_the_logits_of_medsegs(package, make_image):
    image = make_image(np.random.default_rng(1).random((41, 39)).astype(np.float32))
    parser = parser_of(package)
    parser.get_parsed_content("initialize")
    network, inferer = parser.get_parsed_content("network_def"), parser.get_parsed_content("inferer")
    sample = parser.get_parsed_content("preprocessing")({"image": image})
    assert type(inferer).__name__ == "SlidingWindowInferer"
    assert isinstance(sample["image"], MetaTensor)
    with torch.no_grad():
        theirs = inferer(sample["image"][None], network)[0]
    ours, _ = load_model(package, device="cpu", precision="fp32").logits(image)
    assert ours.std() > 0.01
    assert torch.allclose(theirs.as_tensor(), ours, atol=1e-4)


@pytest.mark.parametrize("mirror", [False, True])
def test_valid_convolutions_and_mirroring_keep_medsegs_inferer(tmp_path, make_manifest, make_image, mirror):
    name, patch = ("unet", 16) if mirror else ("unet_2015", 204)
    options = {"width": 2, "depth": 2} if mirror else {"width": 1}
    manifest = make_manifest(
        architecture=Architecture(name=name, options=options, in_channels=1, num_classes=2, spatial_dims=2),
        transforms=TransformsConfig(
            pipeline="microscopy", patch_size=(patch, patch), intensity=WindowIntensity(lower=0.0, upper=1.0)
        ),
        inference=InferenceConfig(mirror=mirror),
    )
    network = build_model(name, in_channels=1, num_classes=2, **options)
    package = write_package(tmp_path / "m", network=network, manifest=manifest)
    image = make_image(np.random.default_rng(1).random((33, 21)).astype(np.float32))
    parser = parser_of(package)
    parser.get_parsed_content("initialize")
    sample = parser.get_parsed_content("preprocessing")({"image": image})
    theirs = parser.get_parsed_content("inferer")(sample["image"][None], parser.get_parsed_content("network_def"))[0]
    ours, _ = load_model(package, device="cpu", precision="fp32").logits(image)
    assert torch.equal(theirs, ours)


def test_monais_workflow_writes_the_mask_that_medseg_predicts(package, make_image, tmp_path):
    image = make_image(np.random.default_rng(4).random((29, 33)).astype(np.float32))
    (tmp_path / "input").mkdir()
    write_image(image, tmp_path / "input" / "one.tif")
    workflow = ConfigWorkflow(
        config_file=str(package / "configs/inference.json"),
        meta_file=str(package / "configs/metadata.json"),
        workflow_type="inference",
        logging_file=False,
        bundle_root=str(package),
        dataset_dir=str(tmp_path / "input"),
        output_dir=str(tmp_path / "output"),
        device="$torch.device('cpu')",
    )
    workflow.initialize()
    assert not workflow.check_properties()
    workflow.run()
    workflow.finalize()
    written = read_label_map(tmp_path / "output" / "one.tif")
    expected = load_model(package, device="cpu", precision="fp32").predict(image).label_map
    assert np.array_equal(written.array, expected.array)


@pytest.mark.parametrize("text", ["$__import__('os').getcwd()", "@evaluator", "%bundle_root"])
def test_a_setting_that_monai_would_run_as_code_is_not_written(tmp_path, make_manifest, unet, text):
    architecture = Architecture(name="unet", options={"norm": text}, in_channels=1, num_classes=2, spatial_dims=2)
    with pytest.raises(ModelPackageError, match=r"architecture\.norm: .* would be run as code by MONAI"):
        write_package(tmp_path / "m", network=unet, manifest=make_manifest(architecture=architecture))
    assert not (tmp_path / "m").exists()
