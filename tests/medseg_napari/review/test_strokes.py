"""What napari's own Labels layer emits when it paints becomes one step of the review."""

import numpy as np
import pytest
from medseg_napari.review import AlgorithmType, ObjectState, Review
from napari.layers import Labels


@pytest.fixture
def painted():
    """A layer of napari on an array with object 2, and the review that listens to it."""
    labels = np.zeros((3, 12, 12), np.uint16)
    labels[:, 4:8, 4:8] = 2
    layer = Labels(labels)
    review = Review(labels, spacing_mm=(2.0, 1.0, 1.0), classes=("lesion",), editor="reader 1")
    layer.events.paint.connect(lambda event: review.record_stroke(event.value))
    assert layer.data is labels
    return layer, review


def drag(layer):
    """A brush stroke of three touches, of which each overlaps the one before."""
    layer.brush_size = 4
    with layer.block_history():
        for x in (3, 5, 7):
            layer.paint((1, 5, x), 9)


STROKES = {
    "one touch of the brush": lambda layer: layer.paint((1, 2, 2), 9),
    "a stroke": drag,
    "a stroke in 3-D": lambda layer: (setattr(layer, "n_edit_dimensions", 3), drag(layer)),
    "fill": lambda layer: layer.fill((1, 5, 5), 9),
    "fill all of a slice's background": lambda layer: layer.fill((1, 0, 0), 9),
    "polygon": lambda layer: layer.paint_polygon([(1, 2, 2), (1, 2, 8), (1, 8, 8)], 9),
    "erase": lambda layer: layer.paint((1, 5, 5), 0),
    "a whole box": lambda layer: (
        layer.paint((0, 1, 1), 9),
        setattr(layer, "brush_size", 1),
        layer.paint((0, 9, 9), 9),
    ),
    "set items": lambda layer: layer.data_setitem((np.array([1, 1, 2]), np.array([4, 0, 3]), np.array([4, 0, 3])), 9),
    "set items one by one": lambda layer: layer.data_setitem(
        (np.array([0, 2]), np.array([11, 0]), np.array([0, 11])), np.array([7, 9], np.uint16)
    ),
}


@pytest.mark.parametrize("name", sorted(STROKES))
def test_a_stroke_of_napari_is_undone_and_redone_byte_for_byte(painted, name):
    layer, review = painted
    first = review.labels.tobytes()
    STROKES[name](layer)
    last = review.labels.tobytes()
    assert last != first
    while review.can_undo:
        review.undo()
    assert review.labels.tobytes() == first
    assert review.table.ids == (2,)
    while review.can_redo:
        review.redo()
    assert review.labels.tobytes() == last
    assert review.table.ids == tuple(np.unique(review.labels)[1:])


def test_a_stroke_of_many_touches_is_one_step(painted):
    layer, review = painted
    drag(layer)
    assert review.undo_name == "paint"
    review.undo()
    assert not review.can_undo


def test_a_new_number_is_an_object_drawn_by_hand_and_what_it_covers_is_edited(painted):
    layer, review = painted
    drag(layer)
    drawn, covered = review.audit.objects[9], review.audit.objects[2]
    assert (drawn.state, drawn.algorithm_type, drawn.class_name) == (
        ObjectState.DRAWN,
        AlgorithmType.MANUAL,
        "lesion",
    )
    assert covered.state is ObjectState.EDITED
    counts = np.count_nonzero(review.labels == 9), 48 - np.count_nonzero(review.labels == 2)
    assert (drawn.edits[0].voxels, covered.edits[0].voxels) == counts


def test_a_stroke_that_changes_nothing_is_no_step(painted):
    layer, review = painted
    layer.brush_size = 1
    layer.paint((1, 5, 5), 2)
    assert review.record_stroke([]) == ()
    with layer.block_history():
        layer.paint((1, 1, 1), 9)
        layer.paint((1, 1, 1), 0)
    assert not review.can_undo
