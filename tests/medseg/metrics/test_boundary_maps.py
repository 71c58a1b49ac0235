import math

import numpy as np
import pytest
from cases.masks import BOUNDARY_CASES
from scipy import ndimage
from skimage.metrics import adapted_rand_error, variation_of_information

from medseg.errors import GeometryError, InputError
from medseg.metrics import boundary_maps as bm


def walls(width, columns=11, rows=7):
    """Two cells parted by a wall of odd `width` around the middle column."""
    cells = np.ones((rows, columns), bool)
    middle = columns // 2
    cells[:, middle - width // 2 : middle + width // 2 + 1] = False
    return cells


def grid_of_cells(width, size=33, step=16):
    """Four cells parted by crossing walls of odd `width`, with walls along the picture's edge."""
    cells = np.ones((size, size), bool)
    for line in range(0, size, step):
        cells[max(line - width // 2, 0) : line + width // 2 + 1, :] = False
        cells[:, max(line - width // 2, 0) : line + width // 2 + 1] = False
    return cells


def noisy_pair(seed, size=48):
    """Smooth random walls and a worn version of them."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), 3)
    worn = field + 0.35 * field.std() * ndimage.gaussian_filter(rng.normal(size=(size, size)), 1)
    wall = 0.35 * field.std()
    return np.abs(field) > wall, np.abs(worn) > wall


@pytest.mark.parametrize("case", BOUNDARY_CASES, ids=lambda case: case.name)
def test_scores_are_those_derived_by_hand(case):
    overlap = bm.region_overlap(reference_cells=case.reference_cells, prediction_cells=case.prediction_cells)
    assert bm.v_rand(overlap) == pytest.approx(case.v_rand)
    assert bm.v_info(overlap) == pytest.approx(case.v_info, abs=1e-12)


def test_a_merger_lowers_only_the_merge_score_and_a_split_only_the_split_score():
    by_name = {case.name: case for case in BOUNDARY_CASES}
    merged, split = (
        bm.region_overlap(
            reference_cells=by_name[name].reference_cells, prediction_cells=by_name[name].prediction_cells
        )
        for name in ("merged", "split")
    )
    assert bm.v_rand_merge(merged) == pytest.approx(128 / 256)
    assert bm.v_rand_split(merged) == 1.0
    assert bm.v_rand_split(split) == pytest.approx(132 / 400)
    assert bm.v_rand_merge(split) == 1.0
    assert bm.v_info_merge(merged) == 0.0
    assert bm.v_info_split(split) == 0.0


@pytest.mark.parametrize("width", [1, 3, 5])
@pytest.mark.parametrize("reference_width", [1, 3])
def test_walls_of_any_width_give_the_same_score(width, reference_width):
    overlap = bm.region_overlap(reference_cells=walls(reference_width), prediction_cells=walls(width))
    assert bm.v_rand(overlap) == 1.0
    assert bm.v_info(overlap) == pytest.approx(1.0)


@pytest.mark.parametrize("width", [3, 5, 7])
def test_thinned_walls_are_one_pixel_wide_and_part_as_many_cells(width):
    thinned = bm.cell_regions(grid_of_cells(width))
    assert set(np.unique(thinned)) == {0, 1, 2, 3, 4}
    along_a_row = np.flatnonzero(thinned[8] == 0)
    assert along_a_row.tolist() == [16]


def test_membrane_that_encloses_nothing_vanishes():
    cells = np.ones((9, 9), bool)
    cells[3:6, 3:6] = False
    assert (bm.cell_regions(cells) == 1).all()


def test_cells_that_touch_at_a_corner_only_are_two():
    cells = np.array([[True, False], [False, True]])
    assert bm.label_cells(cells).max() == 2


def test_a_prediction_of_membrane_only_is_one_region_as_in_the_challenge():
    reference = walls(1)
    nothing = bm.region_overlap(reference_cells=reference, prediction_cells=np.zeros_like(reference))
    everything = bm.region_overlap(reference_cells=reference, prediction_cells=np.ones_like(reference))
    assert nothing == everything


def test_a_reference_without_cells_is_undefined():
    empty = np.zeros((5, 5), bool)
    overlap = bm.region_overlap(reference_cells=empty, prediction_cells=~empty)
    assert math.isnan(bm.v_rand(overlap))
    assert math.isnan(bm.v_info(overlap))


def test_one_region_in_both_has_v_rand_1_and_no_v_info():
    full = np.ones((5, 5), bool)
    overlap = bm.region_overlap(reference_cells=full, prediction_cells=full)
    assert bm.v_rand(overlap) == 1.0
    assert math.isnan(bm.v_info(overlap))


@pytest.mark.parametrize("seed", range(4))
def test_counting_pairs_of_pixels_one_by_one_gives_the_same_v_rand(seed):
    reference_cells, prediction_cells = noisy_pair(seed, size=24)
    reference = bm.label_cells(reference_cells)
    prediction = bm.cell_regions(prediction_cells).astype(int)
    prediction[prediction == 0] = -np.arange(1, (prediction == 0).sum() + 1)
    foreground = reference > 0
    same_reference = reference[foreground][:, None] == reference[foreground]
    same_prediction = prediction[foreground][:, None] == prediction[foreground]
    expected = (same_reference & same_prediction).sum() / (0.5 * (same_reference.sum() + same_prediction.sum()))
    overlap = bm.region_overlap(reference_cells=reference_cells, prediction_cells=prediction_cells)
    assert bm.v_rand(overlap) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_scikit_image_agrees_where_its_definitions_coincide(seed):
    reference_cells, prediction_cells = noisy_pair(seed)
    overlap = bm.region_overlap(reference_cells=reference_cells, prediction_cells=prediction_cells)
    reference = bm.label_cells(reference_cells).astype(int)
    prediction = bm.cell_regions(prediction_cells).astype(int)
    lines = prediction == 0
    prediction[lines] = prediction.max() + 1 + np.arange(lines.sum())
    # scikit-image counts pairs of different pixels, the challenge all ordered pairs: n fewer in each sum.
    error, _, _ = adapted_rand_error(reference, prediction, ignore_labels=(0,))
    n = overlap.pixels
    ours = (overlap.joint_squares - n) / (0.5 * (overlap.prediction_squares + overlap.reference_squares) - n)
    assert ours == pytest.approx(1 - error)
    # H(S|T) and H(T|S) in bits; ours are in nats.
    foreground = reference > 0
    split_bits, merge_bits = variation_of_information(reference[foreground], prediction[foreground])
    shares = np.bincount(prediction[foreground]) / n
    entropy = -sum(share * math.log2(share) for share in shares if share)
    shares = np.bincount(reference[foreground]) / n
    entropy_reference = -sum(share * math.log2(share) for share in shares if share)
    assert bm.v_info_split(overlap) == pytest.approx(1 - split_bits / entropy)
    assert bm.v_info_merge(overlap) == pytest.approx(1 - merge_bits / entropy_reference)
    assert bm.v_info(overlap) == pytest.approx(2 * (entropy - split_bits) / (entropy + entropy_reference))


def test_slices_add_up_to_the_statistics_of_a_stack_with_distinct_labels():
    pairs = [noisy_pair(seed) for seed in (5, 6)]
    first, second = (bm.region_overlap(reference_cells=one, prediction_cells=other) for one, other in pairs)
    references = [bm.label_cells(one).astype(int) for one, _ in pairs]
    predictions = [bm.cell_regions(other).astype(int) for _, other in pairs]
    for labels in (references, predictions):
        labels[1][labels[1] > 0] += labels[0].max()
    reference, prediction = np.stack(references), np.stack(predictions)
    prediction[prediction == 0] = prediction.max() + 1 + np.arange((prediction == 0).sum())
    foreground = reference > 0
    pair_sizes = np.unique(np.stack([reference[foreground], prediction[foreground]]), axis=1, return_counts=True)[1]
    sizes = [np.bincount(labels[foreground]) for labels in (reference, prediction)]
    expected = (pair_sizes**2).sum() / (0.5 * sum((one**2).sum() for one in sizes))
    assert bm.v_rand(first + second) == pytest.approx(expected)


def test_sorting_a_large_table_gives_what_counting_it_gives(monkeypatch):
    reference_cells, prediction_cells = noisy_pair(7)
    counted = bm.region_overlap(reference_cells=reference_cells, prediction_cells=prediction_cells)
    monkeypatch.setattr(bm, "_LARGEST_DENSE_TABLE", 0)
    assert bm.region_overlap(reference_cells=reference_cells, prediction_cells=prediction_cells) == counted


def test_a_threshold_scan_finds_the_threshold_that_opens_no_gap():
    reference = walls(1)
    probability = np.where(reference, 1.0, 0.25)
    probability[3, 5] = 0.65  # a gap in the wall below this threshold
    scan = bm.threshold_scan(reference_cells=reference, cell_probability=probability, thresholds=(0.1, 0.5, 0.7))
    assert [bm.v_rand(overlap) for overlap in scan.values()] == pytest.approx([2 / 3, 2 / 3, 1.0])


def test_a_scan_over_a_stack_is_the_sum_of_its_slices():
    reference = np.stack([walls(1), walls(3)])
    scan = bm.threshold_scan(reference_cells=reference, cell_probability=reference.astype(float), thresholds=(0.5,))
    parts = [bm.region_overlap(reference_cells=cells, prediction_cells=cells) for cells in reference]
    assert scan[0.5] == parts[0] + parts[1]


def test_wrong_shapes_and_thresholds_are_refused():
    cells = walls(1)
    with pytest.raises(GeometryError, match=r"prediction: expected the reference's shape \(7, 11\), got \(11, 7\)"):
        bm.region_overlap(reference_cells=cells, prediction_cells=cells.T)
    with pytest.raises(GeometryError, match=r"expected a slice with 2 axes.*Score a stack slice by slice"):
        bm.label_cells(np.ones((2, 3, 4), bool))
    with pytest.raises(GeometryError, match="probabilities: expected the reference's shape"):
        bm.threshold_scan(reference_cells=cells, cell_probability=np.ones((2, 2)))
    with pytest.raises(InputError, match=r"threshold: expected 0 to 1, got 2"):
        bm.threshold_scan(reference_cells=cells, cell_probability=cells.astype(float), thresholds=(2.0,))
