"""Random changes of place: mirrored, turned, scaled and elastically bent patches, with one interpolation in all.

Drawing is separate from applying: a `SpatialChange` says all, and the same one applied twice gives the same bytes.
Everything is sampled straight from the whole image at the places of the patch's voxels, so that a turned patch has
true image content up to its corners; beyond the image's edge, content is mirrored, as the U-Net paper does.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from medseg.config import Augmentation


@dataclass(frozen=True)
class SpatialChange:
    """Where each voxel of a patch comes from.

    Attributes:
        start: index of the patch's first voxel in the image, before any change; may lie outside.
        flips: whether each spatial axis is mirrored.
        quarter_turns: turns by 90 degrees in the plane of the first two spatial axes, 0..3.
        matrix: (n, n) from an offset to the patch's centre, in voxels, to that in the image; None is the identity.
        displacements: (n, *control points) shifts in voxels on a coarse lattice; None is no shift.
        lattice_voxel: distance between the lattice's points along each axis.
    """

    start: tuple[int, ...]
    flips: tuple[bool, ...]
    quarter_turns: int = 0
    matrix: NDArray[np.float64] | None = None
    displacements: NDArray[np.float32] | None = None
    lattice_voxel: tuple[float, ...] = ()


def draw_spatial_change(
    rng: np.random.Generator,
    settings: Augmentation,
    *,
    start: tuple[int, ...],
    patch_size: Sequence[int],
    spacing_mm: Sequence[float],
) -> SpatialChange:
    """A change drawn as `settings` say.

    Angles and distances are meant in the world: where voxels are longer along one axis, `spacing_mm` keeps a turned
    ball a ball. Lengths given in voxels are in units of the smallest voxel side.
    """
    ndim = len(patch_size)
    flips = tuple(bool(value) for value in rng.random(ndim) < settings.flip_probability)
    can_turn = patch_size[0] == patch_size[1] and math.isclose(spacing_mm[0], spacing_mm[1], rel_tol=1e-2)
    turns = int(rng.integers(1, 4)) if rng.random() < settings.rotate90_probability and can_turn else 0
    ratio = np.asarray(spacing_mm, dtype=np.float64) / min(spacing_mm)
    matrix = _draw_matrix(rng, settings, ratio=ratio) if rng.random() < settings.affine_probability else None
    if rng.random() >= settings.elastic_probability or settings.elastic_sigma_voxel == 0:
        return SpatialChange(start, flips, turns, matrix)
    lattice = tuple(float(value) for value in settings.elastic_spacing_voxel / ratio)
    counts = [cubic_basis(size, gap).shape[1] for size, gap in zip(patch_size, lattice, strict=True)]
    drawn = rng.standard_normal((ndim, *counts)) * settings.elastic_sigma_voxel
    displacements = (drawn / ratio.reshape(-1, *[1] * ndim)).astype(np.float32)
    return SpatialChange(start, flips, turns, matrix, displacements, lattice)


def take_patch(
    layers: Sequence[NDArray[np.float32]],
    classes: NDArray[np.integer],
    change: SpatialChange,
    *,
    patch_size: Sequence[int],
) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    """The patch of all layers, (all channels, *patch), linearly interpolated, and that of classes, (*patch), nearest.

    Args:
        layers: (channels, *spatial) each; what is interpolated alike: the image, and the weights where there are any.
        classes: (*spatial) class indices.
        change: where each voxel comes from.
        patch_size: size of the result.
    """
    if change.matrix is None and change.displacements is None:
        taken = _copy_region(layers, classes, change.start, patch_size)
    else:
        taken = _interpolate(layers, classes, _source_places(change, patch_size))
    return _turned(taken[0], change, leading=1), _turned(taken[1], change, leading=0)


def reflected(places: NDArray[Any], size: int) -> NDArray[Any]:
    """Places along an axis of `size` voxels, those outside mirrored at the centres of the outermost voxels."""
    if size == 1:
        return np.zeros_like(places)
    period = 2 * (size - 1)
    within = np.mod(places, period)
    return np.asarray(np.minimum(within, period - within))


@functools.lru_cache(maxsize=64)
def cubic_basis(length: int, spacing_voxel: float) -> NDArray[np.float32]:
    """(length, control points) weights that interpolate a lattice of that spacing at each voxel of an axis.

    Keys' cubic convolution (a = -1/2), doi 10.1109/TASSP.1981.1163711; in two axes, the bicubic interpolation of the
    U-Net paper. The lattice is centred on the axis and reaches one point beyond its ends on both sides.
    """
    intervals = max(1, math.ceil((length - 1) / spacing_voxel))
    places = (np.arange(length) - (length - 1) / 2) / spacing_voxel + intervals / 2 + 1
    distance = np.abs(places[:, np.newaxis] - np.arange(intervals + 3))
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1.0
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4.0 * distance + 2.0
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0)).astype(np.float32)


def _draw_matrix(rng: np.random.Generator, settings: Augmentation, *, ratio: NDArray[Any]) -> NDArray[np.float64]:
    """Rotation and scaling in the world, written for voxel offsets; a scale above 1 shows things larger."""
    limit = math.radians(settings.rotate_degrees)
    rotation = np.eye(ratio.size)
    for first, second in ((0, 1),) if ratio.size == 2 else ((0, 1), (0, 2), (1, 2)):
        angle = rng.uniform(-limit, limit)
        turn = np.eye(ratio.size)
        turn[[first, second], [first, second]] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        rotation = rotation @ turn
    scale = rng.uniform(1.0 - settings.scale_fraction, 1.0 + settings.scale_fraction)
    return np.asarray(rotation * ratio[np.newaxis, :] / ratio[:, np.newaxis] / scale)


def _source_places(change: SpatialChange, patch_size: Sequence[int]) -> list[NDArray[np.float32]]:
    """For each axis the place in the image, in voxels, of each of the patch's voxels; (*patch) each."""
    ndim = len(patch_size)
    centre = [start + (size - 1) / 2 for start, size in zip(change.start, patch_size, strict=True)]
    matrix = np.eye(ndim) if change.matrix is None else change.matrix
    offsets = [_along(np.arange(size) - (size - 1) / 2, axis, ndim) for axis, size in enumerate(patch_size)]
    places = []
    for axis in range(ndim):
        place = np.empty(tuple(patch_size), dtype=np.float32)
        place[...] = sum(
            ((matrix[axis, other] * offsets[other]).astype(np.float32) for other in range(1, ndim)),
            start=(matrix[axis, 0] * offsets[0] + centre[axis]).astype(np.float32),
        )
        places.append(place)
    if change.displacements is not None:
        shifts = _upsampled(change.displacements, patch_size, change.lattice_voxel)
        places = [np.add(place, shift, out=place) for place, shift in zip(places, shifts, strict=True)]
    return places


