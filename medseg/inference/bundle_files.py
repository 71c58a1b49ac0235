"""The two configuration files that make a model package a MONAI bundle.

medseg writes them for other programs and never reads them: a bundle's configuration is code.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from torch import nn

from medseg.errors import ModelPackageError
from medseg.inference.manifest import PackageManifest
from medseg.inference.sliding_window import accepted_tile_size

METADATA_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
"""The schema that `python -m monai.bundle verify_metadata` fetches."""

_SCALED_TO_UNIT = ("window", "percentile")
"""Kinds of intensity settings after which values lie in 0..1."""

_EXPRESSION_MARKS = ("$", "@", "%")
"""First characters that make MONAI evaluate a text."""


def bundle_metadata(manifest: PackageManifest) -> dict[str, Any]:
    """Content of configs/metadata.json, the keys of the MONAI bundle specification."""
    tile = list(manifest.transforms.patch_size)
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": manifest.input.modality or "n/a",
        "num_channels": manifest.architecture.in_channels,
        "spatial_shape": tile,
        "dtype": "float32",
        "value_range": [0, 1] if manifest.transforms.intensity.kind in _SCALED_TO_UNIT else [],
        "is_patch_data": True,
        "channel_def": {str(index): name for index, name in enumerate(manifest.input.channels)},
    }
    prediction = {
        "type": "image",
        "format": "labels",
        "num_channels": manifest.architecture.num_classes,
        "spatial_shape": tile,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {str(index): entry.name for index, entry in enumerate(manifest.labels)},
    }
    return {
        "schema": METADATA_SCHEMA,
        "version": manifest.version,
        "changelog": {manifest.version: "Written by medseg."},
        "monai_version": importlib.metadata.version("monai"),
        "pytorch_version": manifest.training.torch_version,
        "numpy_version": importlib.metadata.version("numpy"),
        "required_packages_version": {
            "medseg": manifest.training.medseg_version,
            "safetensors": importlib.metadata.version("safetensors"),
        },
        "name": manifest.name,
        "task": manifest.description,
        "description": f"{manifest.description} {manifest.notice}",
        "authors": "The medseg developers",
        "copyright": manifest.licence,
        "data_source": manifest.training.dataset,
        "data_type": manifest.transforms.pipeline,
        "image_classes": ", ".join(manifest.input.channels),
        "label_classes": ", ".join(f"{entry.value} is {entry.name}" for entry in manifest.labels),
        "pred_classes": ", ".join(f"channel {index} is {entry.name}" for index, entry in enumerate(manifest.labels)),
        "eval_metrics": {name: value for name, value in manifest.scores.summary.items() if value is not None},
        "intended_use": manifest.notice,
        "references": [],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": prediction}},
    }


def bundle_inference(manifest: PackageManifest, *, network: nn.Module) -> dict[str, Any]:
    """Content of configs/inference.json; `python -m monai.bundle run` with it writes a mask per input file.

    Args:
        manifest: of the package.
        network: asked for the tile sizes that it accepts.

    Raises:
        ModelPackageError: a setting is a text that MONAI would evaluate.
    """
    architecture = manifest.architecture
    settings = {
        "name": architecture.name,
        "in_channels": architecture.in_channels,
        "num_classes": architecture.num_classes,
        "spatial_dims": architecture.spatial_dims,
        **architecture.options,
    }
    transforms = manifest.transforms.model_dump(mode="json")
    _check_plain(settings, path="architecture")
    _check_plain(transforms, path="transforms")
    return {
        "imports": [
            "$import torch",
            "$from pathlib import Path",
            "$from safetensors.torch import load_file",
            "$from medseg.io import list_inputs",
        ],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/input'",
        "output_dir": "$@bundle_root + '/output'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": {"_target_": "medseg.models.build_model", **settings},
        "weights": "$load_file(@bundle_root + '/models/model.safetensors')",
        "inferer": _inferer(manifest, network),
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "medseg.inference.bundle.Prepared", "keys": "image", "settings": transforms}],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path} for path in list_inputs(Path(@dataset_dir))]",
            "transform": "@preprocessing",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "medseg.inference.bundle.ToLabelMapd", "keys": "pred", "bundle_root": "@bundle_root"},
                {"_target_": "medseg.inference.bundle.WriteLabelMapd", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
        "evaluator": {
            "_target_": "medseg.inference.bundle.BundleEvaluator",
            "device": "@device",
            "dataset": "@dataset",
            "network": "@network_def",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "initialize": ["$@network_def.load_state_dict(@weights)", "$@network_def.to(@device).eval()"],
        "run": ["$@evaluator.run()"],
    }


def _inferer(manifest: PackageManifest, network: nn.Module) -> dict[str, Any]:
    tile = list(accepted_tile_size(network, manifest.transforms.patch_size))
    inference = manifest.inference
    if getattr(network, "context_voxels", 0) > 0 or inference.mirror:
        # MONAI's inferer would stretch the smaller answer of valid convolutions over the tile, and cannot mirror.
        return {
            "_target_": "medseg.inference.bundle.TileInferer",
            "tile_size": tile,
            "overlap_fraction": inference.overlap_fraction,
            "mirror": inference.mirror,
        }
    return {
        "_target_": "SlidingWindowInferer",
        "roi_size": tile,
        "sw_batch_size": 1,
        "overlap": inference.overlap_fraction,
        "mode": "gaussian",
        # Images smaller than a tile are the one case in which the answers differ from medseg's, which mirrors them;
        # torch cannot mirror by more than the image's own size.
        "padding_mode": "replicate",
    }


def _check_plain(settings: Any, *, path: str) -> None:
    """Pass when no text in `settings` is one that MONAI would evaluate."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            _check_plain(key, path=path)
            _check_plain(value, path=f"{path}.{key}")
    elif isinstance(settings, list | tuple):
        for index, value in enumerate(settings):
            _check_plain(value, path=f"{path}.{index}")
    elif isinstance(settings, str) and (settings.startswith(_EXPRESSION_MARKS) or settings.startswith("_target_")):
        message = f"{path}: {settings!r} would be run as code by MONAI. Use a plain text."
        raise ModelPackageError(message)
