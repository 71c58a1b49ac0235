"""Contours along voxel edges: by hand, against matplotlib and scikit-image, and as a law for random masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path as DrawnPath
from skimage.draw import polygon2mask

from medseg.geometry.contours import ON_CONTOUR_VOXEL, filled, outlines

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])


def _area(polygon):
    x, y = polygon.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def test_one_voxel_is_bounded_by_a_unit_square_half_a_voxel_around_its_centre():
    mask = np.zeros((5, 4))
    mask[3, 1] = 1
    (polygon,) = outlines(mask)
    assert sorted(map(tuple, polygon)) == [(2.5, 0.5), (2.5, 1.5), (3.5, 0.5), (3.5, 1.5)]


def test_an_empty_mask_has_no_outline_and_no_polygon_fills_nothing():
    assert outlines(np.zeros((3, 3))) == []
    assert not filled([], (3, 3)).any()


def test_voxels_that_touch_at_a_corner_are_two_regions():
    assert [_area(polygon) for polygon in outlines(np.eye(2))] == [1.0, 1.0]


def test_a_hole_is_joined_by_a_keyhole_so_that_one_polygon_has_the_area_of_the_ring():
    (polygon,) = outlines(RING)
    assert _area(polygon) == 8.0
    # 4 corners outside, 4 inside, and the channel's two ends once more.
    assert len(polygon) == 10
    assert filled([polygon], (3, 3)).tolist() == (RING == 1).tolist()


def test_a_region_in_a_hole_in_a_region_has_a_polygon_of_its_own():
    mask = np.ones((7, 7))
    mask[1:-1, 1:-1] = 0
    mask[3, 3] = 1
    assert sorted(_area(polygon) for polygon in outlines(mask)) == [1.0, 24.0]


@settings(max_examples=150, deadline=None)
@given(mask=MASKS)
def test_filling_the_outlines_of_a_mask_gives_the_mask(mask):
    polygons = outlines(mask)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)
    np.testing.assert_array_equal(filled([polygon[:, ::-1] for polygon in polygons], mask.T.shape), mask.T)
    assert sum(_area(polygon) for polygon in polygons) == pytest.approx(mask.sum())


@settings(max_examples=60, deadline=None)
@given(mask=MASKS, seed=st.integers(0, 1000))
def test_points_may_move_by_a_quarter_voxel_each(mask, seed):
    # The two sides of a channel move alike, as they do where a file rounds them.
    moved = {}
    rng = np.random.default_rng(seed)
    polygons = [
        np.array([moved.setdefault(tuple(point), point + rng.uniform(-0.25, 0.25, 2)) for point in polygon])
        for polygon in outlines(np.pad(mask, 1))
    ]
    kept = [polygon for polygon in polygons if len({tuple(point) for point in polygon}) == len(polygon)]
    if len(kept) == len(polygons):  # a channel whose ends lie on longer edges may open when they bend
        np.testing.assert_array_equal(filled(polygons, np.pad(mask, 1).shape), np.pad(mask, 1))


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_matplotlib_finds_the_same_voxels_in_each_polygon(mask):
    found = np.zeros(mask.shape, dtype=bool)
    centres = np.argwhere(np.ones(mask.shape))
    for polygon in outlines(mask):
        inside = DrawnPath(np.vstack([polygon, polygon[:1]]), closed=True).contains_points(centres)
        assert not found.ravel()[inside].any()
        found |= inside.reshape(mask.shape)
    np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("seed", range(20))
def test_scikit_image_and_matplotlib_fill_a_smooth_contour_alike(seed):
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = 15 + 4 * np.sin(3 * angles + rng.uniform(0, 6)) + rng.uniform(-1, 1, 40)
    polygon = np.stack([20.3 + radii * np.cos(angles), 24.7 + radii * np.sin(angles)], axis=1)
    ours = filled([polygon], (41, 50))
    centres = np.argwhere(np.ones((41, 50)))
    is_clear = (_distance(centres, polygon) > ON_CONTOUR_VOXEL).reshape(41, 50)

    assert np.count_nonzero(~is_clear) < 10
    drawn = DrawnPath(polygon).contains_points(centres).reshape(41, 50)
    np.testing.assert_array_equal(ours[is_clear], drawn[is_clear])
    np.testing.assert_array_equal(ours[is_clear], polygon2mask((41, 50), polygon)[is_clear])
    assert ours[drawn].all()


def _distance(points, polygon):
    """From each point to the nearest of the polygon's edges."""
    start, edge = polygon[None], (np.roll(polygon, -1, axis=0) - polygon)[None]
    along = np.sum((points[:, None] - start) * edge, axis=-1) / np.sum(edge**2, axis=-1)
    return np.linalg.norm(points[:, None] - start - np.clip(along, 0, 1)[..., None] * edge, axis=-1).min(axis=1)


def test_a_contour_through_the_centres_holds_the_voxels_it_runs_through():
    # A rectangle from centre to centre, and a diamond: 3 x 4 voxels; 1 + 3 + 5 + 3 + 1.
    assert np.argwhere(filled([[(1, 2), (3, 2), (3, 5), (1, 5)]], (6, 8))).tolist() == [
        [x, y] for x in (1, 2, 3) for y in (2, 3, 4, 5)
    ]
    assert filled([[(2, 0), (4, 2), (2, 4), (0, 2)]], (5, 5)).sum() == 13
    assert filled([[(2, 0), (4, 2), (2, 4), (0, 2)]], (5, 5), with_edges=False).sum() == 5


def test_two_decimals_do_not_move_a_contour_off_the_centres_it_runs_through():
    rectangle = np.array([(1, 2), (3, 2), (3, 5), (1, 5)]) + 0.005 * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    assert filled([rectangle], (6, 8)).sum() == 12


def test_what_lies_outside_the_plane_is_cut_off():
    mask = filled([[(-1e9, -1e9), (1.5, -1e9), (1.5, 1e9), (-1e9, 1e9)]], (4, 3))
    assert mask.tolist() == [[True] * 3, [True] * 3, [False] * 3, [False] * 3]
    assert not filled([[(10, 10), (12, 10), (12, 12)]], (4, 3)).any()
    assert not filled([[(-9, -9), (-7, -9), (-7, -7)]], (4, 3)).any()
