"""Objects cut into tiles and put together again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import GeometryError, InputError
from medseg.geometry.tiling import tile_slices
from medseg.postprocessing import renumber_objects, stitch_objects


def blobs(shape: tuple[int, ...], *, count: int, radius: float, seed: int) -> np.ndarray:
    """Balls about random centres; where two overlap the later one lies above."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape)
    labels = np.zeros(shape, dtype=np.uint16)
    for number in range(1, count + 1):
        centre = rng.uniform(0, shape).reshape(-1, *(1,) * len(shape))
        labels[((grid - centre) ** 2).sum(axis=0) <= radius**2] = number
    return labels


def as_partition(labels: np.ndarray) -> set[bytes]:
    return {np.packbits(labels == number).tobytes() for number in np.unique(labels[labels > 0])}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([(40, 50), (14, 20, 24)]))
def test_what_was_cut_is_whole_again(seed, shape):
    truth = blobs(shape, count=12, radius=4, seed=seed)
    tile = (24, 20) if len(shape) == 2 else (10, 12, 14)
    rng = np.random.default_rng(seed)
    tiles = []
    for place in tile_slices(shape, tile, overlap_fraction=0.4):
        numbers = rng.permutation(1000)[: truth.max() + 1] + 1
        tiles.append((place, np.where(truth[place] > 0, numbers[truth[place]], 0)))
    stitched = stitch_objects(tiles, spatial_shape=shape)
    assert as_partition(stitched) == as_partition(truth)
    assert np.array_equal(np.unique(stitched), np.arange(stitched.max() + 1))


def test_one_tile_is_the_image():
    labels = blobs((20, 20), count=4, radius=4, seed=1)
    whole = (slice(0, 20), slice(0, 20))
    assert np.array_equal(stitch_objects([(whole, labels)], spatial_shape=(20, 20)), renumber_objects(labels)[0])


def test_objects_that_share_half_of_their_union_or_less_stay_two():
    # Columns 2 to 5 are covered twice. There the first tile says 2, 3, 4 and the second 3, 4, 5: IoU 2/4.
    first = (slice(0, 1), slice(0, 6)), np.array([[0, 0, 1, 1, 1, 0]])
    second = (slice(0, 1), slice(2, 8)), np.array([[0, 1, 1, 1, 1, 0]])
    stitched = stitch_objects([first, second], spatial_shape=(1, 8))
    # Columns up to 3 lie as deep in the first tile or deeper, from 4 on in the second.
    assert stitched.tolist() == [[0, 0, 1, 1, 2, 2, 2, 0]]


def test_an_object_that_three_tiles_share_is_one():
    tiles = [((slice(0, 1), slice(start, start + 6)), np.ones((1, 6), dtype=int)) for start in (0, 3, 6)]
    assert stitch_objects(tiles, spatial_shape=(1, 12)).tolist() == [[1] * 12]


def test_tiles_without_overlap_leave_a_cut_object_cut():
    tiles = [((slice(0, 1), slice(start, start + 2)), np.ones((1, 2), dtype=int)) for start in (0, 2)]
    assert stitch_objects(tiles, spatial_shape=(1, 4)).tolist() == [[1, 1, 2, 2]]


def test_what_no_tile_covers_is_background():
    assert not stitch_objects([], spatial_shape=(3, 4)).any()


def test_wrong_places_and_limits_are_refused():
    place = (slice(0, 2), slice(0, 3))
    with pytest.raises(GeometryError, match=r"expected a tile of its place's size \(2, 3\)"):
        stitch_objects([(place, np.zeros((3, 2), dtype=int))], spatial_shape=(4, 4))
    with pytest.raises(GeometryError, match=r"inside \(2, 2\)"):
        stitch_objects([(place, np.zeros((2, 3), dtype=int))], spatial_shape=(2, 2))
    with pytest.raises(InputError, match=r"expected min_iou of at least 0.5 and below 1, got 0.4"):
        stitch_objects([], spatial_shape=(2, 2), min_iou=0.4)
