"""COCO's JSON, judged by the program that defines it."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from medseg.errors import ImageFormatError, LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io.coco import CocoImage, decode_mask, encode_mask, object_map, write_coco

# pycocotools' compiled part does not know numpy 2's keyword yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TABLE = LabelTable.from_names(["background", "cell"])


def objects(array):
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    return LabelMap(np.asarray(array), affine, "YX", TABLE, LabelKind.INSTANCES)


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_are_those_of_pycocotools_in_both_directions(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 53)) < rng.choice([0.02, 0.5, 0.98])
    mask = np.kron(mask, np.ones((3, 5), bool)) if seed % 2 else mask
    theirs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_mask(mask) == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    assert np.array_equal(decode_mask(encode_mask(mask), shape=mask.shape), mask)


@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_masks_come_back(value):
    mask = np.full((4, 6), value)
    assert coco_masks.decode(encode_mask(mask)).tolist() == mask.astype(int).tolist()
    assert np.array_equal(decode_mask(encode_mask(mask), shape=(4, 6)), mask)


def test_uncompressed_run_lengths_are_read():
    found = decode_mask({"size": [2, 3], "counts": [1, 2, 3]}, shape=(2, 3))
    assert found.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_a_polygon_holds_the_pixels_whose_centres_it_holds():
    found = decode_mask([[2, 1, 6, 1, 6, 4, 2, 4]], shape=(6, 8))
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(found, expected)


def test_a_round_polygon_is_nearly_that_of_pycocotools():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    corners = np.stack([30 + 17.3 * np.cos(angle), 28 + 12.1 * np.sin(angle)], axis=1).ravel().tolist()
    theirs = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects([corners], 60, 64))).astype(bool)
    ours = decode_mask([corners], shape=(60, 64))
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.93


def test_a_written_file_is_read_by_pycocotools_with_masks_boxes_and_scores(tmp_path):
    array = np.zeros((20, 30), np.uint16)
    array[2:9, 4:10], array[12:18, 20:30] = 3, 8
    write_coco(tmp_path / "objects.json", [CocoImage("a.png", objects(array), {3: 0.75, 8: 0.5})])
    read = COCO(str(tmp_path / "objects.json"))
    assert read.imgs[1] == {"id": 1, "file_name": "a.png", "height": 20, "width": 30}
    assert [one["bbox"] for one in read.anns.values()] == [[4, 2, 6, 7], [20, 12, 10, 6]]
    assert [one["score"] for one in read.anns.values()] == [0.75, 0.5]
    numbers = (array > 0).astype(int) + (array == 8)
    assert np.array_equal(sum(n * read.annToMask(one) for n, one in read.anns.items()), numbers)
    content = json.loads((tmp_path / "objects.json").read_text())
    again = object_map(content["annotations"], shape=(20, 30))
    assert np.array_equal(again, numbers)


def test_of_overlapping_objects_the_later_has_the_pixels_and_crowds_are_left_out():
    first, second = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    first[:, :3], second[:, 2:] = True, True
    crowd = {"segmentation": encode_mask(np.ones((4, 4), bool)), "iscrowd": 1}
    both = [{"segmentation": encode_mask(first)}, crowd, {"segmentation": encode_mask(second)}, {"segmentation": []}]
    assert object_map(both, shape=(4, 4)).tolist() == [[1, 1, 2, 2]] * 4


@pytest.mark.parametrize("bad", [None, {"size": [4, 4]}, {"size": [4, 4], "counts": [3]}, [[1, 2, 3]], "abc", 5])
def test_other_segmentations_are_refused(bad):
    with pytest.raises(ImageFormatError, match="COCO segmentation"):
        decode_mask(bad, shape=(4, 4))


def test_volumes_are_refused(tmp_path):
    affine = Affine.from_spacing((1.0,) * 3, frame=WorldFrame.RAS)
    volume = LabelMap(np.zeros((2, 3, 4), np.uint8), affine, "ZYX", TABLE, LabelKind.INSTANCES)
    with pytest.raises(LabelError, match="expected a picture with objects of one class"):
        write_coco(tmp_path / "objects.json", [CocoImage("a", volume, {})])
