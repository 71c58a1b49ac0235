"""SEG and DET on situations small enough to work out by hand, and the laws that they obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medseg.errors import GeometryError, InputError, LabelError
from medseg.metrics import (
    DetectionCounts,
    EdgeCounts,
    SegmentationCounts,
    aogm,
    ctc_det,
    ctc_seg,
    ctc_tra,
    detection_counts,
    inside_field,
    match_objects,
    segmentation_counts,
)


def scores(reference, prediction):
    match = match_objects(reference=np.asarray(reference), prediction=np.asarray(prediction))
    return ctc_seg(segmentation_counts(match)), ctc_det(detection_counts(match))


CELLS = [[1, 1, 1, 1, 0, 2, 2, 2, 2, 0]]

SITUATIONS = {
    # prediction, SEG, DET by hand; two objects, so AOGM-D0 is 20.
    "perfect, other labels": ([[7, 7, 7, 7, 0, 3, 3, 3, 3, 0]], 1.0, 1.0),
    "one missed": ([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], 0.5, 1 - 10 / 20),
    "one spurious leaves SEG": ([[1, 1, 1, 1, 0, 2, 2, 2, 2, 5]], 1.0, 1 - 1 / 20),
    "both merged": ([[1, 1, 1, 1, 1, 1, 1, 1, 1, 0]], 4 / 9, 1 - 5 / 20),
    "split in halves finds neither half": ([[1, 1, 3, 3, 0, 2, 2, 2, 2, 0]], 0.5, 1 - (10 + 2) / 20),
    "split 3 to 1": ([[1, 1, 1, 3, 0, 2, 2, 2, 2, 0]], (3 / 4 + 1) / 2, 1 - 1 / 20),
    "shifted by one": ([[0, 1, 1, 1, 1, 0, 2, 2, 2, 2]], 3 / 5, 1.0),
    "shifted by two covers half only": ([[0, 0, 1, 1, 1, 1, 0, 2, 2, 2]], 0.0, 0.0),
    "nothing found": ([[0] * 10], 0.0, 0.0),
    "all wrong is no worse than nothing": ([[0, 0, 0, 0, 1, 0, 0, 0, 0, 2]], 0.0, 0.0),
}


@pytest.mark.parametrize(("prediction", "seg", "det"), SITUATIONS.values(), ids=SITUATIONS)
def test_situations_by_hand(prediction, seg, det):
    assert scores(CELLS, prediction) == pytest.approx((seg, det))


def test_half_of_an_object_is_not_more_than_half():
    assert match_objects(reference=np.array([1, 1]), prediction=np.array([1, 0])).partners.tolist() == [-1]
    assert match_objects(reference=np.array([1, 1, 1]), prediction=np.array([1, 1, 0])).partners.tolist() == [0]


def test_an_object_that_swallows_the_frame_is_a_partner_with_a_low_jaccard_index():
    reference = np.zeros((10, 10), np.uint16)
    reference[0, :2] = 9
    match = match_objects(reference=reference, prediction=np.ones((10, 10), np.uint8))
    assert match.jaccard.tolist() == [0.02]
    assert match.unique_partners() == {1: 9}


def test_a_frame_without_objects_is_undefined_and_adds_only_spurious_ones():
    empty = np.zeros((3, 3), np.uint8)
    seg, det = scores(empty, empty)
    assert math.isnan(seg)
    assert math.isnan(det)
    spurious = detection_counts(match_objects(reference=empty, prediction=np.eye(3, dtype=np.uint8)))
    assert spurious == DetectionCounts(objects=0, predictions=1, splits=0, missed=0, spurious=1)
    assert math.isnan(ctc_det(spurious))
    assert math.isnan(ctc_tra(spurious, EdgeCounts()))
    found = DetectionCounts(objects=1, predictions=1)
    assert ctc_det(found + spurious) == pytest.approx(0.9)


def test_spurious_objects_may_be_forgiven():
    counts = DetectionCounts(objects=25, predictions=18, splits=5, missed=5, spurious=3)  # Matula 2015, figure 2
    assert ctc_det(counts) == pytest.approx(0.688)
    assert ctc_det(counts, penalise_spurious=False) == pytest.approx(0.700)


def test_the_work_on_a_graph_is_weighted_as_published():
    counts = DetectionCounts(objects=1, splits=1, missed=1, spurious=1)
    assert aogm(counts, EdgeCounts()) == 5 + 10 + 1
    assert aogm(DetectionCounts(), EdgeCounts(redundant=1)) == 1
    assert aogm(DetectionCounts(), EdgeCounts(missing=1)) == 1.5
    assert aogm(DetectionCounts(), EdgeCounts(wrong=1)) == 1


def test_large_labels_and_wide_tables_are_matched_as_small_ones():
    rng = np.random.default_rng(5)
    reference, prediction = rng.integers(0, 2500, (2, 120, 120))
    prediction = np.where(rng.random((120, 120)) < 0.8, reference, prediction)
    small = match_objects(reference=reference, prediction=prediction)
    large = match_objects(reference=reference * 10**9, prediction=prediction * 10**12)
    assert (large.partners == small.partners).all()
    assert (large.jaccard == small.jaccard).all()
    assert (large.prediction_ids == small.prediction_ids * 10**12).all()


def test_objects_wholly_in_the_border_are_left_out_and_others_stay_whole():
    labels = np.zeros((6, 6), np.uint16)
    labels[0, 0] = 1
    labels[1, 1:3] = 2
    labels[0, 5] = labels[3, 3] = 3
    expected = labels.copy()
    expected[0, 0] = 0
    assert (inside_field(labels, border_pixels=1) == expected).all()
    assert inside_field(labels, border_pixels=0) is labels
    volume = np.stack([labels, np.zeros_like(labels)])
    assert (inside_field(volume, border_pixels=1)[0] == expected).all()


@pytest.mark.parametrize("width", [-1, 3])
def test_a_border_that_leaves_no_field_is_refused(width):
    with pytest.raises(InputError, match=r"border: expected 0 to less than half"):
        inside_field(np.zeros((6, 9), np.uint8), border_pixels=width)


def test_wrong_maps_are_refused():
    with pytest.raises(GeometryError, match=r"expected the reference's shape \(2, 2\), got \(2, 3\)"):
        match_objects(reference=np.zeros((2, 2), int), prediction=np.zeros((2, 3), int))
    with pytest.raises(LabelError, match="prediction: expected whole numbers from 0"):
        match_objects(reference=np.zeros(2, int), prediction=np.array([0, -1]))
    with pytest.raises(LabelError, match="reference: expected whole numbers from 0"):
        match_objects(reference=np.zeros(2), prediction=np.zeros(2, int))


MAPS = hnp.arrays(np.uint8, (5, 6), elements=st.integers(0, 4))


def brute_force(reference, prediction):
    """Definition taken literally: objects against objects, no table."""
    jaccard, covered = [], dict.fromkeys(set(prediction.flat) - {0}, 0)
    for label in sorted(set(reference.flat) - {0}):
        ours, best = reference == label, 0.0
        for other in covered:
            theirs = prediction == other
            if (ours & theirs).sum() > 0.5 * ours.sum():
                best = (ours & theirs).sum() / (ours | theirs).sum()
                covered[other] += 1
        jaccard.append(best)
    splits = sum(max(count - 1, 0) for count in covered.values())
    return sum(jaccard), len(jaccard), splits, jaccard.count(0.0), list(covered.values()).count(0)


@given(MAPS, MAPS)
def test_counts_are_those_of_the_definition(reference, prediction):
    match = match_objects(reference=reference, prediction=prediction)
    seg, det = segmentation_counts(match), detection_counts(match)
    expected = brute_force(reference, prediction)
    assert (seg.jaccard_sum, seg.objects, det.splits, det.missed, det.spurious) == pytest.approx(expected)


@given(MAPS, MAPS, st.permutations(range(1, 5)))
def test_numbering_the_objects_otherwise_changes_nothing(reference, prediction, order):
    renumbered = np.array([0, *order])[prediction]
    assert scores(reference, prediction) == pytest.approx(scores(reference, renumbered), nan_ok=True)


@given(MAPS, MAPS)
def test_one_missed_object_more_never_raises_a_score(reference, prediction):
    before = scores(reference, prediction)
    match = match_objects(reference=reference, prediction=prediction)
    for place in set(match.partners.tolist()) - {-1}:
        after = scores(reference, np.where(prediction == match.prediction_ids[place], 0, prediction))
        assert all(one <= other for one, other in zip(after, before, strict=True))


@given(MAPS, MAPS)
def test_counts_of_frames_add_up(reference, prediction):
    joined = match_objects(
        reference=np.concatenate([reference, reference[::-1] + 4 * (reference[::-1] > 0)]),
        prediction=np.concatenate([prediction, prediction[::-1] + 4 * (prediction[::-1] > 0)]),
    )
    one = match_objects(reference=reference, prediction=prediction)
    assert detection_counts(joined) == detection_counts(one) + detection_counts(one)
    total = segmentation_counts(one) + segmentation_counts(one)
    assert segmentation_counts(joined).jaccard_sum == pytest.approx(total.jaccard_sum)
    assert total.objects == 2 * one.reference_ids.size
    assert total + SegmentationCounts() == total


@given(MAPS, MAPS)
def test_labels_near_the_end_of_their_type_do_not_wrap(reference, prediction):
    large = [
        np.where(labels > 0, 65_530 + labels.astype(np.uint32), 0).astype(np.uint16)
        for labels in (reference, prediction)
    ]
    assert scores(*large) == pytest.approx(scores(reference, prediction), nan_ok=True)
