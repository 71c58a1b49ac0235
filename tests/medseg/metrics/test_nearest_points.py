"""Distances to the nearest point, against all pairs."""

import numpy as np
import pytest

from medseg.metrics.nearest_points import distances_to_nearest


def of_all_pairs(points: np.ndarray, others: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    steps = points[:, None].astype(np.float64) - others[None]
    return np.sqrt(((steps * np.array(spacing_mm)) ** 2).sum(axis=2)).min(axis=1)


def random_points(count: int, low: tuple[int, ...], high: tuple[int, ...], *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, size=(count, len(low))).astype(np.int32)


@pytest.mark.parametrize(
    "spacing_mm",
    [(1.0, 1.0, 1.0), (2.5, 0.8, 0.8), (0.3, 4.0, 1.1), (0.1, 0.1, 7.0), (1.0, 1.0), (0.02, 3.0)],
    ids=str,
)
@pytest.mark.parametrize("count", [3, 60, 900])
def test_the_distance_is_the_smallest_of_all_pairs(spacing_mm: tuple[float, ...], count: int) -> None:
    axes = len(spacing_mm)
    points = random_points(count, (-7,) * axes, (33, 29, 41)[:axes], seed=count)
    others = random_points(count + 11, (-2,) * axes, (40, 35, 30)[:axes], seed=count + 1)
    found = distances_to_nearest(points, others, spacing_mm=spacing_mm)
    np.testing.assert_allclose(found, of_all_pairs(points, others, spacing_mm), rtol=1e-14)


@pytest.mark.parametrize("spacing_mm", [(0.01, 9.0, 9.0), (9.0, 0.01, 9.0), (9.0, 9.0, 0.01)], ids=str)
def test_more_steps_along_one_axis_than_a_byte_holds_are_counted_in_full(spacing_mm: tuple[float, ...]) -> None:
    swept = int(np.argmin(spacing_mm))
    line = np.zeros((1000, 3), dtype=np.int32)
    line[:, swept] = np.arange(1000)
    others = np.zeros((2, 3), dtype=np.int32)
    others[1, swept] = 999
    others[1, swept - 1] = 1  # a column away, where the last points of the line have their nearest
    found = distances_to_nearest(line, others, spacing_mm=spacing_mm)
    np.testing.assert_allclose(found, of_all_pairs(line, others, spacing_mm), rtol=1e-14)
    assert found[999] == pytest.approx(9.0)
    assert found[600] == pytest.approx(6.0)


def test_a_few_points_far_from_the_rest_get_their_distance_too() -> None:
    sheet = np.stack(np.meshgrid([0], np.arange(40), np.arange(40), indexing="ij"), axis=-1).reshape(-1, 3)
    points = np.concatenate((sheet + np.array([2, 0, 0]), [[90, 20, 20], [90, 60, 39]])).astype(np.int32)
    found = distances_to_nearest(points, sheet.astype(np.int32), spacing_mm=(1.0, 2.0, 1.0))
    assert (found[:-2] == 2).all()
    assert found[-2] == 90
    assert found[-1] == pytest.approx(np.sqrt(90**2 + (21 * 2) ** 2))


def test_of_surfaces_far_apart_every_point_gets_its_distance() -> None:
    sheet = np.stack(np.meshgrid([0], np.arange(30), np.arange(30), indexing="ij"), axis=-1).reshape(-1, 3)
    found = distances_to_nearest(
        (sheet + np.array([25, 0, 3])).astype(np.int32), sheet.astype(np.int32), spacing_mm=(1.0, 1.0, 1.0)
    )
    beyond = np.tile(np.maximum(np.arange(30) + 3 - 29, 0), 30)
    np.testing.assert_allclose(found, np.sqrt(25**2 + beyond**2), rtol=1e-14)


def test_points_too_sparse_for_a_block_are_answered_without_one() -> None:
    points = np.array([[0, 0, 0], [2_000_000, 5, 2_000_000]], dtype=np.int32)
    others = np.array([[3, 4, 0]], dtype=np.int32)
    found = distances_to_nearest(points, others, spacing_mm=(1.0, 1.0, 1.0))
    assert found[0] == 5
    assert found[1] == pytest.approx(np.sqrt(1_999_997**2 + 1 + 2_000_000**2))


def test_without_others_the_distance_is_infinite_and_without_points_there_is_none() -> None:
    some, none = np.zeros((2, 3), dtype=np.int32), np.zeros((0, 3), dtype=np.int32)
    assert distances_to_nearest(some, none, spacing_mm=(1, 1, 1)).tolist() == [np.inf, np.inf]
    assert distances_to_nearest(none, some, spacing_mm=(1, 1, 1)).shape == (0,)
    assert distances_to_nearest(none, none, spacing_mm=(1, 1, 1)).shape == (0,)


def test_three_steps_of_a_tenth_are_the_same_wherever_they_start() -> None:
    others = random_points(300, (0, 0, 0), (1, 1, 500), seed=5)
    points = others + np.array([3, 0, 0], dtype=np.int32)
    assert set(distances_to_nearest(points, others, spacing_mm=(0.1, 9.0, 9.0))) == {np.sqrt((3 * 0.1) ** 2)}
