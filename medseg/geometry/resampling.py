"""Values on another grid: which value stands at each voxel centre of a target grid.

Three conventions hold throughout.

- A voxel index denotes the voxel's *centre*; values are looked up at the target voxels' centres.
- A voxel is as large as the spacing. A target centre that lies inside some source voxel, that is at most half a voxel
  outside the outermost source centres, gets a value: the source is continued there with its border values. So a volume
  resampled to finer voxels has no dark rim. Farther out stands the fill value.
- Nothing is smoothed before a reduction: anti-aliasing is not implicit. Whoever resamples to much larger voxels and
  minds aliasing smooths first.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage

from medseg.errors import GeometryError, InputError
from medseg.geometry.affine import closest_axes
from medseg.geometry.grid import Grid

_SNAP_VOXEL = 1e-3
"""Grids whose relation is simple (axes parallel, whole steps) to within this part of a voxel are taken as such.

Affines that went through a float32 header are off by some 1e-5 voxel; interpolating that would blur for nothing.
"""

_ROUNDING_VOXEL = 1e-6
"""Coordinates this close to a voxel's centre or face are taken to lie on it: float64 rounding must not decide."""

_POINTS_AT_ONCE = 1 << 20
"""Target voxels evaluated together on oblique grids: some 100 MB of coordinates whatever the volume's size."""


class Interpolation(StrEnum):
    """How a value between voxel centres is made from those around it."""

    NEAREST = "nearest"
    """The value of the source voxel that holds the point: the only choice for labels. On a face, the later voxel."""
    LINEAR = "linear"
    """Linear along each axis; never outside the range of the values around."""
    CUBIC = "cubic"
    """Cubic B-spline through all values, mirrored at the borders; sharper, and may overshoot at steep edges."""


def resample_array(
    array: NDArray, *, source: Grid, target: Grid, interpolation: Interpolation | str, fill: float
) -> NDArray:
    """Values of `array` at the voxels of `target`, (*target.spatial_shape).

    The type stays for `nearest`; the others give float32, or float64 for float64 and integers of 32 bits and more.
    Where the grids differ by whole voxels, flips and order of axes only, every interpolation copies the values exactly.

    Args:
        array: (*source.spatial_shape), real numbers.
        source: where the array's voxels lie.
        target: where values are wanted; any grid, oblique to the source or not.
        interpolation: see `Interpolation`.
        fill: value of target voxels outside the source.

    Raises:
        GeometryError: the array does not have the size of `source`, or the grids differ in their number of axes.
        InputError: `fill` cannot be stored in the result's type, or the interpolation is unknown.
    """
    method = _method(interpolation)
    if array.shape != source.spatial_shape or source.ndim != target.ndim:
        message = (
            "resampling: expected an array of its grid's size and two grids with as many axes, "
            f"got shape {array.shape}, grid {source.spatial_shape} and target {target.spatial_shape}."
        )
        raise GeometryError(message)
    dtype = array.dtype if method is Interpolation.NEAREST else np.result_type(array.dtype, np.float32)
    result = np.full(target.spatial_shape, checked_fill(fill, dtype), dtype=dtype)
    index_map = source.affine.index_map_from(target.affine)
    axes = _separable_axes(index_map, target.spatial_shape)
    if axes is None:
        _resample_oblique(array, index_map, method, result)
    else:
        _resample_separable(array.transpose(axes), index_map[[*axes, -1]], method, result)
    return result


def checked_fill(fill: float, dtype: DTypeLike) -> float:
    """`fill` when `dtype` can hold it.

    Raises:
        InputError: it cannot.
    """
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        fits = float(fill).is_integer() and limits.min <= fill <= limits.max
    else:
        fits = kind.kind == "f" or fill in {0, 1}
    if not fits:
        message = f"fill value: expected a value that {kind} can hold, got {fill}. Convert the array or choose another."
        raise InputError(message)
    return int(fill) if kind.kind in "iu" else fill


def _method(interpolation: Interpolation | str) -> Interpolation:
    try:
        return Interpolation(interpolation)
    except ValueError as error:
        known = ", ".join(Interpolation)
        message = f"interpolation: expected one of {known}, got {interpolation!r}."
        raise InputError(message) from error


