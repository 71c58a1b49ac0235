"""Copies of oblique and tilted volumes along the axes of the body, to look at: napari draws no slanted slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import Cancelled
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.geometry.resampling import Interpolation, resample_array
from medseg.images import Image
from medseg_napari.layers.letters import is_of_patient
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN, LayerData, layer_settings

STRAIGHT_OF = "medseg_straight_of"
"""Key in the metadata of a straight copy under which the `Origin` of the layer that it was made from stands."""

_VOXELS_AT_ONCE = 1 << 22
_ON_A_VOXEL = 1e-6
"""Part of a voxel by which the last centre may lie beyond the last voxel."""


@dataclass(frozen=True, eq=False)
class StraightRequest:
    """What to copy.

    Attributes:
        origin: of the layer.
        values: of the layer, in its order.
        are_labels: whether they are numbers of objects or classes, which have no values in between.
        name: of the copy.
        look: settings of the layer that its copy shares, contrast limits for example.
    """

    origin: Origin
    values: NDArray[Any]
    are_labels: bool
    name: str
    look: dict[str, Any]


def can_be_straightened(layer: Any) -> bool:
    """Whether the layer is a volume of a patient that does not lie along the axes of the body."""
    return is_of_patient(layer) and layer.metadata[ORIGIN].is_oblique


def straight_grid_of(origin: Origin) -> Grid:
    """The grid along left, back and head, as (x, y, z), wide enough for every voxel centre of an oblique volume.

    The spacing along an axis of the body is that of the nearest axis of the volume.
    """
    affine = origin.affine.to_frame(WorldFrame.LPS)
    spacing_mm = np.array(affine.spacing_mm[::-1])
    corners_mm = Grid(origin.shape, affine).corners_mm
    first_mm, last_mm = corners_mm.min(axis=0), corners_mm.max(axis=0)
    shape = np.ceil((last_mm - first_mm) / spacing_mm - _ON_A_VOXEL).astype(int) + 1
    matrix = np.diag([*spacing_mm, 1.0])
    matrix[:3, 3] = first_mm
    return Grid(tuple(int(size) for size in shape), Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS))


def place_of(layer: Any, point: Sequence[float]) -> tuple[float, ...]:
    """(z, y, x) in LPS mm of a point of the viewer over an oblique layer: the same place over its straight copy."""
    index = np.asarray(layer.world_to_data(np.asarray(point)))
    return tuple(layer.metadata[ORIGIN].affine.to_frame(WorldFrame.LPS).apply(index)[::-1])


def straight_copy(
    request: StraightRequest, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> LayerData:
    """Layer data of the copy: images linear between voxels, labels from the nearest. Takes its time.

    Raises:
        Cancelled: `cancelled` said so; it is asked every few slices.
    """
    origin = request.origin
    grid = straight_grid_of(origin)
    array = _resampled(request, grid, progress, cancelled)
    metadata = replace(origin.image.metadata, instance_uids=())
    image = Image(array[np.newaxis], grid.affine, "CXYZ", metadata)
    copy = Origin(image, None if origin.channel is None else 0)
    settings = {**layer_settings(copy, request.name), **request.look}
    settings["metadata"] |= {STRAIGHT_OF: origin}
    return copy.to_layer(array), settings, "labels" if request.are_labels else "image"


def _resampled(
    request: StraightRequest, grid: Grid, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> NDArray[Any]:
    """(x, y, z) values on `grid`, of the type of the layer's, a few slices at a time."""
    values, source = request.values, Grid(request.origin.shape, request.origin.affine)
    width, height, depth = grid.spatial_shape
    array = np.empty((depth, height, width), dtype=values.dtype).T  # a slice lies together, as it is drawn
    method = Interpolation.NEAREST if request.are_labels else Interpolation.LINEAR
    fill = 0.0 if request.are_labels else float(values.min())
    at_once = max(1, _VOXELS_AT_ONCE // (width * height))
    for start in range(0, depth, at_once):
        if cancelled():
            raise Cancelled(request.name)
        stop = min(start + at_once, depth)
        part = resample_array(
            values,
            source=source,
            target=grid.cropped((0, 0, start), (width, height, stop)),
            interpolation=method,
            fill=fill,
        )
        array[..., start:stop] = np.rint(part) if values.dtype.kind in "iu" else part
        progress(stop / depth)
    return array
