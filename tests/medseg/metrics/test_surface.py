"""Distances between surfaces: hand-derived situations, then laws."""

from itertools import product
from math import inf, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medseg.errors import GeometryError, InputError
from medseg.metrics import (
    assd_mm,
    hausdorff_95_area_weighted_mm,
    hausdorff_95_directed_mm,
    hausdorff_95_pooled_mm,
    hausdorff_mm,
    mean_distances_area_weighted_mm,
    nsd_area_weighted,
    nsd_voxel_count,
    surface_distances,
    surface_overlaps_area_weighted,
)

DISTANCES = (
    hausdorff_mm,
    hausdorff_95_directed_mm,
    hausdorff_95_pooled_mm,
    hausdorff_95_area_weighted_mm,
    assd_mm,
)
OVERLAPS = (nsd_voxel_count, nsd_area_weighted)


def mask(shape, *voxels):
    result = np.zeros(shape, dtype=bool)
    for voxel in voxels:
        result[voxel] = True
    return result


def distances(reference, prediction, spacing_mm=None):
    spacing_mm = spacing_mm or (1.0,) * reference.ndim
    return surface_distances(reference=reference, prediction=prediction, spacing_mm=spacing_mm)


@pytest.mark.parametrize(
    ("step", "expected_mm"),
    [((0, 0, 2), 2.0), ((0, 1, 0), 2.0), ((1, 0, 0), 3.0), ((1, 1, 1), sqrt(9 + 4 + 1))],
)
def test_two_voxels_are_as_far_apart_as_their_spacing_says(step, expected_mm):
    shape, first = (8, 8, 8), (3, 3, 3)
    second = tuple(a + b for a, b in zip(first, step, strict=True))
    result = distances(mask(shape, first), mask(shape, second), (3.0, 2.0, 1.0))
    for score in (hausdorff_mm, hausdorff_95_directed_mm, hausdorff_95_pooled_mm, assd_mm):
        assert score(result) == pytest.approx(expected_mm, rel=1e-12)


def test_one_pixel_in_twenty_may_be_far_without_a_trace_in_hd95():
    # 39 pixels agree; the prediction adds two, 10 and 20 pixels away. From the prediction there are 39 zeros, 10 and
    # 20: position 0.95 * 40 = 38 of 0..40, the last zero. From the reference, all are zero.
    line = mask((3, 80), *((1, column) for column in range(39)))
    far = line.copy()
    far[1, 48] = far[1, 58] = True
    result = distances(line, far)
    assert hausdorff_mm(result) == 20.0
    assert hausdorff_95_directed_mm(result) == 0.0
    assert hausdorff_95_pooled_mm(result) == 0.0
    assert assd_mm(result) == pytest.approx((10 + 20) / (39 + 41))


def test_the_two_hd95_differ_as_their_definitions_say():
    # From the prediction: 9 zeros and one distance of 10: position 0.95 * 9 = 8.55, hence 0.55 * 10.
    # Pooled with the reference's 9 zeros: position 0.95 * 18 = 17.1, hence 0.1 * 10.
    line = mask((3, 30), *((1, column) for column in range(9)))
    far = line.copy()
    far[1, 18] = True
    result = distances(line, far)
    assert hausdorff_95_directed_mm(result) == pytest.approx(5.5)
    assert hausdorff_95_pooled_mm(result) == pytest.approx(1.0)


def test_a_filled_square_counts_only_its_rim():
    square = mask((9, 9), np.s_[2:7, 2:7])
    result = distances(square, square)
    assert len(result.reference_to_prediction_mm) == 16
    assert hausdorff_mm(result) == assd_mm(result) == 0.0


def test_the_rim_of_the_image_is_a_surface():
    full = np.ones((4, 4), dtype=bool)
    assert len(distances(full, full).reference_to_prediction_mm) == 12


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (5.0, 0.5, 2.0)])
def test_a_box_has_its_faces_edges_and_corners_as_area(spacing_mm):
    # Between voxel centres: 2 (n - 1)(m - 1) rectangles a pair of faces, then bevelled edges, then eight corners.
    a, b, c = spacing_mm
    n, m, k = 3, 4, 5
    box = mask((6, 6, 7), np.s_[1:4, 1:5, 1:6])
    faces = 2 * ((n - 1) * (m - 1) * a * b + (m - 1) * (k - 1) * b * c + (n - 1) * (k - 1) * a * c)
    edges = 2 * ((n - 1) * a * sqrt(b**2 + c**2) + (m - 1) * b * sqrt(a**2 + c**2) + (k - 1) * c * sqrt(a**2 + b**2))
    corners = 8 * 0.125 * sqrt((a * b) ** 2 + (b * c) ** 2 + (a * c) ** 2)
    result = distances(box, box, spacing_mm)
    assert result.reference_element_sizes.sum() == pytest.approx(faces + edges + corners)