def _upsampled(
    displacements: NDArray[np.float32], patch_size: Sequence[int], lattice_voxel: Sequence[float]
) -> NDArray[np.float32]:
    """(n, *patch) shifts of each voxel from (n, *control points).

    A sum over the few control points, written out: unlike a matrix product it does not depend on the number of
    threads of a BLAS library, to the last bit.
    """
    field = displacements
    for axis, (size, gap) in enumerate(zip(patch_size, lattice_voxel, strict=True), start=1):
        basis = cubic_basis(size, gap)
        shape = (*field.shape[:axis], size, *field.shape[axis + 1 :])
        result, term = np.zeros(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
        for point in range(basis.shape[1]):
            weights = _along(basis[:, point], axis, field.ndim)
            result += np.multiply(np.take(field, [point], axis=axis), weights, out=term)
        field = result
    return field


def _along(values: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """Values of one axis, shaped to be broadcast over the others."""
    return values.reshape([-1 if other == axis else 1 for other in range(ndim)])


def _copy_region(
    layers: Sequence[NDArray[np.float32]], classes: NDArray[np.integer], start: Sequence[int], patch_size: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    """The region as it is, always a copy; mirrored beyond the image's edge."""
    region: tuple[slice, ...] = tuple(slice(at, at + size) for at, size in zip(start, patch_size, strict=True))
    if all(side.start >= 0 and side.stop <= size for side, size in zip(region, classes.shape, strict=True)):
        return np.concatenate([layer[(slice(None), *region)] for layer in layers]), classes[region].copy()
    inside = [
        reflected(np.arange(side.start, side.stop), size) for side, size in zip(region, classes.shape, strict=True)
    ]
    parts = [layer[np.ix_(np.arange(layer.shape[0]), *inside)] for layer in layers]
    return np.concatenate(parts), classes[np.ix_(*inside)]


def _interpolate(
    layers: Sequence[NDArray[np.float32]], classes: NDArray[np.integer], places: list[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
    """Values at `places`, cut out of the smallest box that holds them before they are sampled."""
    ndim = classes.ndim
    grid = np.empty((*places[0].shape, ndim), dtype=np.float32)
    box, flat = [], np.zeros(places[0].shape, dtype=np.int32)
    for axis, (place, size) in enumerate(zip(places, classes.shape, strict=True)):
        lowest, highest = float(place.min()), float(place.max())
        if lowest < 0 or highest > size - 1:
            place = reflected(place, size)  # noqa: PLW2901 - the same places, brought inside
            lowest, highest = float(place.min()), float(place.max())
        first = min(math.floor(lowest), size - 1)
        length = min(math.ceil(highest), size - 1) - first + 1
        box.append(slice(first, first + length))
        local = place - np.float32(first)
        flat *= length
        flat += np.rint(local).astype(np.int32)
        # torch counts from -1 to 1 between the outermost voxel centres, the last axis first.
        np.multiply(local, np.float32(2.0 / max(1, length - 1)), out=grid[..., ndim - 1 - axis])
    grid -= np.float32(1.0)
    region = np.concatenate([layer[(slice(None), *box)] for layer in layers])
    sampled = F.grid_sample(
        torch.from_numpy(region)[None], torch.from_numpy(grid)[None], padding_mode="border", align_corners=True
    )
    return sampled[0].numpy(), classes[tuple(box)].reshape(-1)[flat]


def _turned(patch: NDArray[Any], change: SpatialChange, *, leading: int) -> NDArray[Any]:
    """The patch mirrored and turned by quarters, which needs no interpolation."""
    mirrored = tuple(leading + axis for axis, flip in enumerate(change.flips) if flip)
    if mirrored:
        patch = np.flip(patch, axis=mirrored)
    if change.quarter_turns:
        patch = np.rot90(patch, change.quarter_turns, axes=(leading, leading + 1))
    return np.ascontiguousarray(patch)
