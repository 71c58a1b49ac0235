"""Diameters of objects: examples by hand, and all pairs of voxel corners as the oracle."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from medseg.errors import GeometryError
from medseg.geometry.diameters import slice_diameters


def test_one_voxel_is_as_long_as_its_diagonal_and_the_line_across_goes_corner_to_corner():
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = True
    found = slice_diameters(mask, np.diag([2.0, 3.0, 3.0]))
    assert found.longest_mm == pytest.approx(3 * np.sqrt(2))
    assert found.across_mm == pytest.approx(3 * np.sqrt(2))
    assert found.slice_index == 1
    assert sorted(found.longest_ends_voxel + found.across_ends_voxel) == [
        pytest.approx(corner) for corner in [(1, 1.5, 2.5), (1, 1.5, 3.5), (1, 2.5, 2.5), (1, 2.5, 3.5)]
    ]


def test_a_bar_of_4_by_3_mm_is_5_mm_long_and_the_line_across_lies_at_a_right_angle():
    # The diagonal of 3 x 4 is 5; the other one across a rectangle, at a right angle to it from the corner (0, 4),
    # meets the upper side: its length is short side / cos(angle) = 3 / (4 / 5).
    mask = np.ones((1, 3, 4), bool)
    found = slice_diameters(mask, np.eye(3))
    assert found.longest_mm == pytest.approx(5.0)
    assert found.across_mm == pytest.approx(3 / (4 / 5))
    (_, *start), (_, *stop) = found.longest_ends_voxel
    (_, *left), (_, *right) = found.across_ends_voxel
    assert np.dot(np.subtract(stop, start), np.subtract(right, left)) == pytest.approx(0, abs=1e-9)


def test_voxels_that_are_not_square_count_in_millimetres():
    # Two voxels along the axis of 0.5 mm, one of 2 mm: 1 mm by 2 mm.
    mask = np.ones((1, 1, 2), bool)
    assert slice_diameters(mask, np.diag([9.0, 2.0, 0.5])).longest_mm == pytest.approx(np.hypot(2.0, 1.0))


def test_the_slice_of_the_longest_is_taken_and_a_line_does_not_run_through_slices():
    mask = np.zeros((4, 3, 9), bool)
    mask[0, 1, :3] = mask[2, 1, 2:8] = mask[3, 1, 3:9] = True
    found = slice_diameters(mask, np.eye(3))
    assert found.slice_index == 2
    assert found.longest_mm == pytest.approx(np.hypot(6, 1))
    along_last = slice_diameters(mask.transpose(1, 2, 0), np.eye(3), slice_axis=2)
    assert along_last.slice_index == 2
    assert along_last.longest_ends_voxel[0][2] == 2


def test_a_disc_of_10_mm_is_10_mm_long_and_across_within_a_voxel():
    y, x = np.mgrid[-12:13, -12:13]
    mask = (y**2 + x**2 <= 10**2)[None]
    found = slice_diameters(mask, np.diag([5.0, 0.5, 0.5]))
    assert found.longest_mm == pytest.approx(10.0, abs=0.75)
    assert found.across_mm == pytest.approx(10.0, abs=0.75)


def test_an_empty_mask_has_none_and_a_picture_is_refused():
    assert slice_diameters(np.zeros((2, 2, 2)), np.eye(3)) is None
    with pytest.raises(GeometryError, match="a mask of 3 axes and a step for each"):
        slice_diameters(np.zeros((2, 2)), np.eye(3))


def corners_of(plane):
    """All four corners of all voxels."""
    voxels = np.argwhere(plane)
    return np.unique(np.concatenate([voxels + np.array([a, b]) for a in (-0.5, 0.5) for b in (-0.5, 0.5)]), axis=0)


def reach_at(plane, steps, origin, along, place):
    """Extent, at a right angle to `along`, of the voxels' cross-section there: each voxel's square cut on its own."""
    across = np.array([-along[1], along[0]])
    heights = []
    for voxel in np.argwhere(plane):
        square = (voxel + np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])) @ steps.T - origin
        for one, other in zip(square, np.roll(square, -1, axis=0), strict=True):
            t = np.array([one @ along, other @ along])
            u = np.array([one @ across, other @ across])
            if t.min() - 1e-9 <= place <= t.max() + 1e-9:
                share = 0.0 if abs(np.ptp(t)) < 1e-9 else (place - t[0]) / (t[1] - t[0])
                heights.append(u[0] + share * (u[1] - u[0]))
    return np.ptp(heights) if heights else 0.0


@pytest.mark.parametrize("seed", range(6))
def test_both_diameters_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(3, 9, 11)), (0, 1, 1)) > 0.15
    sheared = np.array([[2.0, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.1, 0.6]])
    steps = np.diag([3.0, 0.7, 1.1]) if seed % 2 else sheared
    longest = []
    for plane in mask:
        points = corners_of(plane) @ steps[:, 1:].T
        longest.append(np.linalg.norm(points[:, None] - points[None], axis=-1).max())
    found = slice_diameters(mask, steps)
    assert found.longest_mm == pytest.approx(max(longest))
    assert found.slice_index == int(np.argmax(longest))
    start, stop = (np.array(end) @ steps.T for end in found.longest_ends_voxel)
    left, right = (np.array(end) @ steps.T for end in found.across_ends_voxel)
    assert np.linalg.norm(stop - start) == pytest.approx(found.longest_mm)
    assert np.linalg.norm(right - left) == pytest.approx(found.across_mm)
    assert (stop - start) @ (right - left) == pytest.approx(0, abs=1e-9)
    # In the plane of an orthonormal frame whose first axis is the longest diameter.
    plane, in_plane = mask[found.slice_index], np.linalg.qr(steps[:, 1:])[1]
    line = in_plane @ np.subtract(found.longest_ends_voxel[1], found.longest_ends_voxel[0])[1:]
    along = line / np.linalg.norm(line)
    places = np.unique((corners_of(plane) @ in_plane.T) @ along)
    widest = max(reach_at(plane, in_plane, np.zeros(2), along, place) for place in places)
    assert found.across_mm == pytest.approx(widest)


def test_an_object_as_rough_as_noise_takes_no_more_memory_than_its_slice():
    """A square frame with noise inside: both diameters are the square's diagonals."""
    mask = np.random.default_rng(0).random((1, 200, 200)) < 0.5
    mask[0, [0, -1], :] = mask[0, :, [0, -1]] = True
    tracemalloc.start()
    found = slice_diameters(mask, np.eye(3))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.longest_mm == pytest.approx(200 * np.sqrt(2))
    assert found.across_mm == pytest.approx(200 * np.sqrt(2))
    assert most < 300e6
