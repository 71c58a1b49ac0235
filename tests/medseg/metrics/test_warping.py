"""The warping error: what bending the boundaries explains, and what it does not."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import euler_number

from medseg.errors import GeometryError, InputError
from medseg.metrics.warping import simple_neighbourhoods, warped_cells, warping_error


def cells(*rows):
    return np.array([[letter == "." for letter in row] for row in rows])


def walls(*columns, shape=(6, 15)):
    array = np.ones(shape, bool)
    array[:, list(columns)] = False
    return array


def error(reference, prediction, **words):
    return warping_error(reference_cells=reference, prediction_cells=prediction, **words)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((7,), (8,)),  # a wall of one pixel moved by one
        ((6, 7, 8), (8, 9, 10)),  # one of three pixels moved by two
        ((6, 7), (4, 5, 6, 7, 8, 9)),  # thickened
        ((3, 4, 5, 10), (4, 11)),  # two walls, one thinned and one moved
    ],
)
def test_moved_thickened_and_thinned_walls_are_no_error(before, after):
    assert error(walls(*before), walls(*after)) == 0.0
    assert error(walls(*before).T, walls(*after).T) == 0.0


def test_a_wall_moved_by_more_than_its_width_is_an_error_of_the_greedy_search():
    # Nothing in between disagrees, so the wall cannot move: its 6 pixels stay, and of the new one, which grows from the
    # frame, the last is missing, for with it a third cell would arise.
    assert error(walls(5), walls(7)) == (6 + 1) / (6 * 15)


def test_a_merger_costs_the_pixels_of_the_missing_wall():
    # The wall shrinks from neither end: cells lie on both sides of each of its pixels.
    assert error(walls(7), walls()) == 6 / (6 * 15)


def test_a_gap_costs_its_pixels_however_the_rest_is_bent():
    gap = walls(8)
    gap[2:4, 8] = True
    # The wall of 6 moves by one; two pixels are missing.
    assert error(walls(7), gap) == 2 / (6 * 15)


def test_a_split_costs_at_least_one_pixel():
    # The predicted wall grows from both ends as a bay of the frame and stops one pixel before it parts the cell.
    assert error(walls(), walls(7)) == 1 / (6 * 15)


def test_a_membrane_that_ends_inside_a_cell_is_no_error():
    stub = walls(7)
    stub[3:, 7] = True
    assert error(walls(), stub) == 0.0


@pytest.mark.parametrize("swap", [False, True])
def test_a_speck_of_membrane_in_a_cell_is_an_error_missed_or_made_up(swap):
    speck = walls()
    speck[2:5, 6:9] = False
    pair = (speck, walls()) if swap else (walls(), speck)
    # Made up, none of its 9 pixels touches membrane: no hole opens. Missed, 8 of 9 are filled and one stays.
    assert error(*pair) == (1 if swap else 9) / (6 * 15)


def test_cells_that_touch_at_a_corner_stay_apart():
    corner = cells("..##", "..##", "##..", "##..")
    joined = cells("..##", "...#", "#...", "##..")
    # One of the two pixels widens a cell at most up to the corner; flipping either joins both cells.
    assert error(corner, joined) == 2 / 16


def test_only_pixels_within_the_geometric_mask_are_flipped():
    thick = walls(4, 5, 6, 7, 8, 9, 10)
    # Of the wall's columns 5 to 10 that should be cell, 4 and 10 are 1 from a cell, 5 and 9 are 2, ..
    assert error(thick, walls(4), max_distance_pixels=2) == 4 * 6 / (6 * 15)
    assert error(thick, walls(4), max_distance_pixels=0) == 6 * 6 / (6 * 15)
    assert error(thick, walls(4)) == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_warping_keeps_the_topology_and_never_adds_disagreement(seed):
    rng = np.random.default_rng(seed)
    reference, prediction = (ndimage.gaussian_filter(rng.random((40, 40)), 1.5) > 0.5 for _ in range(2))
    warped = warped_cells(reference_cells=reference, prediction_cells=prediction)
    changed = warped != reference
    assert np.array_equal(warped[changed], prediction[changed])
    before, after = (np.pad(array, 1) for array in (reference, warped))  # the frame is membrane
    assert ndimage.label(before)[1] == ndimage.label(after)[1]
    assert ndimage.label(~before, np.ones((3, 3)))[1] == ndimage.label(~after, np.ones((3, 3)))[1]
    assert euler_number(before, connectivity=1) == euler_number(after, connectivity=1)
    assert error(reference, prediction) <= np.mean(reference != prediction)


@pytest.mark.parametrize("seed", range(3))
def test_no_simple_pixel_that_disagrees_is_left(seed):
    rng = np.random.default_rng(seed)
    reference, prediction = (ndimage.gaussian_filter(rng.random((30, 30)), 1.5) > 0.5 for _ in range(2))
    warped = warped_cells(reference_cells=reference, prediction_cells=prediction)
    for row, column in np.argwhere(warped != prediction):
        patch = np.pad(warped, 1)[row : row + 3, column : column + 3].reshape(-1)
        number = sum(int(patch[place]) << bit for bit, place in enumerate((0, 1, 2, 3, 5, 6, 7, 8)))
        assert not simple_neighbourhoods()[number]


@pytest.mark.parametrize("number", range(0, 256, 5))
def test_flipping_a_simple_pixel_changes_no_count_of_parts(number):
    patch = np.zeros((3, 3), bool)
    patch.reshape(-1)[[0, 1, 2, 3, 5, 6, 7, 8]] = [number >> bit & 1 for bit in range(8)]
    counts = []
    for centre in (False, True):
        patch[1, 1] = centre
        counts.append((ndimage.label(patch)[1], ndimage.label(~patch, np.ones((3, 3)))[1]))
    if simple_neighbourhoods()[number]:
        assert counts[0] == counts[1]


def test_a_map_agrees_with_itself_and_an_empty_one_is_undefined():
    noise = np.random.default_rng(0).random((20, 20)) > 0.5
    assert error(noise, noise) == 0.0
    assert np.isnan(error(np.ones((0, 4), bool), np.ones((0, 4), bool)))


def test_wrong_shapes_and_distances_are_refused():
    with pytest.raises(GeometryError, match=r"expected a slice with 2 axes.*Score a stack slice by slice"):
        error(np.ones((2, 3, 4), bool), np.ones((2, 3, 4), bool))
    with pytest.raises(GeometryError, match="prediction: expected the reference's shape"):
        error(walls(), walls(shape=(3, 3)))
    with pytest.raises(InputError, match="max_distance_pixels: expected 0 or more, got -1"):
        error(walls(), walls(), max_distance_pixels=-1)
