"""Coarser copies of an image or label map, each half as fine as the one before along the fine axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

_LONGEST_AXIS = 256
"""Voxels along the longest axis of the coarsest level."""
_MOST_LEVELS = 8
_NEARLY_AS_FINE = 1.5
"""Axes whose voxels are at most this many times as long as the shortest are halved: voxels come nearer to cubes."""


def halvings(shape: Sequence[int], spacing_mm: Sequence[float]) -> list[tuple[int, ...]]:
    """For each level after the first, by which factor (1 or 2) each spatial axis is made coarser."""
    sizes, spacing = list(shape), list(spacing_mm)
    found: list[tuple[int, ...]] = []
    while len(found) + 1 < _MOST_LEVELS and max(sizes) > _LONGEST_AXIS:
        finest = min(mm for mm, size in zip(spacing, sizes, strict=True) if size > 1)
        factors = tuple(
            2 if size > 1 and mm <= _NEARLY_AS_FINE * finest else 1 for mm, size in zip(spacing, sizes, strict=True)
        )
        found.append(factors)
        sizes = [-(-size // factor) for size, factor in zip(sizes, factors, strict=True)]
        spacing = [mm * factor for mm, factor in zip(spacing, factors, strict=True)]
    return found


def coarser_image(array: NDArray, factors: Sequence[int]) -> NDArray:
    """`array`, (channels, *spatial), with each block of voxels replaced by its mean, in its own type.

    A block at an odd end counts its last voxel twice, so that every voxel of the result has the same size.
    """
    parts = _parts(array, (1, *factors))
    total: NDArray[np.floating] = np.zeros(parts[0].shape, np.float64 if array.dtype.itemsize > 2 else np.float32)
    for part in parts:
        np.add(total, part, out=total)
    mean = total / len(parts)
    return (np.rint(mean) if array.dtype.kind in "iub" else mean).astype(array.dtype)


def coarser_labels(array: NDArray[np.integer], factors: Sequence[int]) -> NDArray[np.integer]:
    """`array`, (*spatial), with each block replaced by its most frequent value, the highest of several."""
    parts = _parts(array, factors)
    best, most = parts[0].copy(), np.zeros(parts[0].shape, np.uint8)
    for part in parts:
        count = sum((part == other).astype(np.uint8) for other in parts)
        wins = (count > most) | ((count == most) & (part > best))
        best, most = np.where(wins, part, best), np.maximum(most, count)
    return best


def _parts(array: NDArray, factors: Sequence[int]) -> list[NDArray]:
    """The first voxels of all blocks, the second ones, and so on."""
    padding = [(0, -size % factor) for size, factor in zip(array.shape, factors, strict=True)]
    even = np.pad(array, padding, mode="edge") if any(after for _, after in padding) else array
    steps = product(*(range(factor) for factor in factors))
    return [even[tuple(slice(step, None, factor) for step, factor in zip(at, factors, strict=True))] for at in steps]
