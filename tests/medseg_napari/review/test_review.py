"""The review as the widgets use it: steps, states, undo and redo, ids, audit."""

import numpy as np
import pytest
from medseg_napari.review import AlgorithmType, AuditTrail, MadeBy, ObjectState, Review

from medseg.errors import GeometryError, InputError, LabelError, UnknownNameError

MODEL = MadeBy("Lesions in CT", "ab" * 32)


def three_objects():
    """Bars of 2, 4 and 3 voxels in one row each."""
    labels = np.zeros((1, 5, 6), np.uint16)
    labels[0, 0, 0:2] = 1
    labels[0, 2, 1:5] = 2
    labels[0, 4, 3:6] = 7
    return labels


def review_of(labels, **settings):
    defaults = {"spacing_mm": (2.0, 1.0, 1.0), "classes": ("lesion", "cyst"), "made_by": MODEL, "editor": "reader 1"}
    return Review(labels, **{**defaults, **settings})


def test_merging_gives_the_first_objects_id_to_all_and_undo_takes_it_back():
    labels = three_objects()
    review = review_of(labels)
    assert review.merge([7, 1]) == (7,)
    assert labels[0].tolist() == [[7, 7, 0, 0, 0, 0], [0] * 6, [0, 2, 2, 2, 2, 0], [0] * 6, [0, 0, 0, 7, 7, 7]]
    assert review.table.ids == (2, 7)
    assert review.table[7].measured.voxels == 5
    assert review.box_of(7) == (slice(0, 1), slice(0, 5), slice(0, 6))
    review.undo()
    assert np.array_equal(labels, three_objects())
    assert review.table.ids == (1, 2, 7)
    assert review.box_of(7) == (slice(0, 1), slice(4, 5), slice(3, 6))
    review.redo()
    assert review.table.ids == (2, 7)


def test_deleting_leaves_background_and_a_record_that_the_object_was_there():
    labels = three_objects()
    review = review_of(labels)
    assert review.delete([1, 2]) == ()
    assert np.unique(labels).tolist() == [0, 7]
    assert review.audit.objects[2].state is ObjectState.REMOVED
    assert [(entry.kind, entry.voxels, entry.editor) for entry in review.audit.objects[2].edits] == [
        ("delete", 4, "reader 1")
    ]
    assert review.audit.objects[2].state is ObjectState.REMOVED
    assert review.table.ids == (7,)


def test_splitting_by_seeds_keeps_the_larger_parts_id_and_what_is_known_of_the_object():
    labels = three_objects()
    review = review_of(labels, class_of={7: "cyst"})
    assert review.split_by_seeds(7, [(0, 4, 3), (0, 4, 5)]) == (7, 8)
    assert labels[0, 4].tolist() == [0, 0, 0, 7, 7, 8]
    new = review.audit.objects[8]
    assert (new.class_name, new.made_by, new.came_from, new.state) == ("cyst", MODEL, (7,), ObjectState.EDITED)
    assert new.algorithm_type is AlgorithmType.SEMIAUTOMATIC


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([(0, 4, 3)], "two or more seeds on different voxels, got 1"),
        ([(0, 4, 3), (0, 4, 3)], "two or more seeds on different voxels, got 1"),
        ([(0, 4, 3), (0, 2, 1)], "all seeds inside object 7"),
        ([(0, 4, 3), (0, 9, 1)], "all seeds inside object 7"),
    ],
)
def test_seeds_that_divide_nothing_are_refused_and_nothing_happens(seeds, message):
    review = review_of(three_objects())
    with pytest.raises(InputError, match=message):
        review.split_by_seeds(7, seeds)
    assert not review.can_undo


def test_accepting_is_no_edit_and_an_edit_takes_it_back():
    review = review_of(three_objects())
    assert review.accept([1, 2]) == (1, 2)
    assert review.accept([1]) == ()
    assert review.table[2].state is ObjectState.ACCEPTED
    assert review.audit.objects[2].algorithm_type is AlgorithmType.AUTOMATIC
    review.merge([2, 1])
    assert review.table[2].state is ObjectState.EDITED
    assert review.undo_name == "merge"
    review.undo()
    assert review.table[2].state is ObjectState.ACCEPTED
    assert (review.undo_name, review.redo_name) == ("accept", "merge")
    review.undo()
    assert review.table[2].state is ObjectState.PROPOSED
    assert not review.can_undo


def test_rejected_objects_stay_until_the_labels_are_asked_for_without_them():
    labels = three_objects()
    review = review_of(labels)
    review.reject([7])
    assert np.array_equal(labels, three_objects())
    kept = review.without_rejected()
    assert np.unique(kept).tolist() == [0, 1, 2]
    assert np.array_equal(labels, three_objects())


def test_another_class_is_an_edit_and_an_unknown_one_is_refused():
    review = review_of(three_objects())
    assert review.reclassify([1, 2], "cyst") == (1, 2)
    assert review.table[1].class_name == "cyst"
    assert review.audit.objects[1].algorithm_type is AlgorithmType.SEMIAUTOMATIC
    with pytest.raises(UnknownNameError, match="one of lesion, cyst, got 'bone'"):
        review.reclassify([1], "bone")
    review.undo()
    assert review.table[1].class_name == "lesion"


def test_every_step_tells_where_and_what_it_changed():
    review = review_of(three_objects())
    heard = []
    review.changed.connect(lambda change: heard.append((change.box, change.ids, change.removed)))
    review.merge([2, 1])
    review.accept([2])
    review.undo()
    review.undo()
    bar = (slice(0, 1), slice(0, 1), slice(0, 2))
    assert heard == [(bar, (2,), (1,)), (None, (2,), ()), (None, (2,), ()), (bar, (1, 2), ())]


def test_a_new_step_forgets_what_could_be_redone():
    review = review_of(three_objects())
    review.delete([1])
    review.undo()
    review.delete([2])
    assert not review.can_redo
    assert review.redo() is None
    assert review.undo_name == "delete"


def test_ids_of_removed_objects_are_not_given_again():
    review = review_of(three_objects())
    review.delete([7])
    assert review.free_ids(2) == (8, 9)


def test_where_the_type_ends_the_gaps_are_given_and_then_no_more():
    labels = np.zeros((1, 1, 300), np.uint8)
    labels[0, 0, :253] = np.arange(3, 256)
    review = review_of(labels)
    assert review.free_ids(2) == (1, 2)
    with pytest.raises(LabelError, match="room for 3 more ids, got uint8"):
        review.free_ids(3)


def test_the_audit_trail_survives_json_and_a_second_review_goes_on_from_it():
    labels = three_objects()
    review = review_of(labels, confidence={1: 0.25})
    review.delete([2])
    review.accept([1])
    again = AuditTrail.from_json(review.audit.to_json())
    assert again == review.audit
    second = review_of(labels, made_by=None, audit=again)
    assert second.table[1].state is ObjectState.ACCEPTED
    assert second.table[1].confidence == 0.25
    assert second.free_ids(1) == (8,)


def test_what_does_not_fit_the_labels_is_refused():
    labels = three_objects()
    with pytest.raises(GeometryError, match="image of the labels' shape"):
        review_of(labels, image=np.zeros((5, 6)))
    with pytest.raises(GeometryError, match="voxel size above 0 mm"):
        review_of(labels, spacing_mm=(1.0, 0.0, 1.0))
    with pytest.raises(GeometryError, match="2 or 3 axes, got 4"):
        review_of(labels[None])
    with pytest.raises(LabelError, match="whole numbers"):
        review_of(labels.astype(float))
    with pytest.raises(LabelError, match="an object that is there, got 3"):
        review_of(labels).accept([3])
