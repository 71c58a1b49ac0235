"""Undo and redo: any sequence of edits, byte for byte; bounded memory; only boxes are touched."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medseg_napari.review import Review
from medseg_napari.review.boxes import ObjectBoxes
from medseg_napari.review.change import Change, PackedChange
from medseg_napari.review.history import EditHistory, Known, Step

from medseg.errors import MedsegError

PLACES = st.tuples(*(st.integers(0, n - 1) for n in (3, 6, 7)))
NUMBERS = st.integers(1, 6)
"""Ids of which some are there."""


def brush(review, place, number):
    """What napari does on a brush stroke: write, then tell."""
    box = tuple(slice(max(at - 1, 0), at + 2) for at in place)
    part = review.labels[box]
    mask = part != number
    atom = (box, mask, part[mask], number)
    part[mask] = number
    return review.record_stroke([atom])


EDITS = {
    "brush": lambda review, number, other, place: brush(review, place, number),
    "erase": lambda review, number, other, place: brush(review, place, 0),
    "merge": lambda review, number, other, place: review.merge([number, other]),
    "delete": lambda review, number, other, place: review.delete([number]),
    "line": lambda review, number, other, place: review.split_by_line(number, (place, (place[0], 5.5, 0))),
    "seeds": lambda review, number, other, place: review.split_by_seeds(number, _ends(review, number)),
    "grow": lambda review, number, other, place: review.grow(number),
    "shrink": lambda review, number, other, place: review.shrink(number),
    "fill": lambda review, number, other, place: review.fill_holes(number, slice_axis=0),
    "interpolate": lambda review, number, other, place: review.interpolate(number),
    "restrict": lambda review, number, other, place: review.restrict(number, low=-0.5),
    "superpixels": lambda review, number, other, place: review.paint_superpixels(number, [place], region_voxels=2),
    "accept": lambda review, number, other, place: review.accept([number]),
    "reject": lambda review, number, other, place: review.reject([number]),
    "reclassify": lambda review, number, other, place: review.reclassify([number], "cyst"),
    "undo": lambda review, number, other, place: review.undo(),
    "redo": lambda review, number, other, place: review.redo(),
}


def _ends(review, number):
    voxels = np.argwhere(review.labels == number)
    return [voxels[0], voxels[-1]] if len(voxels) else []


def snapshot(review):
    return review.labels.tobytes(), review.audit, review.table.ids


@given(
    seed=st.integers(0, 1000),
    order=st.sampled_from("CF"),
    sequence=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), NUMBERS, NUMBERS, PLACES), max_size=12),
)
@settings(max_examples=80, deadline=None)
def test_any_sequence_of_edits_undone_gives_the_first_array_back_and_redone_the_last(seed, order, sequence):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 5, (1, 3, 4)) * rng.integers(0, 2, (1, 3, 4))
    labels = np.asarray(coarse.repeat(3, 0).repeat(2, 1).repeat(2, 2)[:, :, :7], np.uint16, order=order)
    image = rng.normal(size=labels.shape)
    review = Review(labels, spacing_mm=(2.0, 0.8, 0.8), image=image, classes=("lesion", "cyst"))
    first = snapshot(review)
    for name, *arguments in sequence:
        was = snapshot(review)
        try:
            EDITS[name](review, *arguments)
        except MedsegError:
            assert snapshot(review) == was
        fresh = ObjectBoxes(labels)
        assert {number: review.box_of(number) for number in review.table.ids} == {n: fresh[n] for n in fresh}
    while review.can_redo:
        review.redo()
    last = snapshot(review)
    rows = review.table.rows()
    while review.can_undo:
        review.undo()
    assert snapshot(review) == first
    while review.can_redo:
        review.redo()
    assert snapshot(review) == last
    assert review.table.rows() == rows
    assert review.table.rows() == Review(labels, spacing_mm=(2.0, 0.8, 0.8), image=image, audit=last[1]).table.rows()


def test_a_packed_change_is_the_change():
    before = np.array([[0, 5], [5, 65535]], np.uint16)
    after = np.array([[0, 9], [5, 1]], np.uint16)
    change = Change.between((slice(3, 5), slice(0, 2)), before=before, after=after)
    assert change.box == (slice(3, 5), slice(1, 2))
    again = PackedChange.of(change).unpacked()
    assert again.box == change.box
    assert [again.before.tolist(), again.after.tolist(), again.changed.tolist()] == [
        [5, 65535],
        [9, 1],
        [[True], [True]],
    ]


def noise_step(rng, name):
    """A step that does not compress: 2 bytes for each of 1000 voxels."""
    values = rng.integers(1, 2**16, (10, 100), dtype=np.uint16)
    change = Change.between((slice(0, 10), slice(0, 100)), before=np.zeros_like(values), after=values)
    return Step.of(name, (change,), before=Known({}, {}), after=Known({}, {}))


def test_beyond_the_bound_the_oldest_steps_are_forgotten_and_counted():
    rng = np.random.default_rng(0)
    history = EditHistory(max_bytes=10_000)
    for number in range(20):
        history.push(noise_step(rng, str(number)))
        assert history.nbytes <= 10_000
    names = []
    while (step := history.undo()) is not None:
        names.append(step.name)
    assert names == [str(number) for number in range(19, 19 - len(names), -1)]
    # A step of 2000 bytes and its account: three or four fit.
    assert len(names) in (3, 4)
    assert history.dropped_steps == 20 - len(names)
    assert history.nbytes <= 10_000


def test_the_newest_step_is_kept_whatever_its_size():
    rng = np.random.default_rng(0)
    history = EditHistory(max_bytes=10)
    history.push(noise_step(rng, "first"))
    history.push(noise_step(rng, "second"))
    assert (history.undo_name, history.dropped_steps) == ("second", 1)


def test_a_new_step_gives_back_the_memory_of_the_undone_ones():
    rng = np.random.default_rng(0)
    history = EditHistory()
    history.push(noise_step(rng, "first"))
    one = history.nbytes
    history.push(noise_step(rng, "second"))
    history.undo()
    history.undo()
    history.push(noise_step(rng, "third"))
    assert history.nbytes == pytest.approx(one, rel=0.01)
    assert (history.undo_name, history.redo_name) == ("third", None)


def test_steps_that_were_forgotten_are_not_undone():
    labels = np.zeros((50, 50), np.uint16)
    labels[:20], labels[30:] = 1, 2
    review = Review(labels, max_bytes=1)
    review.delete([1])
    review.delete([2])
    assert review.dropped_steps == 1
    review.undo()
    assert not review.can_undo
    assert np.unique(labels).tolist() == [0, 2]


@pytest.fixture(scope="module")
def large():
    """A review of 512 x 512 x 600 voxels, 315 MB, in which objects of some hundred voxels lie far apart."""
    labels = np.zeros((600, 512, 512), np.uint16)
    for number, corner in enumerate([(5, 5, 5), (590, 500, 500), (300, 20, 480), (300, 20, 489)], start=1):
        labels[tuple(slice(at, at + 8) for at in corner)] = number
    image = np.broadcast_to(np.float32(40.0), labels.shape)
    return Review(labels, spacing_mm=(1.0, 0.8, 0.8), image=image)


LARGE_EDITS = {
    "merge": lambda review: review.merge([1, 2, 3]),
    "delete": lambda review: review.delete([1, 2]),
    "line": lambda review: review.split_by_line(1, ((8, 8.5, 0), (8, 8.5, 9))),
    "seeds": lambda review: review.split_by_seeds(1, [(6, 6, 6), (12, 12, 12)]),
    "grow": lambda review: review.grow(1, distance_mm=2.0),
    "shrink": lambda review: review.shrink(1),
    "restrict": lambda review: review.restrict(2, low=50),
    "superpixels": lambda review: review.paint_superpixels(9, [(100, 100, 100)]),
    "brush": lambda review: brush(review, (303, 24, 488), 3),
    "accept": lambda review: review.accept([1, 2, 3]),
}


@pytest.mark.parametrize("name", sorted(LARGE_EDITS))
def test_an_edit_of_a_volume_of_512_x_512_x_600_takes_less_memory_than_one_slice_of_it(name, large):
    # Any look at the whole volume, such as `labels == id`, would make an array of 157 MB.
    LARGE_EDITS["superpixels"](large)  # scikit-image loads its parts on the first call
    large.undo()
    tracemalloc.start()
    try:
        LARGE_EDITS[name](large)
        large.table[large.table.ids[-1]]
        large.undo()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # In-plane tiles of superpixels are 128 x 128 float64 and a few copies of them.
    assert peak < 512 * 512 * 8
    assert not large.can_undo
