"""Filters on components and objects: too small, holes, cut off by the image's border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError, LabelError
from medseg.postprocessing.components import Connectivity, label_components, voxels_per_label


def remove_small_components(
    mask: NDArray[np.bool_], *, min_voxels: int, connectivity: Connectivity = Connectivity.CORNERS
) -> NDArray[np.bool_]:
    """The mask without its components of fewer than `min_voxels` voxels.

    Args:
        mask: of two or three axes.
        min_voxels: size of the smallest component that stays.
        connectivity: which voxels are neighbours.

    Raises:
        GeometryError: the mask has neither two nor three axes.
        InputError: a negative size.
    """
    _check_count(min_voxels, name="min_voxels")
    labels, count = label_components(mask, connectivity=connectivity)
    stays = voxels_per_label(labels, count=count) >= min_voxels
    stays[0] = False
    return np.asarray(stays[labels])


def fill_holes(
    mask: NDArray[np.bool_], *, max_voxels: int | None = None, connectivity: Connectivity = Connectivity.CORNERS
) -> NDArray[np.bool_]:
    """The mask and its holes: components of the background that do not reach the image's border.

    Args:
        mask: of two or three axes.
        max_voxels: size of the largest hole that is filled; None fills all.
        connectivity: which voxels of the mask are neighbours; the background takes the other one, so that no hole
            leaks through a wall that holds together.

    Raises:
        GeometryError: the mask has neither two nor three axes.
        InputError: a negative size.
    """
    labels, count = label_components(mask == 0, connectivity=connectivity.of_background)
    fills = np.ones(count + 1, dtype=bool)
    if max_voxels is not None:
        _check_count(max_voxels, name="max_voxels")
        fills = voxels_per_label(labels, count=count) <= max_voxels
    fills[_labels_near_border(labels, margin_voxels=1)] = False
    fills[0] = True  # the mask itself
    return np.asarray(fills[labels])


def remove_small_objects(object_labels: NDArray[np.integer], *, min_voxels: int) -> NDArray[np.integer]:
    """Object labels without the objects of fewer than `min_voxels` voxels; the others keep their numbers.

    Args:
        object_labels: object ids, 0 is background.
        min_voxels: size of the smallest object that stays.

    Raises:
        InputError: a negative size.
        LabelError: the ids are not whole numbers of 0 or more.
    """
    _check_count(min_voxels, name="min_voxels")
    ids, places = _ids(object_labels)
    stays = voxels_per_label(places, count=len(ids) - 1) >= min_voxels
    return _only(ids, places, stays)


def clear_border(object_labels: NDArray[np.integer], *, margin_voxels: int = 1) -> NDArray[np.integer]:
    """Object labels without the objects that come near the image's border; the others keep their numbers.

    What the border cuts off has no size, shape or centre that could be measured.

    Args:
        object_labels: object ids, 0 is background.
        margin_voxels: thickness of the frame that an object must not enter; 1 is the outermost voxels, 0 keeps all.

    Raises:
        InputError: a negative thickness.
        LabelError: the ids are not whole numbers of 0 or more.
    """
    _check_count(margin_voxels, name="margin_voxels")
    ids, places = _ids(object_labels)
    stays = np.ones(len(ids), dtype=bool)
    stays[_labels_near_border(places, margin_voxels=margin_voxels)] = False
    return _only(ids, places, stays)


def renumber_objects(object_labels: NDArray[np.integer]) -> tuple[NDArray[np.uint32], int]:
    """Object labels numbered 1, 2, 3, ... in the order of the old numbers, and how many there are.

    Args:
        object_labels: object ids, 0 is background.

    Raises:
        LabelError: the ids are not whole numbers of 0 or more.
    """
    ids, places = _ids(object_labels)
    return places.astype(np.uint32), len(ids) - 1


def _ids(object_labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The ids that occur, ascending, the background's 0 always first; and the place of each voxel's id among them."""
    if object_labels.dtype.kind not in "iu":
        message = f"objects: expected whole numbers as object ids, got {object_labels.dtype}. Number the objects first."
        raise LabelError(message)
    if object_labels.size == 0:
        return np.zeros(1, dtype=object_labels.dtype), object_labels
    lowest, highest = int(object_labels.min()), int(object_labels.max())
    if lowest < 0:
        message = f"objects: expected object ids of 0 (background) or more, got {lowest}."
        raise LabelError(message)
    if highest >= object_labels.size:
        # A table up to the largest id would be larger than the image.
        found, inverse = np.unique(object_labels, return_inverse=True)
        missing = int(found[0] != 0)
        return np.concatenate([np.zeros(missing, found.dtype), found]), inverse.reshape(object_labels.shape) + missing
    occurs = voxels_per_label(object_labels, count=highest) > 0
    occurs[0] = True
    table = np.cumsum(occurs, dtype=np.uint32) - np.uint32(1)
    return np.flatnonzero(occurs).astype(object_labels.dtype), table[object_labels]


def _only(ids: NDArray[np.integer], places: NDArray[np.integer], stays: NDArray[np.bool_]) -> NDArray[np.integer]:
    return np.asarray(np.where(stays, ids, ids.dtype.type(0))[places])


def _labels_near_border(labels: NDArray[np.integer], *, margin_voxels: int) -> NDArray[np.integer]:
    """The labels, 0 included, that occur within `margin_voxels` of the array's faces."""
    near = []
    for axis, length in enumerate(labels.shape):
        thickness = min(margin_voxels, length)
        along = np.moveaxis(labels, axis, 0)
        near += [np.unique(along[:thickness]), np.unique(along[length - thickness :])]
    return np.unique(np.concatenate(near))


def _check_count(value: int, *, name: str) -> None:
    if value < 0:
        message = f"{name}: expected a number of voxels of 0 or more, got {value}."
        raise InputError(message)
