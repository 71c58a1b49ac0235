"""Assertions that many tests share, each a law that holds for anything of its kind."""

import numpy as np

from medseg.images import LabelMap


def assert_same_item(actual, expected, *, tolerance_mm=0.0):
    """Two images or label maps agree in values, type, places, axes, meaning and origin."""
    assert type(actual) is type(expected)
    assert actual.array.dtype == expected.array.dtype
    np.testing.assert_array_equal(actual.array, expected.array)
    assert actual.grid.is_same_as(expected.grid, tolerance_mm=tolerance_mm or None)
    assert actual.axes == expected.axes
    assert actual.metadata == expected.metadata
    if isinstance(expected, LabelMap):
        assert (actual.labels, actual.kind) == (expected.labels, expected.kind)


def assert_round_trip(item, there, back):
    """`back(there(item))` is `item`."""
    assert_same_item(back(there(item)), item)


def marked(item, voxel):
    """`item` with zeros everywhere but a 1 at `voxel`, in every channel."""
    array = np.zeros_like(item.array)
    array[(..., *voxel)] = 1
    return item.replace(array=array)


def world_of_mark(item):
    """World position in mm of the only voxel that is not 0."""
    spatial = item.array.reshape(-1, *item.spatial_shape)[0]
    found = np.argwhere(spatial)
    assert len(found) == 1, f"{len(found)} voxels carry the mark"
    return item.affine.apply(found[0])


def assert_mark_stays_in_place(item, voxel, operation):
    """A voxel that is the only one to differ from 0 has the same world position after `operation`."""
    before = marked(item, voxel)
    after = operation(before)
    np.testing.assert_allclose(world_of_mark(after), item.affine.apply(voxel), rtol=0, atol=item.grid.tolerance_mm)


def assert_tiles_cover(shape, tiles, *, size):
    """Each voxel lies in some tile; each tile has `size`, cut down to the image, and lies inside it."""
    covered = np.zeros(shape, dtype=int)
    for tile in tiles:
        assert all(0 <= part.start < part.stop <= length for part, length in zip(tile, shape, strict=True))
        assert tuple(part.stop - part.start for part in tile) == tuple(map(min, size, shape))
        covered[tile] += 1
    assert covered.min() >= 1
    assert len({tuple(part.start for part in tile) for tile in tiles}) == len(tiles), "a tile stands twice"


def assert_stitching_keeps_constant(shape, tiles, window, *, constant):
    """The weighted mean over tiles of a constant is that constant."""
    total = np.zeros(shape, dtype=np.float32)
    weight = np.zeros(shape, dtype=np.float32)
    for tile in tiles:
        total[tile] += window * np.float32(constant)
        weight[tile] += window
    np.testing.assert_allclose(total / weight, constant, rtol=1e-5)
