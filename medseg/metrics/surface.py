"""Distances between the surfaces of two masks in mm, computed once for all scores that need them.

Two descriptions of a surface are in use, and both are kept, since scores made of them differ:

- *surface voxels*: foreground voxels with a face neighbour in the background, each counting the same;
- *surface elements*: the pieces of marching cubes between 2^n neighbouring voxels, each weighing its area (its length
  in two dimensions), at the corner where the voxels meet.

Outside the image is background, so cropping both masks to any box that holds them changes nothing.
`medseg.metrics.surface_scores` makes the scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from medseg.errors import GeometryError, InputError
from medseg.metrics.surface_elements import element_sizes

Distances = NDArray[np.float64]
Points = NDArray[np.int32]

_SLAB_VOXELS = 1 << 18
"""Voxels looked at together: what is made of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances from the surface of each of two masks to the surface of the other.

    All arrays are (surface voxels,) or (surface elements,), nearest first; empty where the mask is empty, and inf where
    only the other mask is.

    Attributes:
        reference_to_prediction_mm: from each surface voxel of the reference.
        prediction_to_reference_mm: from each surface voxel of the prediction.
        reference_elements_mm: from each surface element of the reference.
        prediction_elements_mm: from each surface element of the prediction.
        reference_element_sizes: area in mm^2 (length in mm in two dimensions) of each.
        prediction_element_sizes: the same of the prediction's.
    """

    reference_to_prediction_mm: Distances
    prediction_to_reference_mm: Distances
    reference_elements_mm: Distances
    prediction_elements_mm: Distances
    reference_element_sizes: NDArray[np.float64]
    prediction_element_sizes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Surface:
    """Indices of the surface voxels and corners of one mask, (points, axes), and the corners' neighbourhood codes."""

    voxels: Points
    corners: Points
    codes: NDArray[np.uint8]


