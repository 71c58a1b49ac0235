import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medseg import metrics
from medseg.errors import InputError
from medseg.metrics import MatchCounts, match, match_counts, overlap_table

label_pairs = st.tuples(st.integers(2, 8), st.integers(2, 8)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)) for _ in range(2)])
)
thresholds = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7])
nan = math.nan


def row(text):
    return np.array([[int(letter) for letter in text]])


def table(reference, prediction):
    return overlap_table(reference_labels=reference, prediction_labels=prediction)


def scores_of(overlap):
    """Every score of this module, and the aggregated Jaccard index."""
    counts = match_counts(overlap)
    half = counts[0.5]
    return {
        "precision": metrics.object_precision(half),
        "recall": metrics.object_recall(half),
        "f1": metrics.object_f1(half),
        "ap": metrics.average_precision_dsb(half),
        "mean_ap": metrics.mean_average_precision_dsb(counts.values()),
        "sq": metrics.segmentation_quality(half),
        "pq": metrics.panoptic_quality(half),
        "aji": metrics.aggregated_jaccard_index(metrics.jaccard_sums(overlap)),
    }


# name, reference, prediction, (precision, recall, F1, AP at 0.5, mean AP, SQ, PQ, AJI), all by hand from one row of
# pixels. Mean AP: an IoU of 3/5 = 0.6 is above 2 of the 10 thresholds (0.5, 0.55), one of 1 above all.
SITUATIONS = [
    ("both empty", "0000", "0000", (nan, nan, nan, nan, nan, nan, nan, nan)),
    ("missed", "0110", "0000", (nan, 0, 0, 0, 0, nan, 0, 0)),
    ("spurious", "0000", "0110", (0, nan, 0, 0, 0, nan, 0, 0)),
    ("the same", "0110220", "0550330", (1, 1, 1, 1, 1, 1, 1, 1)),
    ("apart", "1100", "0011", (0, 0, 0, 0, 0, nan, 0, 0)),
    ("touching, each found", "111222", "111222", (1, 1, 1, 1, 1, 1, 1, 1)),
    # 4 px shifted by 1: IoU 3/5.
    ("shifted by 1", "11110", "01111", (1, 1, 1, 1, 0.2, 0.6, 0.6, 0.6)),
    # 6 px in 3 + 3: both IoUs 1/2, not above. AJI: one half is taken (3 / 6), the other is unclaimed: 3 / (6 + 3).
    ("split in equal halves", "111111", "111222", (0, 0, 0, 0, 0, nan, 0, 3 / 9)),
    # 6 px in 4 + 2: IoU 4/6, above 0.5, 0.55, 0.6, 0.65: each AP 1/2. PQ = 4/6 / (1 + 1/2). AJI: 4 / (6 + 2).
    ("split unequally", "111111", "111122", (0.5, 1, 2 / 3, 0.5, 0.2, 4 / 6, 4 / 9, 0.5)),
    # 4 + 2 px merged: IoU 4/6 again. AJI: both take it: (4 + 2) / (6 + 6).
    ("merged", "111122", "111111", (1, 0.5, 2 / 3, 0.5, 0.2, 4 / 6, 4 / 9, 0.5)),
    # One of two found exactly. AJI: 2 / (2 + 4).
    ("one of two missed", "1102222", "1100000", (1, 0.5, 2 / 3, 0.5, 0.5, 1, 2 / 3, 2 / 6)),
    ("one of two spurious", "1100000", "1102222", (0.5, 1, 2 / 3, 0.5, 0.5, 1, 2 / 3, 2 / 6)),
]


@pytest.mark.parametrize(("name", "reference", "prediction", "expected"), SITUATIONS, ids=[s[0] for s in SITUATIONS])
def test_scores_are_those_derived_by_hand(name, reference, prediction, expected):
    found = scores_of(table(row(reference), row(prediction)))
    assert tuple(found.values()) == pytest.approx(expected, nan_ok=True), name


def test_an_iou_of_exactly_the_threshold_is_no_match():
    # 11 of 20 pixels: 0.55. 3 of 4: 0.75.
    for hits, size, threshold in ((11, 20, 0.55), (3, 4, 0.75), (9, 10, 0.9), (1, 2, 0.5), (1, 10, 0.1)):
        reference = np.ones((1, size), int)
        prediction = (np.arange(size) < hits).astype(int)[None]
        overlap = table(reference, prediction)
        assert match(overlap, iou_threshold=threshold).counts.true_positives == 0
        assert match(overlap, iou_threshold=threshold - 1e-9).counts.true_positives == 1


def test_below_half_the_most_matches_win_over_the_best_single_one():
    # Reference 1 (6 px) and 2 (2 px); prediction 8 = 4 px of 1 and both of 2, prediction 9 = 2 px of 1.
    # IoUs: 1-8 4/8, 1-9 2/6, 2-8 2/6. Taking 1-8 first leaves 2 and 9 alone; 1-9 with 2-8 matches all.
    overlap = table(row("11111122"), row("99888888"))
    matches = match(overlap, iou_threshold=0.3)
    assert matches.counts == MatchCounts(2, 0, 0, pytest.approx(4 / 6))
    assert matches.prediction.tolist() == [1, 0]
    strict = match(overlap, iou_threshold=0.4)
    assert strict.counts == MatchCounts(1, 1, 1, 0.5)
    assert (strict.missed.tolist(), strict.spurious.tolist()) == ([2], [9])


