"""Pictures with objects in COCO's JSON."""

import json

import numpy as np
import pytest
from dataset_files import write_coco_layout

from medseg.datasets import open_dataset, read_case
from medseg.errors import ConfigError, ImageFormatError, InputError


def test_polygons_and_run_lengths_of_the_chosen_category_become_objects(tmp_path):
    write_coco_layout(tmp_path)
    dataset = open_dataset("coco", root=tmp_path, options={"label": "cell", "categories": ["cell"]})
    image, reference = read_case(dataset.cases()[1])
    expected = np.zeros((10, 12), int)
    expected[1:4, 2:6], expected[:, 8] = 1, 2
    assert np.array_equal(reference.array, expected)
    assert int(image.array.max()) == 100
    assert reference.labels.names == ("background", "cell")


def test_all_categories_are_one_class_where_none_is_chosen(tmp_path):
    write_coco_layout(tmp_path)
    _, reference = read_case(open_dataset("coco", root=tmp_path).cases()[0])
    assert np.unique(reference.array).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({}, {"categories": ["nerve"]}, ConfigError, "has no 'nerve'. Known: cell, dirt"),
        ({}, {"annotations": "other.json"}, InputError, "no such file. Expected COCO"),
        ({"images": [{"id": 1, "file_name": "z.png"}]}, {}, InputError, "no such picture"),
        ({"images": [{"id": 1, "file_name": "../a.png"}]}, {}, ImageFormatError, "a file name below"),
        ({"annotations": None}, {}, ImageFormatError, "expected the lists"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, change, options, error, message):
    write_coco_layout(tmp_path)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=message):
        open_dataset("coco", root=tmp_path, options=options)
