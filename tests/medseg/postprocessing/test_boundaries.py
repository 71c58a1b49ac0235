"""Closing gaps of a boundary, on pictures small enough to draw."""

import numpy as np
from scipy import ndimage

from medseg.postprocessing import boundary_lines


def _wall_with_a_weak_spot(strength: float) -> np.ndarray:
    """Two rooms of 11 x 9 pixels, a wall between them that is sure but for one pixel."""
    probability = np.zeros((11, 19))
    probability[:, 9] = 0.9
    probability[5, 9] = strength
    return probability


def _rooms(lines: np.ndarray) -> int:
    return int(ndimage.label(~lines)[1])


def test_a_weak_spot_in_a_wall_is_closed():
    lines = boundary_lines(_wall_with_a_weak_spot(0.3), smoothing_voxel=0.0, depth=0.2)
    assert _rooms(lines) == 2
    assert lines[5].sum() == 1


def test_a_spot_weaker_than_the_depth_stays_a_door():
    lines = boundary_lines(_wall_with_a_weak_spot(0.1), smoothing_voxel=0.0, depth=0.2)
    assert not lines.any()


def test_the_line_runs_along_the_crest():
    lines = boundary_lines(_wall_with_a_weak_spot(0.3), smoothing_voxel=0.0, depth=0.2)
    assert lines[:, 9].all()
    assert lines.sum() == 11


def test_one_room_has_no_line():
    assert not boundary_lines(np.zeros((8, 8)), smoothing_voxel=1.0, depth=0.1).any()


def test_ripples_below_the_depth_part_nothing():
    rng = np.random.default_rng(0)
    assert not boundary_lines(rng.uniform(0, 0.1, (40, 40)), smoothing_voxel=0.0, depth=0.15).any()
