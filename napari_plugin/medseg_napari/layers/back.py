"""Layers as medseg's images and label maps, on the grid of the file that they came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import LABEL_TABLE, ORIGIN

_MM = {"millimeter": 1.0, "micrometer": 1e-3, "nanometer": 1e-6, "centimeter": 10.0, "meter": 1e3}
"""Name of a unit in napari -> its length in mm."""


def origin_of(layer: Any) -> Origin:
    """What a layer was made from; a layer that another reader made stands for itself.

    Raises:
        InputError: the layer has no two or three axes, or is turned or sheared, so that its voxels have no known place.
    """
    origin = layer.metadata.get(ORIGIN)
    if isinstance(origin, Origin) and origin.shape == _spatial_shape(layer):
        return origin
    return Origin(_foreign_image(layer), 0)


def image_of(layer: Any) -> Image:
    """The image that a model should see for this image layer, all of its channels."""
    return origin_of(layer).image


def label_map_of(layer: Any, *, kind: LabelKind, table: LabelTable | None = None) -> LabelMap:
    """The label map of a labels layer, on the grid of the image that it lies on.

    Args:
        layer: of labels.
        kind: whether the values are classes or objects.
        table: what the values mean; absent takes the layer's own.
    """
    origin = origin_of(layer)
    meaning = table or layer.metadata.get(LABEL_TABLE) or LabelTable.from_names(("background", "object"))
    image = origin.image
    array = np.ascontiguousarray(origin.from_layer(np.asarray(layer.data)))
    return LabelMap(array, image.affine, image.axes[1:], meaning, kind, image.metadata)


def _spatial_shape(layer: Any) -> tuple[int, ...]:
    shape = tuple(layer.data.shape)
    return shape[:-1] if getattr(layer, "rgb", False) else shape


def _foreign_image(layer: Any) -> Image:
    """A layer of another reader: z, y, x of a stack, in the units that it states."""
    array = np.asarray(layer.data)
    if getattr(layer, "rgb", False):
        array = np.moveaxis(array, -1, 0)
    elif array.ndim in {2, 3}:
        array = array[np.newaxis]
    if array.ndim not in {3, 4}:
        message = f"{layer.name}: expected an image of 2 or 3 axes, got {array.ndim}. Take one time or channel first."
        raise InputError(message)
    ndim = array.ndim - 1
    units = [str(unit) for unit in layer.units]
    known = all(unit in _MM for unit in units)
    scale = np.diag([*(size * _MM.get(unit, 1.0) for size, unit in zip(layer.scale, units, strict=True)), 1.0])
    if not (np.allclose(layer.rotate, np.eye(ndim)) and np.allclose(layer.shear, 0) and _is_plain(layer.affine)):
        message = f"{layer.name}: expected a layer that is not turned or sheared. Open its file with medseg instead."
        raise InputError(message)
    reversed_axes = np.eye(ndim + 1)[[*range(ndim)[::-1], ndim]]
    matrix = reversed_axes @ scale if ndim == 3 else _in_plane(scale)
    affine = Affine(matrix, frame=WorldFrame.RAS)
    return Image(array, affine, "C" + "ZYX"[-ndim:], ImageMetadata(spacing_is_known=known))


def _is_plain(affine: Any) -> bool:
    return np.allclose(affine.affine_matrix, np.eye(len(affine.affine_matrix)))


def _in_plane(scale: np.ndarray) -> np.ndarray:
    """The affine of a picture: index (y, x) -> world (x, y)."""
    return scale[[1, 0, 2]]
