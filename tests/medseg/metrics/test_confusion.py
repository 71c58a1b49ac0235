import numpy as np
import pytest

from medseg.errors import GeometryError, LabelError
from medseg.metrics import ConfusionTable, confusion, confusion_table


def test_rows_are_the_reference_and_columns_the_prediction():
    reference = np.array([0, 0, 1, 1, 1, 2])
    prediction = np.array([0, 1, 1, 1, 0, 2])
    table = confusion_table(reference=reference, prediction=prediction, class_values=(0, 1, 2))
    assert table.counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]


def test_values_with_gaps_are_counted_in_ascending_order():
    table = confusion_table(
        reference=np.array([[7, 0], [255, 7]], np.uint8),
        prediction=np.array([[7, 255], [255, 0]], np.uint8),
        class_values=(255, 0, 7),
    )
    assert table.values == (0, 7, 255)
    assert table.counts.tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 1]]


def test_ignored_voxels_are_left_out_and_may_hold_any_value():
    table = confusion_table(
        reference=np.array([0, 1, 99]),
        prediction=np.array([0, 0, 77]),
        class_values=(0, 1),
        ignore=np.array([False, False, True]),
    )
    assert table.counts.tolist() == [[1, 0], [1, 0]]
    assert table.ignored == 1


def test_counting_in_chunks_gives_what_counting_voxel_by_voxel_gives(monkeypatch):
    monkeypatch.setattr(confusion, "_CHUNK_VOXELS", 7)
    rng = np.random.default_rng(3)
    reference, prediction = rng.integers(0, 4, (2, 5, 6, 3))
    table = confusion_table(reference=reference, prediction=prediction, class_values=range(4))
    slow = np.zeros((4, 4), int)
    for one, other in zip(reference.ravel(), prediction.ravel(), strict=True):
        slow[one, other] += 1
    assert np.array_equal(table.counts, slow)


def test_a_large_map_needs_little_memory_beyond_itself():
    import tracemalloc

    reference = np.zeros((256, 256, 256), np.uint8)
    tracemalloc.start()
    confusion_table(reference=reference, prediction=reference, class_values=(0, 1, 2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6


def test_tables_of_different_classes_add_up_by_value():
    one = ConfusionTable(np.array([[4, 1], [0, 2]]), (0, 1))
    other = ConfusionTable(np.array([[5, 0], [3, 6]]), (0, 2), ignored=4)
    total = one + other
    assert total.values == (0, 1, 2)
    assert total.counts.tolist() == [[9, 1, 0], [0, 2, 0], [3, 0, 6]]
    assert total.ignored == 4


def test_another_shape_is_refused():
    with pytest.raises(GeometryError, match=r"prediction: expected the reference's shape \(2, 2\), got \(2, 3\)"):
        confusion_table(reference=np.zeros((2, 2), int), prediction=np.zeros((2, 3), int), class_values=(0, 1))


@pytest.mark.parametrize(("role", "values"), [("reference", (3, 0)), ("prediction", (0, 3))])
def test_a_value_outside_the_classes_is_refused(role, values):
    with pytest.raises(
        LabelError, match=rf"{role}: label values 3 are not in the class table \(0, 1\)\. Map or remove"
    ):
        confusion_table(reference=np.array([values[0]]), prediction=np.array([values[1]]), class_values=(0, 1))


@pytest.mark.parametrize("class_values", [range(3), range(20), (0, 1, 2, 300)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_number_types_and_memory_order_do_not_matter(dtype, class_values):
    rng = np.random.default_rng(5)
    reference, prediction = rng.integers(0, 3, (2, 4, 5, 6)).astype(dtype)
    plain = confusion_table(reference=reference, prediction=prediction, class_values=class_values)
    stored = np.asfortranarray(reference), np.asfortranarray(prediction)
    assert np.array_equal(
        confusion_table(reference=stored[0], prediction=stored[1], class_values=class_values).counts, plain.counts
    )
    assert np.array_equal(
        confusion_table(reference=stored[0], prediction=prediction, class_values=class_values).counts, plain.counts
    )
    slow = [[int(((reference == one) & (prediction == other)).sum()) for other in range(3)] for one in range(3)]
    assert plain.counts[:3, :3].tolist() == slow
    assert plain.counts.sum() == reference.size


@pytest.mark.parametrize("num_classes", [2, 25, 40, 300])
def test_finely_mixed_maps_of_few_and_many_classes_are_counted_voxel_by_voxel(num_classes):
    maps = np.random.default_rng(num_classes).integers(0, num_classes, (2, 3001))
    expected = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(expected, tuple(maps), 1)
    table = confusion_table(reference=maps[0], prediction=maps[1], class_values=range(num_classes))
    np.testing.assert_array_equal(table.counts, expected)


@pytest.mark.parametrize("seed", range(3))
def test_long_runs_are_counted_voxel_by_voxel(seed):
    rng = np.random.default_rng(seed)
    maps = [np.repeat(rng.integers(0, 5, 40), rng.integers(20, 90, 40))[:800].astype(np.uint8) for _ in range(2)]
    expected = np.zeros((5, 5), dtype=np.int64)
    for row, column in zip(*maps, strict=True):
        expected[row, column] += 1
    table = confusion_table(reference=maps[0], prediction=maps[1], class_values=range(5))
    np.testing.assert_array_equal(table.counts, expected)


def test_a_strange_value_in_a_long_run_is_refused():
    run = np.zeros(800, dtype=np.uint8)
    run[400:480] = 7
    with pytest.raises(LabelError, match="prediction: label values 7 are not in the class table"):
        confusion_table(reference=np.zeros_like(run), prediction=run, class_values=range(5))
