"""Painting by regions of even brightness instead of by voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic

from medseg.errors import InputError
from medseg_napari.review.boxes import Box, starts
from medseg_napari.review.change import Change

_REGIONS_PER_TILE = 16
"""Regions along each side of a tile: one tile is divided for a click, in some hundredths of a second."""
_COMPACTNESS = 0.1
"""Weight of distance against brightness, of which a tile's 1st to 99th percentile is one unit."""


def paint_superpixels(
    labels: NDArray[np.integer],
    image: NDArray,
    points: Sequence[Sequence[int]],
    *,
    object_id: int,
    region_voxels: int = 8,
    slice_axis: int = 0,
) -> tuple[Change, ...]:
    """The background of every region that a point lies in becomes part of the object; other objects stay.

    Regions are SLIC superpixels (Achanta et al. 2012, doi 10.1109/TPAMI.2012.120) of one slice. The slice is divided
    tile by tile from its corner on, so that a place belongs to the same region whichever point asks for it.

    Args:
        labels: object ids, of two or three axes.
        image: on the grid of `labels`.
        points: indices of voxels.
        object_id: the object, which need not be there yet.
        region_voxels: side of a region, about.
        slice_axis: axis along which slices are counted; of no meaning for a picture.

    Raises:
        InputError: a number that is no object's, or regions without a size.
    """
    if not 1 <= object_id <= np.iinfo(labels.dtype).max or region_voxels < 1:
        message = f"superpixels: expected an object and a region size from 1, got {object_id} and {region_voxels}."
        raise InputError(message)
    side = region_voxels * _REGIONS_PER_TILE
    regions: dict[tuple[int, ...], NDArray[np.integer]] = {}
    chosen: dict[tuple[int, ...], NDArray[np.bool_]] = {}
    for point in points:
        index = tuple(int(at) for at in point)
        if not all(0 <= at < length for at, length in zip(index, labels.shape, strict=True)):
            continue
        tile = _tile(index, labels.shape, slice_axis=slice_axis, side=side)
        first = starts(tile)
        if first not in regions:
            regions[first] = _regions(image[tile], region_voxels=region_voxels)
            chosen[first] = np.zeros(regions[first].shape, dtype=bool)
        here = tuple(at - start for at, start in zip(index, first, strict=True))
        chosen[first] |= regions[first] == regions[first][here]
    tiles = [
        tuple(slice(at, at + n) for at, n in zip(first, where.shape, strict=True)) for first, where in chosen.items()
    ]
    return tuple(
        Change.painting(labels, tile, where=where & (labels[tile] == 0), value=object_id)
        for tile, where in zip(tiles, chosen.values(), strict=True)
    )


def _tile(index: tuple[int, ...], shape: tuple[int, ...], *, slice_axis: int, side: int) -> Box:
    """The tile of the slice that holds a voxel."""
    tile = []
    for axis, (at, length) in enumerate(zip(index, shape, strict=True)):
        edge = 1 if len(shape) == 3 and axis == slice_axis else side
        tile.append(slice(at // edge * edge, min(at // edge * edge + edge, length)))
    return tuple(tile)


def _regions(values: NDArray, *, region_voxels: int) -> NDArray[np.integer]:
    """Number of its superpixel at each voxel of a tile."""
    plane = np.asarray(np.nan_to_num(values.reshape([n for n in values.shape if n > 1] or [1])), dtype=np.float64)
    if plane.ndim < 2:
        plane = plane.reshape(1, -1)
    low, high = np.percentile(plane, (1, 99))
    scaled = np.clip((plane - low) / max(high - low, np.finfo(np.float64).tiny), 0.0, 1.0)
    count = max(round(plane.size / region_voxels**2), 1)
    found = slic(scaled, n_segments=count, compactness=_COMPACTNESS, channel_axis=None, start_label=1)
    return np.asarray(found).reshape(values.shape)
