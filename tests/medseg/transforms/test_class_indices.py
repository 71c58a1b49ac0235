import numpy as np
import pytest

from medseg.errors import LabelError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Label, LabelKind, LabelMap, LabelTable
from medseg.transforms.class_indices import class_indices

AFFINE = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)


def test_values_become_positions_in_the_table():
    table = LabelTable((Label(0, "background"), Label(3, "liver"), Label(7, "tumour")))
    classes = class_indices(LabelMap(np.array([[7, 0], [3, 3]]), AFFINE, "YX", table))
    assert classes.tolist() == [[2, 0], [1, 1]]
    assert classes.dtype == np.uint8


def test_objects_are_of_the_one_foreground_class():
    table = LabelTable.from_names(["background", "cell"])
    classes = class_indices(LabelMap(np.array([[0, 41], [41, 300]]), AFFINE, "YX", table, LabelKind.INSTANCES))
    assert classes.tolist() == [[0, 1], [1, 1]]


def test_objects_of_several_classes_are_refused():
    table = LabelTable.from_names(["background", "cell", "nucleus"])
    label_map = LabelMap(np.array([[0, 41]]), AFFINE, "YX", table, LabelKind.INSTANCES)
    with pytest.raises(LabelError, match=r"expected one foreground class for objects, got cell, nucleus\. Store"):
        class_indices(label_map)


def test_more_than_256_classes_do_not_wrap():
    table = LabelTable.from_names([f"class{number}" for number in range(300)])
    assert class_indices(LabelMap(np.array([[299, 0]]), AFFINE, "YX", table)).tolist() == [[299, 0]]
