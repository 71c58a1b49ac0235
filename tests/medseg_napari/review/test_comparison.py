"""Labels against a reference, live: by hand, and every update against a comparison from scratch."""

import numpy as np
import pytest
from medseg_napari.review import Review
from medseg_napari.review.comparison import Comparison, Difference

from medseg.errors import GeometryError


def test_an_object_is_missed_spurious_or_differs_at_its_boundary():
    labels = np.array([[1, 1, 0, 0, 2, 0, 0]], np.uint16)
    reference = np.array([[0, 4, 4, 0, 0, 0, 5]], np.uint8)
    found = Comparison(Review(labels), reference, spacing_mm=(1.0, 1.0))
    boundary, spurious, missed = Difference.BOUNDARY, Difference.SPURIOUS, Difference.MISSED
    assert found.differences.tolist() == [[boundary, 0, boundary, 0, spurious, 0, missed]]
    assert (found.missed, found.spurious) == ((5,), (2,))
    assert found.dice == pytest.approx(2 * 1 / (3 + 3))


def test_deleting_what_overlapped_makes_all_of_the_reference_object_missed():
    labels = np.array([[1, 0, 0, 0]], np.uint16)
    reference = np.array([[1, 1, 1, 0]], np.uint16)
    review = Review(labels)
    found = Comparison(review, reference, spacing_mm=(1.0, 1.0))
    review.changed.connect(found.update)
    review.delete([1])
    assert found.differences.tolist() == [[1, 1, 1, 0]]
    assert found.dice == 0.0
    review.undo()
    assert found.differences.tolist() == [[0, 3, 3, 0]]


def test_two_voxels_2_mm_apart_are_apart_by_2_mm_and_agree_within_2_mm_only():
    labels = np.zeros((1, 5), np.uint16)
    reference = labels.copy()
    labels[0, 1], reference[0, 2] = 1, 1
    found = Comparison(Review(labels), reference, spacing_mm=(1.0, 2.0))
    scores = found.surface_scores(tolerance_mm=2.0)
    assert scores.hausdorff_95_mm == pytest.approx(2.0)
    assert scores.nsd == pytest.approx(1.0)
    assert found.place_of_missed(1) == (slice(0, 1), slice(2, 3))


def test_a_neighbour_that_reaches_into_an_object_does_not_find_it():
    labels = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]], np.uint16)
    reference = np.array([[4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5]], np.uint16)
    found = Comparison(Review(labels), reference, spacing_mm=(1.0, 1.0))
    assert (found.missed, found.spurious) == ((4,), ())  # one voxel of eleven: below a tenth
    assert found.differences.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]


def test_nothing_against_nothing_has_no_dice():
    empty = np.zeros((2, 2), np.uint16)
    assert np.isnan(Comparison(Review(empty), empty.copy(), spacing_mm=(1.0, 1.0)).dice)


def test_a_rejected_object_counts_as_background():
    labels = np.array([[1, 1, 0, 0, 2, 0, 3]], np.uint16)
    reference = np.array([[1, 1, 0, 0, 0, 0, 7]], np.uint8)
    review = Review(labels)
    review.reject([2])
    found = Comparison(review, reference, spacing_mm=(1.0, 1.0))
    review.changed.connect(found.update)
    assert (found.missed, found.spurious, found.rejected) == ((), (), (2,))
    assert found.dice == 1.0
    assert not found.differences.any()
    assert found.surface_scores(tolerance_mm=1.0).hausdorff_95_mm == 0.0
    review.reject([3])
    assert (found.missed, found.spurious, found.rejected) == ((7,), (), (2, 3))
    assert found.differences.tolist() == [[0, 0, 0, 0, 0, 0, Difference.MISSED]]
    assert found.dice == pytest.approx(2 * 2 / (2 + 3))
    review.undo()
    review.accept([2])
    assert (found.missed, found.spurious, found.rejected) == ((), (2,), ())
    assert found.differences.tolist() == [[0, 0, 0, 0, Difference.SPURIOUS, 0, 0]]
    assert found.dice == pytest.approx(2 * 3 / (4 + 3))
    review.reject([2])
    review.delete([2])
    assert (found.spurious, found.rejected) == ((), ())
    review.reclassify([1], "object")
    assert found.dice == 1.0


def test_another_shape_is_refused():
    with pytest.raises(GeometryError, match=r"a reference of shape \(2, 2\), got \(2, 3\)"):
        Comparison(Review(np.zeros((2, 2), int)), np.zeros((2, 3), int), spacing_mm=(1.0, 1.0))


@pytest.mark.parametrize("seed", range(8))
def test_after_any_edit_the_comparison_is_that_from_scratch(seed):
    rng = np.random.default_rng(seed)
    labels, reference = (rng.integers(0, 6, (2, 3, 4)).repeat(2, 1).repeat(2, 2) for _ in range(2))
    labels *= rng.integers(0, 2, labels.shape)
    reference *= rng.integers(0, 2, reference.shape)
    review = Review(labels, spacing_mm=(1.0, 1.0, 1.0))
    live = Comparison(review, reference, spacing_mm=(1.0, 1.0, 1.0))
    review.changed.connect(live.update)
    for _ in range(6):
        ids = rng.permutation(review.table.ids)
        edit = rng.integers(6)
        if edit == 5 and len(ids):
            review.reject(ids[:1].tolist())
        elif edit == 4 or len(ids) < 2:
            review.undo()
        else:
            [review.delete, review.merge, lambda two: review.grow(two[0]), lambda two: review.shrink(two[0])][edit](
                [int(number) for number in ids[:2]]
            )
        fresh = Comparison(review, reference, spacing_mm=(1.0, 1.0, 1.0))
        assert np.array_equal(live.differences, fresh.differences)
        assert (live.missed, live.spurious, live.rejected) == (fresh.missed, fresh.spurious, fresh.rejected)
        assert live.dice == pytest.approx(fresh.dice, nan_ok=True)