def test_a_rectangle_has_its_sides_and_bevelled_corners_as_length():
    result = distances(mask((6, 8), np.s_[1:4, 1:6]), mask((6, 8), (1, 1)), (3.0, 4.0))
    assert result.reference_element_sizes.sum() == pytest.approx(2 * (2 * 3.0 + 4 * 4.0) + 4 * 0.5 * 5.0)


def test_voxels_and_areas_weigh_a_shifted_plate_differently():
    # A 1 x 10 x 10 plate, moved by one slice of 5 mm on a grid of 1 mm: no voxel of it is within 1 mm, yet the two
    # share the elements between their slices.
    first, second = mask((6, 12, 12), np.s_[2, 1:11, 1:11]), mask((6, 12, 12), np.s_[3, 1:11, 1:11])
    result = distances(first, second, (5.0, 1.0, 1.0))
    assert nsd_voxel_count(result, tolerance_mm=1.0) == 0.0
    assert nsd_area_weighted(result, tolerance_mm=1.0) == pytest.approx(0.5)
    assert nsd_voxel_count(result, tolerance_mm=5.0) == nsd_area_weighted(result, tolerance_mm=5.0) == 1.0


def test_a_distance_equal_to_the_tolerance_is_within_it_wherever_the_masks_lie():
    # 3 x 0.1 is 0.30000000000000004 in binary numbers.
    for start in range(8):
        result = distances(mask((16, 3), (start, 1)), mask((16, 3), (start + 3, 1)), (0.1, 1.0))
        assert nsd_voxel_count(result, tolerance_mm=0.3) == 1.0


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6)])
def test_two_empty_masks_have_no_distance_and_no_overlap(shape):
    result = distances(mask(shape), mask(shape))
    assert all(isnan(score(result)) for score in DISTANCES)
    assert all(isnan(score(result, tolerance_mm=1.0)) for score in OVERLAPS)
    assert all(isnan(value) for value in mean_distances_area_weighted_mm(result))


@pytest.mark.parametrize("missed", [True, False])
def test_an_object_without_counterpart_is_infinitely_far_and_overlaps_nothing(missed):
    something, nothing = mask((4, 5, 6), (1, 1, 1)), mask((4, 5, 6))
    result = distances(something, nothing) if missed else distances(nothing, something)
    assert all(score(result) == inf for score in DISTANCES)
    assert all(score(result, tolerance_mm=1.0) == 0.0 for score in OVERLAPS)
    found = mean_distances_area_weighted_mm(result)
    overlaps = surface_overlaps_area_weighted(result, tolerance_mm=1.0)
    assert found[0 if missed else 1] == inf
    assert isnan(found[1 if missed else 0])
    assert overlaps[0 if missed else 1] == 0.0
    assert isnan(overlaps[1 if missed else 0])


def test_an_array_in_fortran_order_gives_the_same():
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 7, 8, 9)) < 0.3
    plain = distances(first, second, (3.0, 2.0, 1.0))
    other = distances(np.asfortranarray(first), np.asfortranarray(second), (3.0, 2.0, 1.0))
    for score in DISTANCES:
        assert score(plain) == score(other)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"prediction": np.zeros((4, 5), dtype=bool)}, GeometryError, r"expected the reference's shape \(4, 4\), got"),
        (
            {"prediction": np.zeros((4, 4), dtype=np.uint8)},
            InputError,
            "prediction: expected a boolean mask, got uint8",
        ),
        ({"spacing_mm": (1.0, 1.0, 1.0)}, GeometryError, "expected 2 sizes above 0"),
        ({"spacing_mm": (1.0, 0.0)}, GeometryError, "expected 2 sizes above 0"),
        ({"spacing_mm": (1.0, float("nan"))}, GeometryError, "expected 2 sizes above 0"),
    ],
)
def test_unfit_arguments_are_refused(changes, error, match):
    arguments = {
        "reference": np.zeros((4, 4), dtype=bool),
        "prediction": np.zeros((4, 4), dtype=bool),
        "spacing_mm": (1.0, 1.0),
    }
    with pytest.raises(error, match=match):
        surface_distances(**{**arguments, **changes})


