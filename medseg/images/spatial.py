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
from medseg.geometry import Affine, Grid
from medseg.geometry.affine import closest_axes
from medseg.geometry.orientation import reordering_to
from medseg.geometry.resampling import Interpolation, checked_fill, resample_array
from medseg.images.image import Image
from medseg.images.label_map import LabelMap

_ON_A_VOXEL = 1e-6
"""Part of a voxel by which a centre may miss a voxel's centre and still lie on it."""
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


def straighten(item: Spatial, *, fill: float | None = None) -> Spatial:
    """`item` on a grid at right angles; `item` itself where its axes are at right angles already.

    For a tilted CT series, whose slices lie askew: the new grid keeps the first axis, the plane of the first two axes
    and the distance between the planes, and is wide enough to hold every voxel centre. Slices stay in their planes, so
    that values are interpolated within a slice only.

    Args:
        item: a volume or picture.
        fill: value outside the image; where absent its lowest value for images and 0 for label maps.

    Raises:
        InputError: the array's type cannot hold `fill`.
    """
    if item.affine.is_orthogonal:
        return item
    is_label_map = isinstance(item, LabelMap)
    default = 0.0 if is_label_map else float(item.array.min())
    return resample_to(item, straight_grid(item.grid), fill=default if fill is None else fill)


def straight_grid(grid: Grid) -> Grid:
    """The grid of `straighten`: the sheared axes of `grid` made upright, wide enough for all of its voxel centres."""
    directions, upper = np.linalg.qr(grid.affine.linear)
    signs = np.sign(np.diag(upper))
    upright = np.eye(grid.ndim + 1)
    upright[:-1, :-1] = directions * signs * np.abs(np.diag(upper))
    upright[:-1, -1] = grid.affine.matrix[:-1, -1]
    affine = Affine(upright, frame=grid.affine.frame)
    corners = affine.apply_inverse(grid.corners_mm)
    first = np.floor(corners.min(axis=0) + _ON_A_VOXEL).astype(int)
    last = np.ceil(corners.max(axis=0) - _ON_A_VOXEL).astype(int)
    shift = np.eye(grid.ndim + 1)
    shift[:-1, -1] = first
    return Grid(tuple(int(size) for size in last - first + 1), affine.after_index_map(shift))


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
