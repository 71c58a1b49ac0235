import contextlib
import io
import math

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from medseg.errors import InputError
from medseg.metrics import (
    coco_average_precision,
    coco_counts,
    coco_point_precision,
    coco_scores,
    joined_overlap,
    overlap_table,
)


def six(scores):
    return [getattr(scores, name) for name in ("ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large")]


def annotations_of(image_id, labels, scores=None):
    """The objects of an image in COCO's form; scores by place."""
    from pycocotools import mask

    found = []
    for place, value in enumerate(np.unique(labels[labels > 0])):
        code = mask.encode(np.asfortranarray(labels == value, dtype=np.uint8))
        entry = {"image_id": image_id, "category_id": 1, "segmentation": code, "iscrowd": 0}
        entry["area"] = int(mask.area(code))
        if scores is not None:
            entry["score"] = float(scores[place])
        found.append(entry)
    return found


def coco_program(pairs, scores):
    """AP, AP50, AP75, AP small, medium, large of COCO's own program; nan for its -1."""
    pytest.importorskip("pycocotools", reason="COCO's own program is the oracle of this test")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = COCO(), COCO()
    images = [
        {"id": number, "height": pair[0].shape[0], "width": pair[0].shape[1]} for number, pair in enumerate(pairs)
    ]
    for side, which in ((truth, 0), (results, 1)):
        entries = []
        for number, pair in enumerate(pairs):
            entries += annotations_of(number, pair[which], scores[number] if which else None)
        side.dataset = {
            "images": images,
            "categories": [{"id": 1}],
            "annotations": [{**entry, "id": number} for number, entry in enumerate(entries, start=1)],
        }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results.createIndex()
        program = COCOeval(truth, results, "segm")
        program.params.maxDets = [1, 10, 100_000]
        program.evaluate()
        program.accumulate()
    precision = program.eval["precision"][:, :, 0, :, -1]  # thresholds, recalls, sizes
    cuts = [precision[:, :, 0], precision[:1, :, 0], precision[5:6, :, 0], *(precision[:, :, n] for n in (1, 2, 3))]
    return [float(cut[cut > -1].mean()) if (cut > -1).any() else math.nan for cut in cuts]


def blobs(rng, count, shape=(240, 240)):
    """Objects of 5 to about 20 000 px."""
    labels = np.zeros(shape, np.int32)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for value in range(1, count + 1):
        centre = rng.uniform(0, shape)
        radius = rng.choice([rng.uniform(2, 16), rng.uniform(18, 50), rng.uniform(56, 80)])
        labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2] = value
    return labels


