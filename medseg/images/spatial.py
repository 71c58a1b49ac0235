"""Images and label maps on other grids: reordered, cropped, padded or resampled, each only when asked for by name.

Every function keeps what a voxel says about the world: its value stays where it was. Letters of `axes` stay with their
axes, so a ZYX stack that was brought into another order still says which axis is z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.geometry import Grid
from medseg.geometry.affine import closest_axes
from medseg.geometry.orientation import reordering_to
from medseg.geometry.resampling import Interpolation, checked_fill, resample_array
from medseg.images.image import Image
from medseg.images.label_map import LabelMap

Spatial = TypeVar("Spatial", Image, LabelMap)


def reorient(item: Spatial, orientation: str) -> Spatial:
    """`item` with its axes in an anatomical order; nothing is interpolated.

    Args:
        item: a volume.
        orientation: letters towards which the array axes grow, "RAS".

    Raises:
        GeometryError: see `medseg.geometry.reordering_to`.
    """
    reordering = reordering_to(item.affine, orientation)
    if reordering.is_identity:
        return item
    uids = _uids(item)
    if reordering.permutation[-1] != item.affine.ndim - 1:
        uids = ()
    elif reordering.flips[-1]:
        uids = uids[::-1]
    grid = reordering.apply_to_grid(item.grid)
    letters = "".join(_letters(item)[axis] for axis in reordering.permutation)
    return _on_grid(item, reordering.apply(item.array), grid, letters=letters, uids=uids)


def crop(item: Spatial, start: Sequence[int], stop: Sequence[int]) -> Spatial:
    """The voxels from `start` up to but not including `stop`, one entry per spatial axis.

    Raises:
        GeometryError: the box is empty, leaves the image or has another number of axes.
    """
    shape = item.spatial_shape
    fits = len(start) == len(stop) == len(shape) and all(
        0 <= first < last <= size for first, last, size in zip(start, stop, shape, strict=True)
    )
    if not fits:
        message = f"crop: expected a box inside the {shape} voxels, got {tuple(start)} to {tuple(stop)}."
        raise GeometryError(message)
    box: tuple[Any, ...] = tuple(slice(int(first), int(last)) for first, last in zip(start, stop, strict=True))
    uids = _uids(item)
    uids = uids[box[-1]] if len(shape) == 3 else uids
    return _on_grid(item, item.array[(..., *box)].copy(), item.grid.cropped(start, stop), uids=uids)


def pad(item: Spatial, before: Sequence[int], after: Sequence[int], *, fill: float) -> Spatial:
    """`item` with voxels of value `fill` added at the two ends of each spatial axis.

    Args:
        item: image or label map.
        before: number of voxels in front of the first, per spatial axis.
        after: number behind the last.
        fill: their value.

    Raises:
        GeometryError: negative numbers, or another number of axes.
        InputError: the array's type cannot hold `fill`.
    """
    if not len(before) == len(after) == item.affine.ndim or min(*before, *after) < 0:
        message = (
            f"pad: expected {item.affine.ndim} numbers of at least 0 for each end of the axes, "
            f"got {tuple(before)} and {tuple(after)}."
        )
        raise GeometryError(message)
    widths: list[tuple[int, int]] = [*zip(before, after, strict=True)]
    leading: list[tuple[int, int]] = [(0, 0)] * (item.array.ndim - len(widths))
    value = checked_fill(fill, item.array.dtype)
    array = np.pad(item.array, [*leading, *widths], constant_values=value)
    uids = _uids(item)
    if len(widths) == 3 and any(widths[-1]):
        uids = ()
    return _on_grid(item, array, item.grid.padded(before, after), uids=uids)


def resample_to(
    item: Spatial, grid: Grid, *, interpolation: Interpolation | str | None = None, fill: float = 0
) -> Spatial:
    """`item` on another grid; `item` itself where it lies on that grid already.

    Images become float (see `medseg.geometry.resample_array`) unless the interpolation is `nearest`; label maps keep
    their type and always take the nearest voxel.

    Args:
        item: image or label map.
        grid: where values are wanted; the number of axes is that of `item`.
        interpolation: linear for images where absent.
        fill: value outside the image.

    Raises:
        GeometryError: the grid has another number of axes.
        InputError: a label map is to be interpolated, or its type cannot hold `fill`.
    """
    is_label_map = isinstance(item, LabelMap)
    default = Interpolation.NEAREST if is_label_map else Interpolation.LINEAR
    method = default if interpolation is None else interpolation
    if is_label_map and method != Interpolation.NEAREST:
        message = (
            f"label map: expected interpolation 'nearest', got {method!r}. Label values have no values in between."
        )
        raise InputError(message)
    if item.grid.is_same_as(grid):
        return item
    channels = item.array.reshape(-1, *item.spatial_shape)
    resampled = [
        resample_array(channel, source=item.grid, target=grid, interpolation=method, fill=fill) for channel in channels
    ]
    array = resampled[0] if is_label_map else np.stack(resampled)
    here = Grid(grid.spatial_shape, grid.affine.to_frame(item.affine.frame))
    axes = closest_axes(np.linalg.solve(item.affine.direction, here.affine.direction))
    return _on_grid(item, array, here, letters="".join(_letters(item)[axis] for axis in axes))


def _letters(item: Image | LabelMap) -> str:
    """Letters of the spatial axes."""
    return item.axes.removeprefix("C")


def _uids(item: Image | LabelMap) -> tuple[str, ...]:
    """UIDs of the slices along the last axis, or of the whole of a 2-D image; none where their number is another."""
    expected = item.spatial_shape[-1] if item.affine.ndim == 3 else 1
    uids = item.metadata.instance_uids
    return uids if len(uids) == expected else ()


def _on_grid(
    item: Spatial, array: NDArray, grid: Grid, *, letters: str | None = None, uids: tuple[str, ...] = ()
) -> Spatial:
    """`item` with another array and affine; the array made contiguous, as torch wants it."""
    axes = item.axes[: item.array.ndim - grid.ndim] + (_letters(item) if letters is None else letters)
    return item.replace(
        array=np.ascontiguousarray(array),
        affine=grid.affine,
        axes=axes,
        metadata=replace(item.metadata, instance_uids=uids),
    )
