"""Putting the objects of overlapping tiles together into one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.postprocessing.morphology import renumber_objects

Tile = tuple[tuple[slice, ...], NDArray[np.integer]]
"""Place of a tile in the image, and the object numbers in it, which mean nothing outside the tile."""


def stitch_objects(tiles: Iterable[Tile], *, spatial_shape: Sequence[int], min_iou: float = 0.5) -> NDArray[np.uint32]:
    """Object numbers of the whole image, 1, 2, 3, ... in the order of the tiles; 0 is background.

    Two objects of two tiles are one when, among the voxels that both tiles cover, their intersection over union is
    above `min_iou`; what is one is joined along any chain of tiles. A voxel takes the answer of the tile that it lies
    deepest in, where the network saw most of its surroundings, and of the earlier tile where two are equal. Tiles that
    do not overlap share no evidence: an object that they cut stays cut. Tiles come one at a time and are not kept.

    Args:
        tiles: in any order (numbers depend on it); places as `medseg.geometry.tiling.tile_slices` gives them.
        spatial_shape: size of the image in voxels; what no tile covers is background.
        min_iou: 0.5 up to but not including 1; below 0.5 an object could be two at once.

    Raises:
        GeometryError: a tile does not have the shape of its place or lies outside the image.
        InputError: a `min_iou` outside its range.
        LabelError: numbers of a tile are not whole numbers of 0 or more.
    """
    if not 0.5 <= min_iou < 1:
        message = f"stitching: expected min_iou of at least 0.5 and below 1, got {min_iou}."
        raise InputError(message)
    canvas = _Canvas(tuple(spatial_shape))
    for place, labels in tiles:
        _check_place(place, labels.shape, canvas.objects.shape)
        canvas.add(place, labels, min_iou=min_iou)
    return canvas.joined()


class _Canvas:
    """The image so far: objects, which tile gave each voxel, how deep inside it that lay, and which objects are one."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.objects = np.zeros(shape, dtype=np.uint32)
        self._tile = np.zeros(shape, dtype=np.uint32)
        self._depth = np.zeros(shape, dtype=np.uint16)
        self._places: list[tuple[slice, ...]] = []
        self._same: list[int] = [0]

    def add(self, place: tuple[slice, ...], labels: NDArray[np.integer], *, min_iou: float) -> None:
        local, count = renumber_objects(labels)
        first = len(self._same)
        self._same.extend(range(first, first + count))
        new = np.where(local > 0, local + np.uint32(first - 1), np.uint32(0))
        for number, earlier in enumerate(self._places, start=1):
            common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(place, earlier, strict=True)]
            if all(side.start < side.stop for side in common):
                self._join(number, tuple(common), place, new, min_iou)
        self._places.append(place)
        depth = _depth(place, self.objects.shape)
        deeper = depth > self._depth[place]
        for whole, part in ((self.objects, new), (self._depth, depth)):
            np.copyto(whole[place], part, where=deeper)
        self._tile[place][deeper] = len(self._places)

    def _join(
        self, number: int, common: tuple[slice, ...], place: tuple[slice, ...], new: NDArray[np.uint32], min_iou: float
    ) -> None:
        """Join the new tile's objects with those that earlier tile `number` gave to the voxels of both."""
        inside = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(common, place, strict=True))
        counted = self._tile[common] == number
        old_ids, new_ids = self.objects[common][counted], new[inside][counted]
        pairs, sizes = np.unique(np.stack([old_ids, new_ids]), axis=1, return_counts=True)
        of_old, of_new = _sizes(pairs[0], sizes), _sizes(pairs[1], sizes)
        for old, fresh, shared in zip(*pairs.tolist(), sizes.tolist(), strict=True):
            if old and fresh and shared > min_iou * (of_old[old] + of_new[fresh] - shared):
                self._same[self._root(fresh)] = self._root(old)

    def _root(self, number: int) -> int:
        while self._same[number] != number:
            self._same[number] = self._same[self._same[number]]
            number = self._same[number]
        return number

    def joined(self) -> NDArray[np.uint32]:
        roots = np.array([self._root(number) for number in range(len(self._same))], dtype=np.uint32)
        return renumber_objects(roots[self.objects])[0]


def _sizes(ids: NDArray[np.uint32], counts: NDArray[np.integer]) -> dict[int, int]:
    totals: dict[int, int] = {}
    for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
        totals[number] = totals.get(number, 0) + count
    return totals


def _depth(place: tuple[slice, ...], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Voxels from each voxel to the nearest face of its tile, from 1; a face on the image's border cuts nothing."""
    most = np.iinfo(np.uint16).max
    depth = np.full(tuple(side.stop - side.start for side in place), most, dtype=np.uint16)
    for axis, (side, length) in enumerate(zip(place, shape, strict=True)):
        steps = np.arange(1, side.stop - side.start + 1)
        before = np.full_like(steps, most) if side.start == 0 else steps
        after = np.full_like(steps, most) if side.stop == length else steps[::-1]
        along = np.minimum(np.minimum(before, after), most).astype(np.uint16)
        np.minimum(depth, along.reshape([-1 if other == axis else 1 for other in range(len(place))]), out=depth)
    return depth


def _check_place(place: tuple[slice, ...], shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    sizes = tuple(side.stop - side.start for side in place)
    is_inside = len(place) == len(image) and all(
        side.start >= 0 and side.stop <= length for side, length in zip(place, image, strict=True)
    )
    if not is_inside or sizes != tuple(shape):
        message = f"stitching: expected a tile of its place's size {sizes} inside {image}, got {tuple(shape)}."
        raise GeometryError(message)