def disturbed(rng, labels):
    """A prediction: objects lost, cut, shifted, and some made up."""
    found = ndimage.shift(labels, rng.integers(-2, 3, 2), order=0)
    values = np.unique(labels)[1:]
    found[np.isin(found, rng.permutation(values)[: len(values) // 5])] = 0
    cut = rng.permutation(values)[: len(values) // 5]
    found[np.isin(found, cut) & (np.arange(labels.shape[1]) % 4 == 0)] = 0
    found[(found == 0) & (blobs(rng, 3) > 0)] = 900
    return found


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(7)
    truths = [blobs(rng, 14) for _ in range(3)]
    empty = np.zeros((240, 240), np.int32)
    made = [(truth, disturbed(rng, truth)) for truth in truths]
    return [*made, (truths[0], empty), (empty, truths[1]), (empty, empty)]


def tables_of(pairs):
    return [overlap_table(reference_labels=one, prediction_labels=other) for one, other in pairs]


def test_the_six_scores_are_those_of_cocos_program_empty_images_included(pairs):
    rng = np.random.default_rng(8)
    tables = tables_of(pairs)
    scores = [rng.random(one.num_prediction) for one in tables]
    expected = coco_program(pairs, scores)
    assert not any(math.isnan(value) for value in expected)
    found = six(coco_scores(joined_overlap(tables), scores=np.concatenate(scores)))
    assert found == pytest.approx(expected, abs=1e-12)


def test_tied_scores_are_taken_in_order_as_in_cocos_program(pairs):
    tables = tables_of(pairs)
    scores = [np.round(np.random.default_rng(9).random(one.num_prediction), 1) for one in tables]
    found = six(coco_scores(joined_overlap(tables), scores=np.concatenate(scores)))
    assert found == pytest.approx(coco_program(pairs, scores), abs=1e-12)


def test_without_scores_it_is_cocos_answer_for_the_least_fortunate_order(pairs):
    tables = tables_of(pairs)
    joined = joined_overlap(tables)
    for threshold, place in ((0.5, 1), (0.75, 2)):
        right = np.zeros(joined.num_prediction)
        right[joined.pair_prediction[joined.ious >= threshold]] = 1
        parts = np.split(right, np.cumsum([one.num_prediction for one in tables])[:-1])
        worst = coco_program(pairs, [1 - part for part in parts])[place]
        assert coco_average_precision(joined, iou_threshold=threshold) == pytest.approx(worst)
        for seed in range(5):
            any_order = np.random.default_rng(seed).random(joined.num_prediction)
            assert coco_average_precision(joined, iou_threshold=threshold, scores=any_order) >= worst - 1e-12


def test_scores_derived_by_hand():
    # Three objects of 4 px; found: the first exactly, the second by 3 of 4 px, and one made up between them in score.
    reference = np.array([[1] * 4 + [2] * 4 + [3] * 4 + [0] * 4])
    prediction = np.array([[1] * 4 + [2] * 3 + [0] * 5 + [3] * 4])
    overlap = overlap_table(reference_labels=reference, prediction_labels=prediction)
    # At 0.5: precision 1 to recall 1/3 (recalls 0 .. 0.33: 34), then 2/3 to recall 2/3 (0.34 .. 0.66: 33), then 0.
    at_half = coco_average_precision(overlap, iou_threshold=0.5, scores=[0.9, 0.1, 0.5])
    assert at_half == pytest.approx((34 + 33 * 2 / 3) / 101)
    # Without scores: precision 2/3 at recall 2/3: 67 of 101 recalls.
    assert coco_average_precision(overlap, iou_threshold=0.5) == pytest.approx(67 / 101 * 2 / 3)
    # 3 of 4 px is an IoU of 0.75: at least 0.75, so still a match; at 0.8 one of three is right.
    assert coco_average_precision(overlap, iou_threshold=0.75) == pytest.approx(67 / 101 * 2 / 3)
    assert coco_average_precision(overlap, iou_threshold=0.8) == pytest.approx(34 / 101 / 3)


def test_counts_of_images_add_up_to_the_scores_of_all_objects_in_one_list(pairs):
    tables = tables_of(pairs)
    counts = sum((coco_counts(one) for one in tables[1:]), start=coco_counts(tables[0]))
    found = [coco_point_precision(counts, **words) for words in ({}, {"iou_threshold": 0.5}, {"iou_threshold": 0.75})]
    found += [coco_point_precision(counts, size=size) for size in ("small", "medium", "large")]
    assert found == pytest.approx(six(coco_scores(joined_overlap(tables))), abs=1e-12)
    none = coco_counts(overlap_table(reference_labels=np.zeros((4, 4), int), prediction_labels=np.ones((4, 4), int)))
    assert math.isnan(coco_point_precision(none))


def test_what_is_undefined_and_what_is_zero():
    empty, one = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert all(map(math.isnan, six(coco_scores(overlap_table(reference_labels=empty, prediction_labels=empty)))))
    assert all(map(math.isnan, six(coco_scores(overlap_table(reference_labels=empty, prediction_labels=one)))))
    missed = six(coco_scores(overlap_table(reference_labels=one, prediction_labels=empty)))
    assert missed == pytest.approx([0, 0, 0, 0, math.nan, math.nan], nan_ok=True)


def test_one_missed_object_more_never_raises_a_score(pairs):
    tables = tables_of(pairs)
    scores = np.random.default_rng(2).random(joined_overlap(tables).num_prediction)
    for given in (None, scores):
        before = six(coco_scores(joined_overlap(tables), scores=given))
        for side in (5, 50, 120):
            reference = np.zeros((120, 120), int)
            reference[:side, :side] = 1
            missed = overlap_table(reference_labels=reference, prediction_labels=0 * reference)
            after = six(coco_scores(joined_overlap([*tables, missed]), scores=given))
            assert all(new <= old for new, old in zip(after, before, strict=True))


@pytest.mark.real_data
def test_on_real_nuclei_the_six_scores_are_those_of_cocos_program(data_dir):
    rng = np.random.default_rng(5)
    files = sorted((data_dir / "dsb2018/train/masks").glob("*.tif"))[:12]
    masks = [tifffile.imread(path).astype(np.int32) for path in files]
    # Shifted by two pixels, and each seventh nucleus lost.
    real = [(mask, np.roll(np.where(mask % 7 == 3, 0, mask), 2, axis=1)) for mask in masks]
    tables = tables_of(real)
    scores = [rng.random(one.num_prediction) for one in tables]
    assert sum(one.num_reference for one in tables) > 200
    found = six(coco_scores(joined_overlap(tables), scores=np.concatenate(scores)))
    assert found == pytest.approx(coco_program(real, scores), abs=1e-12, nan_ok=True)


def test_wrong_arguments_are_refused():
    overlap = overlap_table(reference_labels=np.eye(2, dtype=int), prediction_labels=np.eye(2, dtype=int))
    with pytest.raises(InputError, match=r"expected 0\.5 to 1, got 0\.4"):
        coco_average_precision(overlap, iou_threshold=0.4)
    with pytest.raises(InputError, match="expected one of all, small, medium, large, got 'tiny'"):
        coco_average_precision(overlap, iou_threshold=0.5, size="tiny")
    with pytest.raises(InputError, match="expected 1 finite numbers, one for each predicted object"):
        coco_scores(overlap, scores=[math.nan])
