"""Steps that change where voxels lie: axis order, voxel size, and the empty margin that training leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.geometry import Grid
from medseg.images import Image, LabelMap
from medseg.images.spatial import crop, reorient, resample_to
from medseg.io.budget import check_budget
from medseg.transforms.intensity import even_subsample
from medseg.transforms.read import Sample

SAME_SPACING_FRACTION = 1e-3
"""Voxel sizes that differ by less than this share are taken as equal and not resampled."""

CROP_MARGIN_VOXEL = 8
"""Voxels that stay around the foreground when training leaves out the empty margin."""

_COPIES = 3
"""The resampled image, what it is scaled into, and one between two axes of the interpolation."""

BODY_THRESHOLD_HU = -500.0
"""Half-way between air (-1000 HU) and soft tissue (about 0 HU)."""

MR_THRESHOLD_FRACTION = 0.1
"""Share of the way from the 1st to the 99th percentile, above which an MR voxel is no background."""


class Reorient(Transform):
    """The sample with its array axes in the anatomical order `orientation`; voxels are moved, never interpolated."""

    def __init__(self, orientation: str) -> None:
        self.orientation = orientation

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Reorient image and label map."""
        return {**data, **{key: reorient(data[key], self.orientation) for key in _spatial_keys(data)}}


class Respace(Transform):
    """The sample with voxels of `spacing_mm` over the same field of view: images linear, label maps nearest."""

    def __init__(self, spacing_mm: tuple[float, ...]) -> None:
        self.spacing_mm = spacing_mm

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Resample image and label map, unless they have that voxel size already.

        Raises:
            GeometryError: the image states no voxel size.
            RefusedImageError: with such voxels the image would not fit into memory.
        """
        image: Image = data["image"]
        if not image.metadata.spacing_is_known:
            wanted = " x ".join(f"{value:g}" for value in self.spacing_mm)
            message = (
                f"{image.metadata.source or 'the image'}: expected a known voxel size, because spacing_mm asks for "
                f"{wanted} mm, got a file that states none. Store the voxel size in the file, or leave out spacing_mm."
            )
            raise GeometryError(message)
        if np.allclose(image.spacing_mm, self.spacing_mm, rtol=SAME_SPACING_FRACTION, atol=0.0):
            return dict(data)
        return _on_grid_with(self.spacing_mm, data)


class Magnify(Transform):
    """The sample on a grid `magnification` times finer, same field of view: images linear, label maps nearest."""

    def __init__(self, magnification: float) -> None:
        self.magnification = magnification

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Resample image and label map.

        Raises:
            RefusedImageError: the image would not fit into memory then.
        """
        return _on_grid_with([size / self.magnification for size in data["image"].spacing_mm], data)


class FindForeground(Transform):
    """The sample with the box, under "box", that holds all of the body and all labelled voxels.

    The box is found before values are scaled, and cut out after: the intensity statistics are those of the whole
    image, in training as in inference.

    Args:
        is_foreground: array of one channel -> mask of the body.
    """

    def __init__(self, is_foreground: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> None:
        self.is_foreground = is_foreground

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Find the box; an image without any foreground keeps all of its voxels."""
        mask = self.is_foreground(data["image"].array[0])
        if "label" in data:
            mask = mask | (data["label"].array > 0)
        return {**data, "box": _bounding_box(mask, margin=CROP_MARGIN_VOXEL)}


class CropToForeground(Transform):
    """The sample cut to the box that `FindForeground` has found."""

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Cut image and label map."""
        sample = dict(data)
        start, stop = sample.pop("box")
        return {**sample, **{key: crop(data[key], start, stop) for key in _spatial_keys(data)}}


def is_body_ct(channel: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of what is denser than air, from HU."""
    return np.asarray(channel > BODY_THRESHOLD_HU)


def is_body_mr(channel: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of what is brighter than the background noise."""
    # Not the smallest value: interpolation on the way to the file leaves a few voxels far below the background.
    dark, bright = np.percentile(even_subsample(channel), [1.0, 99.0])
    return np.asarray(channel > dark + MR_THRESHOLD_FRACTION * (bright - dark))


def _on_grid_with(spacing_mm: Sequence[float], data: Mapping[str, Any]) -> Sample:
    grid = data["image"].grid.with_spacing(spacing_mm)
    _check_size(data["image"], grid)
    return {**data, **{key: resample_to(data[key], grid) for key in _spatial_keys(data)}}


def _check_size(image: Image, grid: Grid) -> None:
    """Pass when the image fits into memory on `grid`; a wrong voxel size in a header can ask for terabytes."""
    voxels = math.prod(grid.spatial_shape) * image.num_channels
    check_budget(Path(image.metadata.source or "the image"), expected_bytes=4 * voxels, copies=_COPIES)


def _bounding_box(mask: NDArray[np.bool_], *, margin: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if not mask.any():
        return (0,) * mask.ndim, tuple(mask.shape)
    start, stop = [], []
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        start.append(max(0, int(occupied[0]) - margin))
        stop.append(min(size, int(occupied[-1]) + 1 + margin))
    return tuple(start), tuple(stop)


def _spatial_keys(data: Mapping[str, Any]) -> list[str]:
    return [key for key, value in data.items() if isinstance(value, Image | LabelMap)]
