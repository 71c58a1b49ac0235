"""Tiny networks whose answers are known, and manifests for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medseg.config import InferenceConfig, TransformsConfig, WindowIntensity
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelTable
from medseg.inference import (
    Architecture,
    InputContract,
    PackageManifest,
    Predictor,
    Scores,
    TrainingRecord,
    label_entries,
)
from medseg.models import SegmentationNetwork, build_model


class Threshold(nn.Module):
    """Class 1 where the first channel is above one half: logits (0.5 - x, x - 0.5) times a steepness."""

    def __init__(self, steepness: float = 1.0) -> None:
        super().__init__()
        self.steepness = steepness
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        difference = self.steepness * (images[:, :1] - 0.5)
        return torch.cat([-difference, difference], dim=1)


@pytest.fixture
def threshold() -> Threshold:
    return Threshold()


@pytest.fixture
def make_manifest() -> Callable[..., PackageManifest]:
    def make(spatial_dims: int = 2, **changes: Any) -> PackageManifest:
        transforms = TransformsConfig(
            pipeline="microscopy" if spatial_dims == 2 else "ct",
            patch_size=(16,) * spatial_dims if spatial_dims == 2 else (8, 8, 8),
            intensity=WindowIntensity(lower=0.0, upper=1.0),
        )
        return PackageManifest(
            **{
                "name": "tiny",
                "description": "Finds what is bright.",
                "architecture": Architecture(
                    name="unet",
                    options={"width": 2, "depth": 2},
                    in_channels=1,
                    num_classes=2,
                    spatial_dims=spatial_dims,
                ),
                "transforms": transforms,
                "inference": InferenceConfig(),
                "labels": label_entries(LabelTable.from_names(["background", "bright"])),
                "input": InputContract(axes="CYX" if spatial_dims == 2 else "CXYZ", channels=("grey",)),
                "training": TrainingRecord(
                    dataset="generated", cases=3, medseg_version="0.1.0", torch_version="2.14.1", seed=1, steps=10
                ),
                "scores": Scores(summary={"mean_dice": 0.875, "dice/bright": 0.875}, cases=4),
                "licence": "Apache-2.0",
                **changes,
            }
        )

    return make


@pytest.fixture
def make_predictor(make_manifest) -> Callable[..., Predictor]:
    def make(spatial_dims: int = 2, *, network: nn.Module | None = None, **changes: Any) -> Predictor:
        return Predictor(
            network or Threshold(),
            manifest=make_manifest(spatial_dims, **changes),
            device=torch.device("cpu"),
            precision="fp32",
        )

    return make


@pytest.fixture
def make_image() -> Callable[..., Image]:
    def make(array: np.ndarray, *, affine: Affine | None = None, axes: str | None = None, **metadata: Any) -> Image:
        n = array.ndim
        letters = axes or ("CYX" if n == 2 else "CXYZ")
        if affine is None:
            direction = np.eye(n)[:, ["XYZ".index(letter) for letter in letters[1:]]]
            spacing, origin = np.arange(1, n + 1) * 0.5, np.arange(n) * 10.0
            affine = Affine.from_spacing(spacing, frame=WorldFrame.RAS, origin_mm=origin, direction=direction)
        return Image(array[np.newaxis], affine=affine, axes=letters, metadata=ImageMetadata(**metadata))

    return make


@pytest.fixture(scope="session")
def unet() -> SegmentationNetwork:
    """A small 2-D U-Net, 1 channel to 2 classes, with fixed weights."""
    generator = torch.Generator().manual_seed(3)
    return build_model("unet", in_channels=1, num_classes=2, width=2, depth=2, generator=generator).eval()