def surface_distances(
    *, reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Distances in mm between the two surfaces, in both descriptions and both directions.

    Args:
        reference: True inside; two or three axes.
        prediction: True inside; of the same shape.
        spacing_mm: voxel size along each array axis.

    Raises:
        GeometryError: the shapes differ, are not of two or three axes, or the spacing does not fit them.
        InputError: a mask is not boolean.
    """
    _check(reference, prediction, spacing_mm)
    scale = np.asarray(spacing_mm, dtype=np.float64)
    sizes = element_sizes(tuple(float(size) for size in spacing_mm))
    ours, theirs = _surface_of(reference), _surface_of(prediction)
    to_prediction, to_reference = _both_ways(ours.voxels, theirs.voxels, scale)
    from_reference, from_prediction = _both_ways(ours.corners, theirs.corners, scale)
    reference_order, prediction_order = np.argsort(from_reference), np.argsort(from_prediction)
    return SurfaceDistances(
        reference_to_prediction_mm=np.sort(to_prediction),
        prediction_to_reference_mm=np.sort(to_reference),
        reference_elements_mm=from_reference[reference_order],
        prediction_elements_mm=from_prediction[prediction_order],
        reference_element_sizes=sizes[ours.codes[reference_order]],
        prediction_element_sizes=sizes[theirs.codes[prediction_order]],
    )


def _check(reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: Sequence[float]) -> None:
    for role, mask in (("reference", reference), ("prediction", prediction)):
        if mask.dtype != np.bool_:
            message = f"{role}: expected a boolean mask, got {mask.dtype}. Compare with the class first (map == 1)."
            raise InputError(message)
    if reference.shape != prediction.shape:
        message = f"prediction: expected the reference's shape {reference.shape}, got {prediction.shape}."
        raise GeometryError(message)
    if reference.ndim not in {2, 3}:
        message = f"masks: expected two or three axes, got shape {reference.shape}. Score other axes one by one."
        raise GeometryError(message)
    if len(spacing_mm) != reference.ndim or not all(0 < size < np.inf for size in spacing_mm):
        message = f"spacing_mm: expected {reference.ndim} sizes above 0, one an array axis, got {tuple(spacing_mm)}."
        raise GeometryError(message)


def _surface_of(mask: NDArray[np.bool_]) -> _Surface:
    """Both descriptions of a mask's surface, found inside its bounding box."""
    box = _bounding_box(mask)
    if box is None:
        nothing = np.zeros((0, mask.ndim), dtype=np.int32)
        return _Surface(nothing, nothing, np.zeros(0, dtype=np.uint8))
    padded = np.pad(mask[box], 1).view(np.uint8)
    offset = np.array([part.start for part in box], dtype=np.int32)
    corners, codes = _surface_corners(padded)
    return _Surface(_surface_voxels(padded) + offset, corners + offset, codes)


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Smallest box with all of the foreground; None without any."""
    box = [slice(None)] * mask.ndim
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask[tuple(box)].any(axis=others))
        if filled.size == 0:
            return None
        box[axis] = slice(int(filled[0]), int(filled[-1]) + 1)
    return tuple(box)


def _surface_voxels(padded: NDArray[np.uint8]) -> Points:
    """Indices before padding of the voxels with a face neighbour in the background."""
    found = []
    for start, slab in _slabs(padded, halo=2):
        core = (slice(1, -1),) * padded.ndim
        inner = slab[core].copy()
        for axis in range(padded.ndim):
            for shifted in (slice(None, -2), slice(2, None)):
                inner &= slab[(*core[:axis], shifted, *core[axis + 1 :])]
        found.append(_indices(slab[core] ^ inner, start))
    return np.concatenate(found)


def _surface_corners(padded: NDArray[np.uint8]) -> tuple[Points, NDArray[np.uint8]]:
    """Corners that the surface passes, and the code of each; corner c lies between the voxels c - 1 and c."""
    full = np.uint8((1 << (1 << padded.ndim)) - 1)
    found, codes = [], []
    for start, slab in _slabs(padded, halo=1):
        code = slab
        for axis in reversed(range(padded.ndim)):
            low, high = [(slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None))]
            code = code[low] | (code[high] << np.uint8(1 << (padded.ndim - 1 - axis)))
        # Minus one, the empty code becomes the largest number: one comparison leaves out both it and the full code.
        passed = code - np.uint8(1) < full - np.uint8(1)
        found.append(_indices(passed, start))
        codes.append(code[passed])
    return np.concatenate(found), np.concatenate(codes)


def _slabs(padded: NDArray[np.uint8], *, halo: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Start and content of the slabs along the first axis; each holds `halo` layers more than it stands for."""
    layers = padded.shape[0] - halo
    thickness = max(1, _SLAB_VOXELS // padded[0].size)
    for start in range(0, layers, thickness):
        yield start, padded[start : min(start + thickness, layers) + halo]


def _indices(found: NDArray[np.generic], start: int) -> Points:
    """Where the slab that starts at layer `start` is not zero; (points, axes)."""
    places = np.unravel_index(np.flatnonzero(found), found.shape)
    points = np.stack(places, axis=1).astype(np.int32)
    points[:, 0] += start
    return points


def _both_ways(first: Points, second: Points, scale: NDArray[np.float64]) -> tuple[Distances, Distances]:
    """Distance in mm from each point to the nearest point of the other set; inf where that has none."""
    return _to_nearest(first, second, scale), _to_nearest(second, first, scale)


def _to_nearest(points: Points, others: Points, scale: NDArray[np.float64]) -> Distances:
    if not len(others):
        return np.full(len(points), np.inf)
    tree = cKDTree(others * scale, balanced_tree=False, compact_nodes=False)
    _, nearest = tree.query(points * scale)
    # From whole steps, not from the tree's coordinates: three steps of 0.1 mm must not depend on where they start.
    offsets = (points - others[nearest]) * scale
    return np.asarray(np.sqrt(np.square(offsets).sum(axis=1)))