def _separable_axes(index_map: NDArray[np.float64], target_shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """For each target axis the source axis that it runs along; None where it runs along several."""
    linear = index_map[:-1, :-1]
    axes = closest_axes(linear / np.linalg.norm(linear, axis=0))
    astray = np.abs(linear)
    astray[list(axes), range(len(axes))] = 0.0
    shift_voxel = astray @ (np.asarray(target_shape) - 1.0)
    return axes if shift_voxel.max() <= _SNAP_VOXEL else None


def _resample_separable(array: NDArray, index_map: NDArray[np.float64], method: Interpolation, result: NDArray) -> None:
    """Fill `result` one axis after the other; axes of `array` are in the target's order."""
    coordinates, places = [], []
    for axis, size in enumerate(result.shape):
        along = _snapped(index_map[axis, axis], index_map[axis, -1], size)
        inside = np.flatnonzero(_is_inside(along, array.shape[axis]))
        if inside.size == 0:
            return
        place = slice(int(inside[0]), int(inside[-1]) + 1)
        places.append(place)
        coordinates.append(along[place])
    if all(np.array_equal(along, np.rint(along)) for along in coordinates):
        method = Interpolation.NEAREST
    if method is Interpolation.NEAREST:
        indices = [_nearest(along, size) for along, size in zip(coordinates, array.shape, strict=True)]
        result[tuple(places)] = array[np.ix_(*indices)]
        return
    values = _prefiltered(array, method)
    # Axes that shrink come first, so that what lies between stays small.
    for axis in sorted(range(array.ndim), key=lambda axis: coordinates[axis].size / array.shape[axis]):
        values = _interpolate_axis(values, axis, coordinates[axis], method, result.dtype)
    result[tuple(places)] = values


def _prefiltered(array: NDArray, method: Interpolation) -> NDArray:
    """Spline coefficients for cubic, else the values in a type that scipy interpolates."""
    if method is Interpolation.CUBIC:
        coefficients: NDArray = ndimage.spline_filter(array.astype(np.float64), output=np.float64, mode="mirror")
        return coefficients
    return array.astype(np.float32) if array.dtype.kind == "b" or array.dtype == np.float16 else array


def _interpolate_axis(
    values: NDArray, axis: int, coordinates: NDArray[np.float64], method: Interpolation, dtype: np.dtype
) -> NDArray:
    """`values` at `coordinates` along one axis; for cubic, `values` are spline coefficients."""
    indices, weights = _TAPS[method](np.clip(coordinates, 0, values.shape[axis] - 1), values.shape[axis])
    wide = [1] * values.ndim
    wide[axis] = coordinates.size
    dtype = np.result_type(dtype, values.dtype)
    first = values.take(indices[0], axis=axis).astype(dtype, copy=False)
    result = first.copy() if len(indices) > 2 else first
    # Differences from the first neighbour, times weights: exact for a constant, unlike the sum of weighted values.
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        other = values.take(index, axis=axis).astype(dtype, copy=False)
        other -= first
        other *= weight.astype(dtype).reshape(wide)
        result += other
    return result


def _linear_taps(coordinates: NDArray[np.float64], size: int) -> tuple[list[NDArray], list[NDArray]]:
    below = np.floor(coordinates).astype(np.intp)
    part = coordinates - below
    above = np.where(part > 0, np.minimum(below + 1, size - 1), below)
    return [below, above], [1 - part, part]


def _cubic_taps(coordinates: NDArray[np.float64], size: int) -> tuple[list[NDArray], list[NDArray]]:
    below = np.floor(coordinates).astype(np.intp)
    t = coordinates - below
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return [_mirrored(below + step, size) for step in (-1, 0, 1, 2)], [weight / 6 for weight in weights]


_TAPS = {Interpolation.LINEAR: _linear_taps, Interpolation.CUBIC: _cubic_taps}


def _mirrored(indices: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Indices reflected about the outermost centres until they lie inside."""
    if size == 1:
        return np.zeros_like(indices)
    period = 2 * (size - 1)
    folded = np.abs(indices) % period
    mirrored: NDArray[np.intp] = np.minimum(folded, period - folded)
    return mirrored


def _resample_oblique(array: NDArray, index_map: NDArray[np.float64], method: Interpolation, result: NDArray) -> None:
    """Fill `result` point by point, a run of voxels at a time so that memory stays small beside the volumes."""
    values = _prefiltered(array, method)
    last = np.array(array.shape)[:, np.newaxis] - 1
    flat = result.reshape(-1)
    for run, points in _runs(result.shape):
        coordinates = index_map[:-1, :-1] @ points + index_map[:-1, -1:]
        inside = _is_inside(coordinates, last + 1).all(axis=0)
        coordinates = coordinates[:, inside]
        if method is Interpolation.NEAREST:
            flat[run][inside] = array[tuple(_nearest(coordinates, last + 1))]
        else:
            order = 1 if method is Interpolation.LINEAR else 3
            clamped = np.clip(coordinates, 0, last)
            flat[run][inside] = ndimage.map_coordinates(
                values, clamped, output=result.dtype, order=order, mode="mirror", prefilter=False
            )


def _runs(shape: tuple[int, ...]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Slices of the flat array, each with the (n, points) indices of its voxels."""
    total = int(np.prod(shape))
    for start in range(0, total, _POINTS_AT_ONCE):
        run = slice(start, min(start + _POINTS_AT_ONCE, total))
        yield run, np.array(np.unravel_index(np.arange(run.start, run.stop), shape), dtype=np.float64)


def _snapped(step: float, start: float, size: int) -> NDArray[np.float64]:
    """Source coordinates of `size` target voxels along an axis, whole ones exactly whole."""
    count = np.arange(size, dtype=np.float64)
    coordinates: NDArray[np.float64] = start + step * count
    whole: NDArray[np.float64] = np.rint(start) + np.rint(step) * count
    if abs(np.rint(step)) == 1 and np.abs(coordinates - whole).max() <= _SNAP_VOXEL:
        return whole
    nearest = np.rint(coordinates)
    on_centre = np.abs(coordinates - nearest) <= _ROUNDING_VOXEL
    coordinates[on_centre] = nearest[on_centre]
    return coordinates


def _is_inside(coordinates: NDArray[np.float64], size: int | NDArray) -> NDArray[np.bool_]:
    margin = 0.5 + _ROUNDING_VOXEL
    return (coordinates >= -margin) & (coordinates <= size - 1 + margin)


def _nearest(coordinates: NDArray[np.float64], size: int | NDArray) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = np.clip(np.floor(coordinates + (0.5 + _ROUNDING_VOXEL)), 0, size - 1).astype(np.intp)
    return nearest
