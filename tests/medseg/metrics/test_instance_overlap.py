import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import contingency_table

from medseg.errors import GeometryError, InputError, LabelError
from medseg.metrics import joined_overlap, overlap_table

label_pairs = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)) for _ in range(2)])
)


def dense(overlap):
    """(reference id, prediction id) -> voxels, and sizes by id, of a table of one image."""
    pairs = zip(overlap.pair_reference, overlap.pair_prediction, overlap.intersections, strict=True)
    shared = {(int(overlap.reference_ids[r]), int(overlap.prediction_ids[p])): int(n) for r, p, n in pairs}
    sizes = [
        dict(zip(ids.tolist(), counts.tolist(), strict=True))
        for ids, counts in (
            (overlap.reference_ids, overlap.reference_sizes),
            (overlap.prediction_ids, overlap.prediction_sizes),
        )
    ]
    return shared, *sizes


@given(label_pairs)
@settings(deadline=None)
def test_the_table_holds_the_counts_of_scikit_images_contingency_table(pair):
    reference, prediction = pair
    table = contingency_table(reference, prediction, normalize=False).toarray()
    shared, reference_sizes, prediction_sizes = dense(
        overlap_table(reference_labels=reference, prediction_labels=prediction)
    )
    assert shared == {(r, p): table[r, p] for r, p in zip(*np.nonzero(table), strict=True) if r and p}
    assert reference_sizes == {r: n for r, n in enumerate(table.sum(axis=1)) if r and n}
    assert prediction_sizes == {p: n for p, n in enumerate(table.sum(axis=0)) if p and n}


@pytest.mark.parametrize("order", ["C", "F"])
def test_objects_that_span_several_chunks_are_counted_once(order):
    # 3 million voxels: several chunks in either order of memory.
    reference = np.zeros((300, 100, 100), np.uint16, order=order)
    prediction = np.zeros(reference.shape, np.int64, order=order)
    reference[:, 10:60, 10:60] = 40_000
    prediction[5:, 20:70, 10:60] = 2**62
    overlap = overlap_table(reference_labels=reference, prediction_labels=prediction)
    shared = {(40_000, 2**62): 295 * 40 * 50}
    assert dense(overlap) == (shared, {40_000: 300 * 50 * 50}, {2**62: 295 * 50 * 50})


def test_a_volume_is_counted_in_little_memory():
    reference = np.zeros((64, 512, 512), np.uint8)
    reference[10:50, 100:400, 100:400] = 1
    tracemalloc.start()
    overlap_table(reference_labels=reference, prediction_labels=reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < reference.nbytes / 2


def test_adding_keeps_equal_ids_of_different_images_apart():
    labels = np.array([[1, 1, 2]])
    once = overlap_table(reference_labels=labels, prediction_labels=labels)
    twice = once + once
    assert twice.reference_ids.tolist() == [1, 2, 1, 2]
    assert twice.pair_prediction.tolist() == [0, 1, 2, 3]
    assert twice.ious.tolist() == [1, 1, 1, 1]


def test_joining_many_images_is_adding_them():
    rng = np.random.default_rng(3)
    tables = [
        overlap_table(reference_labels=rng.integers(0, 4, (5, 5)), prediction_labels=rng.integers(0, 3, (5, 5)))
        for _ in range(4)
    ]
    joined, added = joined_overlap(tables), sum(tables[1:], start=tables[0])
    for field in ("reference_ids", "prediction_sizes", "pair_reference", "pair_prediction", "intersections"):
        np.testing.assert_array_equal(getattr(joined, field), getattr(added, field))


@pytest.mark.parametrize("shape", [(0, 3), (2, 2)])
def test_without_objects_the_table_is_empty(shape):
    nothing = np.zeros(shape, np.uint8)
    overlap = overlap_table(reference_labels=nothing, prediction_labels=nothing)
    assert (overlap.num_reference, overlap.num_prediction, overlap.ious.size) == (0, 0, 0)


def test_what_is_no_label_image_is_refused():
    good = np.ones((2, 2), np.int16)
    for bad, error, words in (
        (np.ones((2, 3), np.int16), GeometryError, r"expected the reference's shape \(2, 2\), got \(2, 3\)"),
        (np.ones((2, 2)), LabelError, "prediction: expected whole numbers as object ids, got float64"),
        (np.ones((2, 2), bool), LabelError, "got bool"),
        (-good, LabelError, r"expected object ids of 0 \(background\) or more, got -1"),
        (np.full((2, 2), 2**63, np.uint64), LabelError, "Renumber the objects"),
    ):
        with pytest.raises(error, match=words):
            overlap_table(reference_labels=good, prediction_labels=bad)
    with pytest.raises(InputError, match="at least one image"):
        joined_overlap([])
