import numpy as np
import pytest
from hypothesis import given
from strategies import label_maps

from medseg.errors import GeometryError, LabelError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable

PLANE = Affine.from_spacing((0.5, 0.25), frame=WorldFrame.RAS)
LABELS = LabelTable.from_names(["background", "liver", "lesion"])


def label_map(values, kind=LabelKind.SEMANTIC, dtype=np.uint8):
    return LabelMap(np.array(values, dtype=dtype), PLANE, "YX", LABELS, kind)


def test_a_label_map_tells_its_grid():
    plane = label_map([[0, 1, 2], [0, 0, 0]])
    assert plane.spatial_shape == (2, 3)
    assert plane.spacing_mm == (0.5, 0.25)
    assert plane.grid == Grid((2, 3), PLANE)


def test_present_values_are_those_that_occur():
    assert label_map([[0, 2], [2, 0]]).present_values() == (0, 2)
    huge = label_map([[7, 2**31 - 1], [7, 0]], LabelKind.INSTANCES, np.int32)
    assert huge.present_values() == (0, 7, 2**31 - 1)


@given(label_maps())
def test_present_values_agree_with_sorting_all_voxels(item):
    assert item.present_values() == tuple(np.unique(item.array).tolist())


def test_values_in_the_table_pass():
    label_map([[0, 1], [2, 0]]).check_values(name="case 7")


def test_values_outside_the_table_are_named_with_the_table():
    text = r"case 7: label values 3, 9 are not in the class table \(0=background, 1=liver, 2=lesion\). Map or remove"
    with pytest.raises(LabelError, match=text):
        label_map([[0, 3], [9, 1]]).check_values(name="case 7")


def test_of_many_strange_values_five_are_named():
    with pytest.raises(LabelError, match=r"label values 10, 11, 12, 13, 14, \.\.\. are not"):
        label_map([[10, 11, 12, 13, 14, 15, 16]]).check_values(name="case 7")


def test_many_strange_values_beside_one_class_may_be_objects_and_the_message_says_so():
    cells = label_map([[1, 2, 3, 4]]).replace(labels=LabelTable.from_names(["background", "cell"]))
    with pytest.raises(LabelError, match=r"If they number single objects, say so \(objects: true in a recipe"):
        cells.check_values(name="case 7")


def test_object_numbers_need_not_be_in_the_table_of_classes():
    label_map([[0, 3], [9, 1]], LabelKind.INSTANCES).check_values(name="cells")


def test_replace_checks_the_copy():
    with pytest.raises(LabelError, match=r"expected whole numbers, got float64. Round or threshold the mask first"):
        label_map([[0, 1]]).replace(array=np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.bool_])
def test_masks_that_are_not_whole_numbers_are_refused(dtype):
    with pytest.raises(LabelError, match=f"expected whole numbers, got {np.dtype(dtype)}"):
        label_map([[0, 1]], dtype=dtype)


def test_negative_values_are_refused():
    with pytest.raises(LabelError, match="expected values of at least 0, got -2"):
        label_map([[0, -1], [-2, 1]], dtype=np.int16)


@pytest.mark.parametrize(("shape", "axes"), [((2, 3), "CX"), ((1, 2, 3), "CYX"), ((2, 3), "XYZ"), ((2, 3), "XX")])
def test_arrays_and_axes_that_do_not_fit_are_refused(shape, axes):
    with pytest.raises(GeometryError, match=rf"label map: expected 2 spatial axes .* with axes '{axes}'"):
        LabelMap(np.zeros(shape, dtype=np.uint8), PLANE, axes, LABELS)


def test_empty_label_maps_and_lps_affines_are_refused():
    with pytest.raises(
        GeometryError, match=r"label map: expected at least one voxel along each axis, got shape \(0, 3\)"
    ):
        LabelMap(np.zeros((0, 3), dtype=np.uint8), PLANE, "YX", LABELS)
    with pytest.raises(GeometryError, match="label map: expected an affine in RAS, got LPS"):
        LabelMap(np.zeros((2, 3), dtype=np.uint8), PLANE.to_frame(WorldFrame.LPS), "YX", LABELS)