def test_masks_of_four_axes_are_refused():
    four = np.zeros((2, 2, 2, 2), dtype=bool)
    with pytest.raises(GeometryError, match="expected two or three axes"):
        distances(four, four)


@pytest.mark.parametrize("tolerance_mm", [-1.0, float("nan"), inf])
def test_an_unfit_tolerance_is_refused(tolerance_mm):
    result = distances(mask((4, 4), (1, 1)), mask((4, 4), (1, 1)))
    for score in (*OVERLAPS, surface_overlaps_area_weighted):
        with pytest.raises(InputError, match="tolerance_mm: expected a number from 0 on"):
            score(result, tolerance_mm=tolerance_mm)


masks = st.one_of(
    st.tuples(*[arrays(bool, (5, 6), elements=st.booleans())] * 2),
    st.tuples(*[arrays(bool, (4, 3, 5), elements=st.booleans())] * 2),
)
spacings = st.sampled_from([(1.0, 1.0, 1.0), (3.0, 2.0, 1.0), (0.7, 0.7, 5.0), (0.1, 0.3, 0.2)])


def rim(volume, spacing_mm):
    """Surface voxels in mm, one by one from the definition."""
    points = []
    for index in map(tuple, np.argwhere(volume)):
        for axis, step in product(range(volume.ndim), (-1, 1)):
            beside = list(index)
            beside[axis] += step
            if not (0 <= beside[axis] < volume.shape[axis] and volume[tuple(beside)]):
                points.append(np.array(index) * spacing_mm)
                break
    return points


@given(masks, spacings)
def test_distances_are_those_of_trying_all_pairs(pair, spacing_mm):
    first, second = pair
    spacing_mm = np.array(spacing_mm[: first.ndim])
    ours, theirs = rim(first, spacing_mm), rim(second, spacing_mm)
    result = distances(first, second, tuple(spacing_mm))
    for found, here, there in (
        (result.reference_to_prediction_mm, ours, theirs),
        (result.prediction_to_reference_mm, theirs, ours),
    ):
        expected = sorted(min((float(np.linalg.norm(a - b)) for b in there), default=inf) for a in here)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@given(masks, spacings)
def test_scores_are_symmetric(pair, spacing_mm):
    first, second = pair
    forth = distances(first, second, spacing_mm[: first.ndim])
    back = distances(second, first, spacing_mm[: first.ndim])
    for score in DISTANCES:
        assert score(forth) == pytest.approx(score(back), rel=1e-12, nan_ok=True)
    for score in OVERLAPS:
        assert score(forth, tolerance_mm=1.0) == pytest.approx(score(back, tolerance_mm=1.0), rel=1e-12, nan_ok=True)


@given(masks, spacings)
def test_the_order_of_axes_and_a_wider_image_change_nothing(pair, spacing_mm):
    first, second = pair
    spacing_mm = spacing_mm[: first.ndim]
    plain = distances(first, second, spacing_mm)
    turned = distances(first.T, second.T, spacing_mm[::-1])
    wider = distances(np.pad(first, 3), np.pad(second, 3), spacing_mm)
    for score in DISTANCES:
        assert score(turned) == pytest.approx(score(plain), rel=1e-12, nan_ok=True)
        assert score(wider) == pytest.approx(score(plain), rel=1e-12, nan_ok=True)
    for other in (turned, wider):
        np.testing.assert_allclose(other.reference_element_sizes.sum(), plain.reference_element_sizes.sum())


@given(masks)
def test_a_mask_agrees_with_itself(pair):
    first, _ = pair
    result = distances(first, first)
    expected = 0.0 if first.any() else float("nan")
    for score in DISTANCES:
        assert score(result) == pytest.approx(expected, nan_ok=True)
    for score in OVERLAPS:
        assert score(result, tolerance_mm=0.0) == pytest.approx(1.0 - expected, nan_ok=True)


def test_one_missed_object_more_never_improves_a_score():
    reference = mask((6, 40), *((slice(1, 5), slice(4 + 12 * k, 9 + 12 * k)) for k in range(3)))
    prediction = reference.copy()
    before = distances(reference, prediction, (2.0, 1.0))
    for k in range(3):
        prediction[:, 4 + 12 * k : 9 + 12 * k] = False
        after = distances(reference, prediction, (2.0, 1.0))
        assert all(score(after) >= score(before) for score in DISTANCES)
        assert all(score(after, tolerance_mm=1.0) <= score(before, tolerance_mm=1.0) for score in OVERLAPS)
        before = after
    assert hausdorff_mm(before) == inf