@given(label_pairs, thresholds)
@settings(deadline=None)
def test_no_other_matching_has_more_pairs_or_a_larger_sum(pair, threshold):
    overlap = table(*pair)
    edges = [
        (r, p, iou)
        for r, p, iou in zip(overlap.pair_reference, overlap.pair_prediction, overlap.ious, strict=True)
        if iou > threshold
    ]
    best = (0, 0.0)
    for partners in itertools.permutations([*range(overlap.num_prediction), *[None] * overlap.num_reference]):
        chosen = [iou for r, p, iou in edges if partners[r] == p]
        best = max(best, (len(chosen), sum(chosen)))
        if overlap.num_reference == 0:
            break
    matches = match(overlap, iou_threshold=threshold)
    assert (matches.counts.true_positives, matches.counts.iou_sum) == pytest.approx(best)
    assert len(set(matches.prediction.tolist())) == len(matches.prediction)


@given(label_pairs)
@settings(deadline=None)
def test_swapping_the_images_swaps_precision_and_recall_and_keeps_the_rest(pair):
    forth, back = scores_of(table(*pair)), scores_of(table(*pair[::-1]))
    for one, other in (("precision", "recall"), ("recall", "precision"), *[(k, k) for k in ("f1", "mean_ap", "pq")]):
        assert forth[one] == pytest.approx(back[other], nan_ok=True)


@given(label_pairs, st.permutations(range(1, 5)))
@settings(deadline=None)
def test_renumbering_the_objects_changes_no_score(pair, order):
    renumber = np.array([0, *order])
    before, after = scores_of(table(*pair)), scores_of(table(renumber[pair[0]], pair[1]))
    assert before == pytest.approx(after, nan_ok=True)
    after = scores_of(table(pair[0], renumber[pair[1]]))
    # Which of two equally good partners the aggregated Jaccard index takes is decided by their ids, as its text says.
    assert {**before, "aji": 0} == pytest.approx({**after, "aji": 0}, nan_ok=True)


@given(label_pairs, st.integers(1, 4))
@settings(deadline=None)
def test_one_missed_object_more_never_raises_a_score(pair, size):
    reference, prediction = pair
    missed = np.full((size, reference.shape[1]), 9)
    more = scores_of(table(np.vstack([reference, missed]), np.vstack([prediction, 0 * missed])))
    for name, before in scores_of(table(reference, prediction)).items():
        # Undefined before (nothing there at all): now the miss counts, except for what needs a predicted object.
        assert math.isnan(before) or more[name] <= before + 1e-12, name


@given(label_pairs)
@settings(deadline=None)
def test_losing_a_matched_object_never_raises_a_score_that_sees_misses(pair):
    reference, prediction = pair
    overlap = table(reference, prediction)
    before = scores_of(overlap)
    for place in match(overlap, iou_threshold=0.5).prediction:
        without = np.where(prediction == overlap.prediction_ids[place], 0, prediction)
        after = scores_of(table(reference, without))
        assert all(after[name] <= before[name] + 1e-12 for name in ("recall", "f1", "ap", "pq"))


@given(label_pairs)
@settings(deadline=None)
def test_aggregated_jaccard_is_that_of_its_algorithm_written_with_masks(pair):
    reference, prediction = pair
    partners = {int(value): prediction == value for value in np.unique(prediction[prediction > 0])}
    intersection, union, taken = 0, 0, set()
    for value in np.unique(reference[reference > 0]):
        one = reference == value
        # Highest IoU, then the larger intersection, then the lower id; nothing touched: the object alone.
        ranked = [
            ((one & other).sum() / (one | other).sum(), (one & other).sum(), -name) for name, other in partners.items()
        ]
        iou, shared, name = max(ranked, default=(0, 0, 0))
        intersection += shared
        union += (one | partners[-name]).sum() if iou else one.sum()
        taken |= {-name} if iou else set()
    union += sum(other.sum() for name, other in partners.items() if name not in taken)
    sums = metrics.jaccard_sums(table(reference, prediction))
    assert (sums.intersection, sums.union) == (intersection, union)


def test_counts_of_images_add_up_to_those_of_both_side_by_side():
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(0, 5, (6, 6)), rng.integers(0, 5, (6, 6))) for _ in range(2)]
    apart = [table(*pair) for pair in pairs]
    for threshold in (0.1, 0.5):
        summed = sum((match(one, iou_threshold=threshold).counts for one in apart), start=MatchCounts(0, 0, 0, 0.0))
        both = match(apart[0] + apart[1], iou_threshold=threshold).counts
        assert summed == MatchCounts(
            both.true_positives, both.false_positives, both.false_negatives, pytest.approx(both.iou_sum)
        )


def test_panoptic_quality_is_that_of_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.detection import panoptic_quality

    rng = np.random.default_rng(1)
    for _ in range(5):
        reference = np.kron(rng.integers(0, 5, (4, 4)), np.ones((3, 3), int))
        prediction = np.where(rng.random(reference.shape) < 0.85, reference, rng.integers(0, 6, reference.shape))
        maps = [
            torch.from_numpy(np.stack([(labels > 0).astype(int), labels], axis=-1))[None]
            for labels in (prediction, reference)
        ]
        expected = panoptic_quality(*maps, things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True)[0]
        counts = match(table(reference, prediction), iou_threshold=0.5).counts
        found = (
            metrics.panoptic_quality(counts),
            metrics.segmentation_quality(counts),
            metrics.object_f1(counts),
        )
        assert found == pytest.approx(expected.tolist())


@pytest.mark.parametrize("threshold", [-0.1, 1.0, math.nan])
def test_a_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(InputError, match="expected at least 0 and below 1"):
        match(table(row("1"), row("1")), iou_threshold=threshold)
