"""The step that brings voxel values into the range that networks learn well in, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from medseg.config.transforms import Intensity, PercentileIntensity, StandardIntensity, WindowIntensity
from medseg.images import Image
from medseg.transforms.read import Sample

SUBSAMPLE_SIZE = 2_000_000
"""Most voxels of a channel that percentiles are taken over; larger channels are thinned evenly."""


class ScaleIntensity(Transform):
    """The sample with scaled float32 values.

    A channel that holds one value only becomes 0 (a window is no statistic and maps it as any other value), and the
    image's notes say so.

    Args:
        intensity: how values are scaled.
    """

    def __init__(self, intensity: Intensity) -> None:
        self.intensity = intensity

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Scale the image."""
        image: Image = data["image"]
        scale = SCALERS[self.intensity.kind]
        scaled = np.empty(image.array.shape, dtype=np.float32)
        notes = list(image.metadata.notes)
        for index, channel in enumerate(image.array):
            scaled[index] = scale(channel, self.intensity)
            if channel.min() == channel.max():
                notes.append(
                    f"channel {index} has the value {float(channel.flat[0]):g} everywhere; there is nothing to segment."
                )
        metadata = replace(image.metadata, notes=tuple(notes), value_unit=None)
        return {**data, "image": image.replace(array=scaled, metadata=metadata)}


def scale_window(channel: NDArray[Any], settings: WindowIntensity) -> NDArray[np.float32]:
    """Values with `lower`..`upper` mapped to 0..1, clipped."""
    return _to_unit_range(channel, settings.lower, settings.upper)


def scale_percentile(channel: NDArray[Any], settings: PercentileIntensity) -> NDArray[np.float32]:
    """Values with the channel's own percentiles mapped to 0..1, clipped.

    Where both percentiles are the same value (a few bright spots on black), the smallest and largest value take
    their place; a constant channel becomes 0.
    """
    lower, upper = np.percentile(even_subsample(channel), [settings.lower, settings.upper])
    if lower == upper:
        lower, upper = float(channel.min()), float(channel.max())
    if lower == upper:
        return np.zeros(channel.shape, dtype=np.float32)
    return _to_unit_range(channel, float(lower), float(upper))


def scale_standard(channel: NDArray[Any], settings: StandardIntensity) -> NDArray[np.float32]:
    """Values minus their mean, divided by their standard deviation; with `nonzero`, zeros stay out and stay 0.

    A constant channel becomes 0.
    """
    inside = channel != 0 if settings.nonzero else None
    values = channel if inside is None else channel[inside]
    mean, deviation = _mean_and_deviation(values)
    if deviation == 0.0:
        return np.zeros(channel.shape, dtype=np.float32)
    scaled: NDArray[np.float32] = np.subtract(channel, np.float32(mean), dtype=np.float32)
    scaled *= np.float32(1.0 / deviation)
    if inside is not None:
        scaled[~inside] = 0.0
    return scaled


SCALERS: Mapping[str, Callable[[NDArray[Any], Any], NDArray[np.float32]]] = {
    "window": scale_window,
    "percentile": scale_percentile,
    "standard": scale_standard,
}
"""`kind` of the intensity settings -> what scales one channel."""


def _to_unit_range(channel: NDArray[Any], lower: float, upper: float) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = np.subtract(channel, np.float32(lower), dtype=np.float32)
    scaled *= np.float32(1.0 / (upper - lower))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def even_subsample(channel: NDArray[Any]) -> NDArray[Any]:
    """At most `SUBSAMPLE_SIZE` values, evenly spaced; always the same ones for the same shape."""
    step = math.ceil(channel.size / SUBSAMPLE_SIZE)
    # A step that shares a factor with a row's length would visit the same columns of every row.
    while step > 1 and any(math.gcd(step, size) > 1 for size in channel.shape if size > 1):
        step += 1
    return channel.reshape(-1)[::step]


def _mean_and_deviation(values: NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation, summed in float64 part by part so that no float64 copy of a volume is made."""
    if values.size == 0:
        return 0.0, 0.0
    parts = np.array_split(values.reshape(-1), max(1, values.size // 1_000_000))
    mean = sum(float(part.sum(dtype=np.float64)) for part in parts) / values.size
    variance = sum(float(np.square(part - mean, dtype=np.float64).sum()) for part in parts) / values.size
    return mean, math.sqrt(variance)
