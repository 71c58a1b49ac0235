"""What the training data look like: the facts by which a model is later judged to fit an image or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.geometry.orientation import reordering_to
from medseg.images import Image, LabelMap, LabelTable
from medseg.inference.manifest import InputContract, IntensityFingerprint
from medseg.transforms.class_indices import class_indices

PERCENTILES = (0.5, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.5)

_MOST_VALUES_AN_IMAGE = 200_000
"""Voxels of an image, evenly spread, from which intensities are taken; more change no percentile that matters."""


@dataclass(frozen=True)
class ChannelIntensity:
    """Distribution of a channel's values over the training images.

    Attributes:
        percentiles: percentage, as text -> value.
        mean: of the values.
        std: standard deviation of the values.
    """

    percentiles: Mapping[str, float]
    mean: float
    std: float


@dataclass(frozen=True)
class Fingerprint:
    """What the training data look like.

    Attributes:
        num_cases: number of training cases.
        axes: axes of the images, "CXYZ" for example.
        channels: one name a channel.
        modality: DICOM modality code, where all images state the same.
        smallest_shape: for each spatial axis that the network sees, the smallest size in voxels.
        largest_shape: the largest.
        spacing_range_mm: smallest and largest voxel size for each axis that the network sees; None where an image
            states none.
        intensity: one entry a channel.
        all_channels: the channels together.
        class_fractions: name of the class -> its share of all labelled voxels.
    """

    num_cases: int
    axes: str
    channels: tuple[str, ...]
    modality: str | None
    smallest_shape: tuple[int, ...]
    largest_shape: tuple[int, ...]
    spacing_range_mm: tuple[tuple[float, float], ...] | None
    intensity: tuple[ChannelIntensity, ...]
    all_channels: ChannelIntensity
    class_fractions: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def take_fingerprint(
    cases: Iterable[tuple[Image, LabelMap | None]], *, labels: LabelTable, orientation: str | None
) -> Fingerprint:
    """What images and references look like.

    Args:
        cases: each image with its reference; read one after the other and not kept.
        labels: classes of the references.
        orientation: anatomical order into which the network's images are brought; None leaves the file's.

    Raises:
        InputError: there are no cases.
    """
    shapes: list[tuple[int, ...]] = []
    spacings: list[tuple[float, ...] | None] = []
    values: list[NDArray[np.float64]] = []
    counts = np.zeros(len(labels), dtype=np.int64)
    axes: Counter[str] = Counter()
    modalities: set[str | None] = set()
    names: tuple[str, ...] = ()
    for image, reference in cases:
        shape, spacing = _as_the_network_sees(image, orientation)
        shapes.append(shape)
        spacings.append(spacing)
        values.append(_spread_values(image))
        axes[image.axes] += 1
        modalities.add(image.metadata.modality)
        names = names or _channel_names(image)
        if reference is not None:
            counts += np.bincount(class_indices(reference).ravel(), minlength=len(labels))
    if not shapes:
        message = "fingerprint: expected at least one training case, got none."
        raise InputError(message)
    joined = np.concatenate(values, axis=1)
    return Fingerprint(
        num_cases=len(shapes),
        axes=axes.most_common(1)[0][0],
        channels=names,
        modality=modalities.pop() if len(modalities) == 1 else None,
        smallest_shape=tuple(min(sizes) for sizes in zip(*shapes, strict=True)),
        largest_shape=tuple(max(sizes) for sizes in zip(*shapes, strict=True)),
        spacing_range_mm=_ranges(spacings),
        intensity=tuple(_describe(channel) for channel in joined),
        all_channels=_describe(joined.ravel()),
        class_fractions=_fractions(counts, labels),
    )


def input_contract(fingerprint: Fingerprint, *, orientation: str | None) -> InputContract:
    """What a model trained on such data expects, in the words of its package."""
    together = fingerprint.all_channels
    return InputContract(
        axes=fingerprint.axes,
        channels=fingerprint.channels,
        orientation=orientation,
        spacing_range_mm=fingerprint.spacing_range_mm,
        intensity=IntensityFingerprint(percentiles=dict(together.percentiles), mean=together.mean, std=together.std),
        modality=fingerprint.modality,
    )


def _as_the_network_sees(image: Image, orientation: str | None) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    grid = image.grid
    if orientation is not None and grid.ndim == 3:
        grid = reordering_to(grid.affine, orientation).apply_to_grid(grid)
    return grid.spatial_shape, grid.spacing_mm if image.metadata.spacing_is_known else None


def _spread_values(image: Image) -> NDArray[np.float64]:
    """(channels, n) float64 of an image, at evenly spread voxels."""
    flat = image.array.reshape(image.num_channels, -1)
    stride = -(-flat.shape[1] // _MOST_VALUES_AN_IMAGE)
    return np.asarray(flat[:, ::stride], dtype=np.float64)


def _channel_names(image: Image) -> tuple[str, ...]:
    known = image.metadata.channel_names
    if len(known) == image.num_channels:
        return known
    return tuple(f"channel_{number}" for number in range(image.num_channels))


def _ranges(spacings: list[tuple[float, ...] | None]) -> tuple[tuple[float, float], ...] | None:
    known = [spacing for spacing in spacings if spacing is not None]
    if len(known) < len(spacings):
        return None
    return tuple((min(sizes), max(sizes)) for sizes in zip(*known, strict=True))


def _describe(values: NDArray[np.float64]) -> ChannelIntensity:
    quantiles = np.percentile(values, PERCENTILES)
    return ChannelIntensity(
        percentiles={f"{percent:g}": float(value) for percent, value in zip(PERCENTILES, quantiles, strict=True)},
        mean=float(values.mean()),
        std=float(values.std()),
    )


def _fractions(counts: NDArray[np.int64], labels: LabelTable) -> dict[str, float]:
    total = int(counts.sum())
    if total == 0:
        return {}
    return {label.name: float(count / total) for label, count in zip(labels, counts, strict=True)}
