"""The pipelines by name, in one table, and building them from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monai.transforms.compose import Compose
from monai.transforms.transform import Transform

from medseg.config import TransformsConfig
from medseg.errors import ConfigError
from medseg.registry import look_up
from medseg.transforms.augmentation import RandomBlur, RandomContrast, RandomNoise, RandomPatch
from medseg.transforms.intensity import ScaleIntensity
from medseg.transforms.placement import (
    CropToForeground,
    FindForeground,
    Magnify,
    Reorient,
    Respace,
    is_body_ct,
    is_body_mr,
)
from medseg.transforms.read import ReadSample, Sample
from medseg.transforms.tensors import ToTensors
from medseg.transforms.weights import AddBorderWeights

Step = Callable[[Sample], Sample]
StepBuilder = Callable[[TransformsConfig, bool], Step | None]
"""(configuration, whether for training) -> the step, or None where the configuration does not ask for it."""


def _reorient(config: TransformsConfig, _training: bool) -> Step | None:  # noqa: FBT001 - a row of the table below
    return None if config.orientation is None else Reorient(config.orientation)


def _respace(config: TransformsConfig, _training: bool) -> Step | None:  # noqa: FBT001
    return None if config.spacing_mm is None else Respace(config.spacing_mm)


def _magnify(config: TransformsConfig, _training: bool) -> Step | None:  # noqa: FBT001
    return None if config.magnification == 1 else Magnify(config.magnification)


def _find_body_ct(config: TransformsConfig, training: bool) -> Step | None:  # noqa: FBT001
    return FindForeground(is_body_ct) if training and config.crop_foreground else None


def _find_body_mr(config: TransformsConfig, training: bool) -> Step | None:  # noqa: FBT001
    return FindForeground(is_body_mr) if training and config.crop_foreground else None


def _crop(config: TransformsConfig, training: bool) -> Step | None:  # noqa: FBT001
    return CropToForeground() if training and config.crop_foreground else None


def _scale(config: TransformsConfig, _training: bool) -> Step | None:  # noqa: FBT001
    return ScaleIntensity(config.intensity)


def _weigh(config: TransformsConfig, training: bool) -> Step | None:  # noqa: FBT001
    return AddBorderWeights(config.border_weights) if training and config.border_weights is not None else None


PIPELINES: Mapping[str, tuple[StepBuilder, ...]] = {
    "microscopy": (_respace, _magnify, _scale, _weigh),
    "ct": (_reorient, _respace, _find_body_ct, _scale, _crop, _weigh),
    "mr": (_reorient, _respace, _find_body_mr, _scale, _crop, _weigh),
}
"""Name -> steps in order; in each, reading comes before them and the hand-over as tensors after them."""


class Preparation(Transform):
    """Steps one after the other; their errors come through as they are (MONAI's `Compose` would wrap them).

    Args:
        steps: what is applied, in this order.
    """

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Apply the steps to a sample."""
        sample = dict(data)
        for step in self.steps:
            sample = step(sample)
        return sample


def build_preparation(
    config: TransformsConfig, *, training: bool, num_channels: int | None = None, objects: bool = False
) -> Preparation:
    """What turns a sample as it is stored into what a network sees, without any randomness.

    The callable takes {"image": Image or ImageSource, "label": LabelMap or LabelSource, or absent} and returns
    {"image": MetaTensor (C, *spatial) float32, "label": MetaTensor (1, *spatial) of class indices, and in training
    with border weights "weights": MetaTensor (1, *spatial) float32}. Each MetaTensor carries the RAS affine of the
    network's grid. See `ReadSample` and `Respace` for what is refused.

    Args:
        config: the recipe's transforms.
        training: whether to leave out the empty margin and to compute border weights.
        num_channels: channels the network takes; None accepts any number.
        objects: give "label" the codes of single objects (`medseg.transforms.object_codes`), not class indices; with
            `config.object_rims` it has outside, interior and rim all the same.

    Raises:
        ConfigError: the configuration asks for a step that its pipeline does not have.
        UnknownNameError: there is no pipeline of that name.
    """
    builders = look_up(PIPELINES, config.pipeline, kind="transform pipeline")
    _check_options(config, builders)
    read = ReadSample(patch_size=config.patch_size, num_channels=num_channels)
    built = [builder(config, training) for builder in builders]
    return Preparation(
        (read, *[step for step in built if step is not None], ToTensors(objects=objects, rims=config.object_rims))
    )


def build_augmentation(config: TransformsConfig) -> Compose:
    """What draws one random training patch from a prepared sample.

    The callable takes what `build_preparation` returns, and optionally under "foreground" what
    `medseg.transforms.sampling.foreground_indices` has found in its label map once and for all. It returns
    {"image": Tensor (C, *patch) float32, "label": Tensor (*patch) int64, "weights": Tensor (*patch) float32 if there
    were any}. `set_random_state(seed=...)` on it decides everything that follows; no global random state is touched.
    """
    change = config.augmentation
    steps: list[Transform] = [RandomPatch(config)]
    if change.blur_probability > 0 and change.blur_sigma_voxel > 0:
        steps.append(RandomBlur(change))
    if change.contrast_probability > 0:
        steps.append(RandomContrast(change))
    if change.noise_probability > 0 and change.noise_std > 0:
        steps.append(RandomNoise(change))
    return Compose(steps)


def _check_options(config: TransformsConfig, builders: tuple[StepBuilder, ...]) -> None:
    if config.orientation is not None and _reorient not in builders:
        message = (
            f"transforms.orientation: the {config.pipeline} pipeline has no anatomical axes. "
            "Leave it out, or choose the ct or mr pipeline."
        )
        raise ConfigError(message)
    if config.magnification != 1 and _magnify not in builders:
        message = (
            f"transforms.magnification: images of the {config.pipeline} pipeline have known voxel sizes. "
            "Give spacing_mm in its place."
        )
        raise ConfigError(message)
    if config.crop_foreground and _crop not in builders:
        message = (
            f"transforms.crop_foreground: the {config.pipeline} pipeline has no air around a body. "
            "Leave it out, or choose the ct or mr pipeline."
        )
        raise ConfigError(message)
