"""The random steps of training, each a MONAI `Randomizable` of its own random state.

Each step draws from a numpy generator that is seeded from its MONAI state, so that `set_random_state` decides every
byte that follows. No global random state is read or changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms.transform import Randomizable, Transform
from numpy.typing import NDArray
from scipy import ndimage

from medseg.config import Augmentation, TransformsConfig
from medseg.transforms.read import Sample
from medseg.transforms.sampling import draw_patch_start, foreground_indices
from medseg.transforms.spatial_change import SpatialChange, draw_spatial_change, take_patch


class RandomStep(Randomizable, Transform):
    """A transform that draws from a numpy generator made from its MONAI state at each call."""

    def new_rng(self) -> np.random.Generator:
        """A generator for the call at hand."""
        return np.random.default_rng(self.R.randint(2**32, size=4, dtype=np.uint64))


class RandomPatch(RandomStep):
    """One patch of exactly `patch_size`, with its place, mirroring, turning, scaling and bending drawn.

    Where the image is smaller than the patch, image, label and weights are all mirrored at its edge: a label of 0
    there would contradict what the image shows.
    """

    def __init__(self, config: TransformsConfig) -> None:
        self.config = config

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Draw and cut out; see `medseg.transforms.build_augmentation` for what comes in and out."""
        classes = _array(data["label"])[0]
        image = _array(data["image"]).astype(np.float32, copy=False)
        foreground = data.get("foreground")
        change = self.draw(
            self.new_rng(),
            spatial_shape=classes.shape,
            foreground=foreground_indices(classes) if foreground is None else foreground,
            spacing_mm=_spacing_mm(data["image"]),
        )
        weights = data.get("weights")
        layers = [image] if weights is None else [image, _array(weights).astype(np.float32, copy=False)]
        patch, patch_classes = take_patch(layers, classes, change, patch_size=self.config.patch_size)
        result: Sample = {"image": torch.from_numpy(patch), "label": torch.from_numpy(patch_classes.astype(np.int64))}
        if weights is not None:
            result["image"], result["weights"] = result["image"][:-1], result["image"][-1]
        return result

    def draw(
        self,
        rng: np.random.Generator,
        *,
        spatial_shape: tuple[int, ...],
        foreground: Mapping[int, NDArray[np.int64]],
        spacing_mm: tuple[float, ...],
    ) -> SpatialChange:
        """Where the next patch comes from."""
        start = draw_patch_start(
            rng,
            spatial_shape=spatial_shape,
            patch_size=self.config.patch_size,
            foreground=foreground,
            foreground_fraction=self.config.foreground_fraction,
        )
        return draw_spatial_change(
            rng,
            self.config.augmentation,
            start=start,
            patch_size=self.config.patch_size,
            spacing_mm=spacing_mm,
        )


class RandomBlur(RandomStep):
    """The image blurred, at times, by a Gaussian with a standard deviation of up to `blur_sigma_voxel`."""

    def __init__(self, settings: Augmentation) -> None:
        self.settings = settings

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Blur the image."""
        rng = self.new_rng()
        if rng.random() >= self.settings.blur_probability:
            return dict(data)
        sigma = rng.uniform(0.0, self.settings.blur_sigma_voxel)
        image = data["image"].numpy()
        axes = tuple(range(1, image.ndim))
        return {**data, "image": torch.from_numpy(ndimage.gaussian_filter(image, sigma, truncate=3.0, axes=axes))}


class RandomContrast(RandomStep):
    """The image, at times, with another gamma between its own extremes, and brighter or darker as a whole."""

    def __init__(self, settings: Augmentation) -> None:
        self.settings = settings

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Change gamma and brightness."""
        rng = self.new_rng()
        if rng.random() >= self.settings.contrast_probability:
            return dict(data)
        gamma = rng.uniform(*self.settings.gamma_range)
        brightness = rng.uniform(*self.settings.brightness_range)
        return {**data, "image": torch.from_numpy(with_gamma(data["image"].numpy(), gamma) + np.float32(brightness))}


class RandomNoise(RandomStep):
    """The image, at times, with Gaussian noise of a standard deviation of up to `noise_std` (of scaled values)."""

    def __init__(self, settings: Augmentation) -> None:
        self.settings = settings

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Add noise."""
        rng = self.new_rng()
        if rng.random() >= self.settings.noise_probability:
            return dict(data)
        deviation = np.float32(rng.uniform(0.0, self.settings.noise_std))
        image = data["image"].numpy()
        return {
            **data,
            "image": torch.from_numpy(image + deviation * rng.standard_normal(image.shape, dtype=np.float32)),
        }


def with_gamma(image: NDArray[np.float32], gamma: float) -> NDArray[np.float32]:
    """The image with x -> x^gamma between its smallest and its largest value, which stay."""
    lowest = image.min()
    extent = image.max() - lowest
    if extent == 0:
        return image
    return np.asarray(((image - lowest) / extent) ** np.float32(gamma) * extent + lowest, dtype=np.float32)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor's own memory, without the MetaTensor around it."""
    return np.asarray(tensor.as_subclass(torch.Tensor).numpy())


def _spacing_mm(image: torch.Tensor) -> tuple[float, ...]:
    ndim = image.ndim - 1
    affine = getattr(image, "affine", None)
    if affine is None:
        return (1.0,) * ndim
    columns = np.asarray(affine, dtype=np.float64)[:-1, :ndim]
    return tuple(float(length) for length in np.linalg.norm(columns, axis=0))
