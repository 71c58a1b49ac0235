"""Edges of track graphs, worked out by hand; label = cell, so that a vertex covers the one of its own label."""

import pytest

from medseg.errors import InputError
from medseg.metrics import DetectionCounts, EdgeCounts, Track, check_tracks, ctc_tra, edge_counts

MITOSIS = (Track(1, 0, 1), Track(2, 2, 3, 1), Track(3, 2, 3, 1))
"""Mother 1 in frames 0 and 1, daughters 2 and 3 in frames 2 and 3: five edges, two of them from a parent."""


def ids_of(tracks):
    frames = range(max(track.end for track in tracks) + 1)
    return {frame: [track.label for track in tracks if track.begin <= frame <= track.end] for frame in frames}


def counts(prediction, partners=None, reference=MITOSIS):
    ids = ids_of(reference)
    return edge_counts(
        reference_tracks=reference,
        prediction_tracks=prediction,
        reference_ids=ids,
        partners=partners or {frame: {label: label for label in labels} for frame, labels in ids.items()},
    )


def test_the_same_graph_needs_no_correction():
    assert counts(MITOSIS) == EdgeCounts(objects=5)


def test_a_missed_division_lacks_the_two_parent_edges():
    assert counts((Track(1, 0, 1), Track(2, 2, 3), Track(3, 2, 3))) == EdgeCounts(objects=5, missing=2)


def test_a_mother_carried_on_as_a_daughter_has_an_edge_of_the_wrong_kind():
    carried_on = (Track(1, 0, 3), Track(3, 2, 3, 1))
    partners = {0: {1: 1}, 1: {1: 1}, 2: {1: 2, 3: 3}, 3: {1: 2, 3: 3}}
    # The parent of track 3 ends in frame 3, so its parent edge would lead back in time: no such graph is valid.
    with pytest.raises(InputError, match="that track ends in frame 3"):
        check_tracks(carried_on, ids_of(carried_on), name="res_track.txt")
    one_daughter = (Track(1, 0, 3), Track(3, 2, 3))
    assert counts(one_daughter, partners) == EdgeCounts(objects=5, missing=1, wrong=1)


def test_a_track_broken_in_two_and_joined_as_parent_and_child_is_wrong_once():
    reference = (Track(1, 0, 3),)
    broken = (Track(1, 0, 1), Track(2, 2, 3, 1))
    partners = {0: {1: 1}, 1: {1: 1}, 2: {2: 1}, 3: {2: 1}}
    assert counts(broken, partners, reference) == EdgeCounts(objects=3, wrong=1)
    assert counts((Track(1, 0, 1), Track(2, 2, 3)), partners, reference) == EdgeCounts(objects=3, missing=1)


def test_two_exchanged_cells_have_redundant_and_missing_edges():
    reference = (Track(1, 0, 1), Track(2, 0, 1))
    partners = {0: {1: 1, 2: 2}, 1: {1: 2, 2: 1}}
    assert counts(reference, partners, reference) == EdgeCounts(objects=2, redundant=2, missing=2)


def test_edges_at_objects_that_must_be_split_or_deleted_cost_only_the_missing_ones():
    assert counts(MITOSIS, {0: {1: 1}, 1: {1: 1}}) == EdgeCounts(objects=5, missing=4)


def test_a_child_after_a_gap_is_joined_to_its_parents_last_frame():
    gap = (Track(1, 0, 1), Track(2, 4, 5, 1))
    assert counts(gap, reference=gap) == EdgeCounts(objects=3)


def test_edges_at_objects_that_are_not_scored_do_not_count():
    ids = {0: [1], 1: [1], 2: [2], 3: [2]}  # daughter 3 lies in the border
    partners = {frame: {label: label for label in labels} for frame, labels in ids.items()}
    expected = EdgeCounts(objects=3)
    assert (
        edge_counts(reference_tracks=MITOSIS, prediction_tracks=MITOSIS, reference_ids=ids, partners=partners)
        == expected
    )


def test_tra_weighs_edges_beside_objects():
    objects = DetectionCounts(objects=6, predictions=6)
    # AOGM0 = 6 * 10 + 5 * 1.5
    assert ctc_tra(objects, EdgeCounts(objects=5, missing=2)) == pytest.approx(1 - 3 / 67.5)
    assert ctc_tra(objects, EdgeCounts(objects=5)) == 1
    assert ctc_tra(DetectionCounts(objects=6, missed=6), EdgeCounts(objects=5, missing=5)) == 0


@pytest.mark.parametrize(
    ("tracks", "fault"),
    [
        ((Track(1, 0, 1), Track(1, 0, 1)), "expected each label once, got 1 twice"),
        ((Track(0, 0, 1),), r"got 0 0 1\. Correct this line"),
        ((Track(1, 1, 0),), r"got 1 1 0\. Correct this line"),
        ((Track(1, 0, 1, 5),), "names parent 5, but there is no such track"),
        ((Track(1, 0, 1), Track(2, 1, 1, 1)), "names parent 1, but that track ends in frame 1"),
        ((Track(1, 0, 2),), "track 1 claims frame 2, but there is no mask of this frame"),
        ((Track(1, 0, 1), Track(2, 0, 1)), "track 2 claims frame 0, but its mask lacks it"),
        ((Track(1, 0, 0),), "no track claims object 1 of frame 1"),
    ],
)
def test_tracks_that_contradict_themselves_or_the_masks_are_refused(tracks, fault):
    with pytest.raises(InputError, match=fault):
        check_tracks(tracks, {0: [1], 1: [1]}, name="res_track.txt")


def test_tracks_that_agree_with_the_masks_pass():
    check_tracks(MITOSIS, ids_of(MITOSIS), name="res_track.txt")
