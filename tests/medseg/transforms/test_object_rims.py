"""Objects as outside, interior and rim."""

import numpy as np
import pytest

from medseg.config import ObjectRims, TransformsConfig
from medseg.errors import ConfigError
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.transforms.object_rims import network_labels, rim_classes

TABLE = LabelTable.from_names(["background", "cell"])


def objects(rows, kind=LabelKind.INSTANCES):
    array = np.array([[int(letter) for letter in row] for row in rows], dtype=np.uint16)
    return LabelMap(array, Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS), "YX", TABLE, kind)


def drawn(classes):
    return ["".join(".o#"[value] for value in row) for row in classes]


def test_touching_objects_have_rims_on_both_sides_and_none_at_the_images_border():
    label_map = objects(["111222", "111222", "111222"])
    assert drawn(rim_classes(label_map, width_voxel=1)) == ["oo##oo", "oo##oo", "oo##oo"]


def test_a_wider_rim_reaches_further_in():
    label_map = objects(["1111112222", "1111112222"])
    assert drawn(rim_classes(label_map, width_voxel=2)) == ["oooo####oo", "oooo####oo"]


def test_rims_count_diagonal_steps():
    label_map = objects(["1111", "1111", "1111", "1110"])
    assert drawn(rim_classes(label_map, width_voxel=1)) == ["oooo", "oooo", "oo##", "oo#."]


def test_an_object_too_thin_for_the_rim_gets_a_narrower_one_or_none():
    label_map = objects(["0000000", "0111020", "0111000", "0111000", "0000000"])
    expected = [".......", ".###.o.", ".#o#...", ".###...", "......."]
    assert drawn(rim_classes(label_map, width_voxel=3)) == expected


def test_regions_of_a_class_are_objects():
    label_map = objects(["11011", "11011", "11011"], LabelKind.SEMANTIC)
    assert drawn(rim_classes(label_map, width_voxel=1)) == ["o#.#o", "o#.#o", "o#.#o"]


def test_nothing_labelled_stays_outside():
    assert not rim_classes(objects(["000", "000"]), width_voxel=2).any()


def config(**more):
    values = {"pipeline": "microscopy", "patch_size": (8, 8), "intensity": {"kind": "standard"}, **more}
    return TransformsConfig.model_validate(values)


def test_the_network_has_one_class_more_than_the_data_set():
    assert network_labels(TABLE, config(object_rims=ObjectRims())).names == ("background", "cell", "rim")
    assert network_labels(TABLE, config()) == TABLE


def test_objects_of_several_classes_are_refused():
    with pytest.raises(ConfigError, match=r"object_rims: expected one foreground class, got cell, debris"):
        network_labels(LabelTable.from_names(["background", "cell", "debris"]), config(object_rims=ObjectRims()))
