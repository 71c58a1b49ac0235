"""Distances between the surfaces of two masks in mm, computed once for all scores that need them.

Two descriptions of a surface are in use, and both are kept, since scores made of them differ:

- *surface voxels*: foreground voxels with a face neighbour in the background, each counting the same;
- *surface elements*: the pieces of marching cubes between 2^n neighbouring voxels, each weighing its area (its length
  in two dimensions), at the corner where the voxels meet.

Outside the image is background, so cropping both masks to any box that holds them changes nothing.
`medseg.metrics.surface_scores` makes the scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.metrics.nearest_points import Distances, Points, distances_to_nearest
from medseg.metrics.surface_elements import element_sizes

_CHUNK_VOXELS = 1 << 17
"""Voxels looked at together: what is made of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class _Box:
    """The part of a mask that holds its foreground, a layer of background around it, and where it lay."""

    padded: NDArray[np.uint8]
    offset: Points


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances from the surface of each of two masks to the surface of the other; `surface_distances` makes it.

    All arrays are (surface voxels,) or (surface elements,), nearest first; empty where the mask is empty, and inf where
    only the other mask is. Either description is measured when it is first asked for, and then kept.
    """

    _reference: _Box
    _prediction: _Box
    _spacing_mm: tuple[float, ...]

    @property
    def reference_to_prediction_mm(self) -> Distances:
        """From each surface voxel of the reference, in mm."""
        return self._voxels[0]

    @property
    def prediction_to_reference_mm(self) -> Distances:
        """From each surface voxel of the prediction, in mm."""
        return self._voxels[1]

    @property
    def reference_elements_mm(self) -> Distances:
        """From each surface element of the reference, in mm."""
        return self._elements[0][0]

    @property
    def prediction_elements_mm(self) -> Distances:
        """From each surface element of the prediction, in mm."""
        return self._elements[1][0]

    @property
    def reference_element_sizes(self) -> NDArray[np.float64]:
        """Area in mm^2 (length in mm in two dimensions) of each surface element of the reference."""
        return self._elements[0][1]

    @property
    def prediction_element_sizes(self) -> NDArray[np.float64]:
        """Area in mm^2 (length in mm in two dimensions) of each surface element of the prediction."""
        return self._elements[1][1]

    @cached_property
    def _voxels(self) -> tuple[Distances, Distances]:
        points = [_surface_voxels(box.padded) + box.offset for box in (self._reference, self._prediction)]
        first, second = _both_ways(points[0], points[1], self._spacing_mm)
        return np.sort(first), np.sort(second)

    @cached_property
    def _elements(self) -> tuple[tuple[Distances, NDArray[np.float64]], tuple[Distances, NDArray[np.float64]]]:
        sizes = element_sizes(self._spacing_mm)
        (first, first_codes), (second, second_codes) = (
            _surface_corners(box.padded) for box in (self._reference, self._prediction)
        )
        first, second = first + self._reference.offset, second + self._prediction.offset
        there, back = _both_ways(first, second, self._spacing_mm)
        orders = np.argsort(there), np.argsort(back)
        return (there[orders[0]], sizes[first_codes[orders[0]]]), (back[orders[1]], sizes[second_codes[orders[1]]])


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
    return SurfaceDistances(_boxed(reference), _boxed(prediction), tuple(float(size) for size in spacing_mm))


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


def _boxed(mask: NDArray[np.bool_]) -> _Box:
    """A copy of what the mask's bounding box holds; of an empty mask, background only."""
    box = _bounding_box(mask) or (slice(0, 0),) * mask.ndim
    offset = np.array([part.start for part in box], dtype=np.int32)
    return _Box(np.pad(mask[box], 1).view(np.uint8), offset)


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
    """Indices before padding of the voxels with a face neighbour in the background.

    Walked through as one line of voxels: past the end of a row comes the next row's first, and both are background.
    """
    flat, strides = padded.reshape(-1), _strides(padded.shape)
    found = []
    for start, stop in _chunks(strides[0], flat.size - strides[0]):
        inner = flat[start:stop].copy()
        for stride in strides:
            inner &= flat[start - stride : stop - stride]
            inner &= flat[start + stride : stop + stride]
        found.append(start + np.flatnonzero(inner != flat[start:stop]))
    return _points(found, padded.shape) - np.int32(1)


def _surface_corners(padded: NDArray[np.uint8]) -> tuple[Points, NDArray[np.uint8]]:
    """Corners that the surface passes, and the code of each; corner c lies between the voxels c - 1 and c.

    As for the voxels, what lies past the end of a row is background.
    """
    flat, strides = padded.reshape(-1), _strides(padded.shape)
    full = np.uint8((1 << (1 << padded.ndim)) - 1)
    found, codes = [], []
    for start, stop in _chunks(0, flat.size - sum(strides)):
        code = flat[start : stop + sum(strides)]
        for bit, stride in enumerate(reversed(strides)):
            code = code[:-stride] | (code[stride:] << np.uint8(1 << bit))
        # Minus one, the empty code becomes the largest number: one comparison leaves out both it and the full code.
        passed = np.flatnonzero(code - np.uint8(1) < full - np.uint8(1))
        found.append(start + passed)
        codes.append(code[passed])
    return _points(found, padded.shape), np.concatenate(codes)


def _strides(shape: tuple[int, ...]) -> list[int]:
    """Voxels from one to the next along each axis, in C order."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Start and end of the stretches of voxels that are looked at together."""
    for low in range(start, stop, _CHUNK_VOXELS):
        yield low, min(low + _CHUNK_VOXELS, stop)


def _points(found: list[NDArray[np.int64]], shape: tuple[int, ...]) -> Points:
    """Indices of places counted in C order; (points, axes)."""
    places = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    return np.stack(np.unravel_index(places, shape), axis=1).astype(np.int32)


def _both_ways(first: Points, second: Points, spacing_mm: tuple[float, ...]) -> tuple[Distances, Distances]:
    """Distance in mm from each point to the nearest point of the other set; inf where that has none."""
    return (
        distances_to_nearest(first, second, spacing_mm=spacing_mm),
        distances_to_nearest(second, first, spacing_mm=spacing_mm),
    )
