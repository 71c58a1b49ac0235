"""From detections to a map of object numbers."""

import numpy as np
import torch

from medseg.inference.object_painting import PaintedObjects, join_tiles, paint
from medseg.models import Detections


def detections(boxes, scores, *, classes=None, masks=None):
    count = len(boxes)
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes or [1] * count, dtype=torch.int64),
        torch.tensor(scores, dtype=torch.float32),
        torch.ones(count, 28, 28) if masks is None else masks,
    )


def painted(found, shape=(20, 30)):
    return paint(found, spatial_shape=shape, min_score=0.5, mask_threshold=0.5)


def test_a_full_mask_fills_the_pixels_of_its_box():
    result = painted(detections([[1.5, 3.5, 6.5, 9.5]], [0.9]))
    expected = np.zeros((20, 30), int)
    expected[4:10, 2:7] = 1
    assert np.array_equal(result.numbers, expected)


def test_half_a_mask_fills_half_of_the_box():
    mask = torch.zeros(1, 28, 28)
    mask[:, :, :14] = 1
    result = painted(detections([[-0.5, -0.5, 9.5, 9.5]], [0.9], masks=mask))
    expected = np.zeros((20, 30), int)
    expected[:10, :5] = 1
    assert np.array_equal(result.numbers, expected)


def test_the_higher_score_wins_where_masks_overlap_whatever_the_order():
    boxes = [[-0.5, -0.5, 9.5, 9.5], [5.5, -0.5, 19.5, 9.5]]
    for scores, owner in (([0.6, 0.9], 14), ([0.9, 0.6], 10)):
        result = painted(detections(boxes, scores))
        assert result.scores.tolist() == np.sort(np.float32(scores))[::-1].tolist()
        assert (result.numbers == 1).sum() == 10 * owner
        assert (result.numbers > 0).sum() == 200


def test_an_object_that_keeps_less_than_half_of_itself_and_an_unsure_one_are_left_out():
    boxes = [[-0.5, -0.5, 9.5, 9.5], [-0.5, -0.5, 9.5, 11.5], [15.5, 0.5, 20.5, 5.5]]
    result = painted(detections(boxes, [0.9, 0.8, 0.4]))
    assert result.scores.tolist() == [np.float32(0.9)]
    assert result.numbers.max() == 1


def test_boxes_outside_without_extent_or_without_pixels_paint_nothing():
    boxes = [[40, 1, 50, 5], [3, 3, 3, 8], [2.1, 2.1, 2.9, 2.9]]
    assert painted(detections(boxes, [0.9, 0.9, 0.9])).numbers.max() == 0
    assert painted(detections([], [])).numbers.max() == 0


def test_three_hundred_objects_are_all_painted():
    boxes = [[12 * x - 0.5, 12 * y - 0.5, 12 * x + 9.5, 12 * y + 9.5] for y in range(15) for x in range(20)]
    result = painted(detections(boxes, np.linspace(0.5, 1, 300)), shape=(180, 240))
    assert len(result.scores) == result.numbers.max() == 300


def test_an_object_on_the_seam_of_two_tiles_is_one_and_keeps_class_and_score_of_its_larger_part():
    whole = np.zeros((10, 30), np.uint32)
    whole[2:8, 8:18] = 1
    left, right = (slice(0, 10), slice(0, 20)), (slice(0, 10), slice(10, 30))
    tiles = [
        (left, PaintedObjects(whole[left].copy(), np.array([0.7], np.float32), np.array([1]))),
        (right, PaintedObjects(whole[right].copy(), np.array([0.9], np.float32), np.array([2]))),
    ]
    result = join_tiles(tiles, spatial_shape=(10, 30))
    assert np.array_equal(result.numbers, whole)
    assert (result.scores.tolist(), result.classes.tolist()) == ([np.float32(0.7)], [1])
