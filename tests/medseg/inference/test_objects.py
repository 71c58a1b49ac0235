"""Objects are the connected regions of each class, with sizes worked out by hand."""

import numpy as np
import pytest

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable, number_objects
from medseg.inference import measure_objects

SPACING = (0.5, 1.0, 4.0)
AFFINE = Affine.from_spacing(SPACING, frame=WorldFrame.RAS, origin_mm=(10.0, 20.0, 30.0))
LABELS = LabelTable.from_names(["background", "organ", "lesion"])


def volume(**more) -> LabelMap:
    array = np.zeros((8, 8, 8), dtype=np.uint8)
    array[0:2, 0:2, 0:2] = 1
    array[2, 2, 2] = 1  # touches the cube by a corner only
    array[6, 6, 1:4] = 2
    array[0, 7, 7] = 2
    return LabelMap(array, affine=AFFINE, axes="XYZ", labels=LABELS, **more)


def test_sizes_places_and_boxes_are_those_by_hand():
    organ, first, second = measure_objects(volume())
    assert (organ.object_id, organ.label, organ.voxels) == (1, "organ", 9)
    assert organ.volume_mm3 == pytest.approx(9 * 0.5 * 1.0 * 4.0)
    assert organ.volume_ml == pytest.approx(0.018)
    assert organ.area_mm2 is None
    # eight voxels with mean index 0.5 and one at 2
    assert organ.centroid_voxel == pytest.approx(((8 * 0.5 + 2) / 9,) * 3)
    assert (organ.box_start, organ.box_stop) == ((0, 0, 0), (3, 3, 3))
    assert (first.object_id, first.label, first.voxels) == (2, "lesion", 1)
    assert first.centroid_mm == pytest.approx((10.0, 20.0 + 7 * 1.0, 30.0 + 7 * 4.0))
    assert (second.object_id, second.voxels, second.centroid_voxel) == (3, 3, pytest.approx((6, 6, 2)))
    assert (second.box_start, second.box_stop) == ((6, 6, 1), (7, 7, 4))


def test_means_are_over_the_objects_own_voxels():
    array = np.zeros((1, 8, 8, 8), dtype=np.int16)
    array[0, 6, 6, 1:4] = (10, 20, 60)
    confidence = np.full((8, 8, 8), 0.5, dtype=np.float32)
    confidence[0, 7, 7] = 0.75
    rows = measure_objects(volume(), image=Image(array, affine=AFFINE, axes="CXYZ"), confidence=confidence)
    assert [row.mean_intensity for row in rows] == [0.0, 0.0, pytest.approx(30.0)]
    assert [row.mean_probability for row in rows] == [0.5, 0.75, 0.5]


def test_without_a_voxel_size_there_are_no_millimetres():
    row = measure_objects(volume(metadata=ImageMetadata(spacing_is_known=False)))[0]
    assert (row.volume_mm3, row.volume_ml, row.area_mm2, row.centroid_mm) == (None, None, None, None)
    assert row.voxels == 9


def test_flat_objects_have_an_area_and_no_volume():
    affine = Affine.from_spacing((0.5, 0.25), frame=WorldFrame.RAS)
    array = np.zeros((4, 4), dtype=np.uint8)
    array[1:3, 1] = 1
    (row,) = measure_objects(LabelMap(array, affine=affine, axes="YX", labels=LABELS))
    assert row.area_mm2 == pytest.approx(2 * 0.125)
    assert row.volume_mm3 is None


def test_instances_are_taken_as_they_are():
    array = np.zeros((6, 6), dtype=np.uint16)
    array[0, 0] = array[5, 5] = 7  # one instance in two pieces
    array[0, 1] = 3
    cells = LabelTable.from_names(["background", "cell"])
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    rows = measure_objects(LabelMap(array, affine=affine, axes="YX", labels=cells, kind=LabelKind.INSTANCES))
    assert [(row.object_id, row.label, row.voxels) for row in rows] == [(3, "cell", 1), (7, "cell", 2)]


def test_an_empty_map_has_no_objects():
    empty = volume().replace(array=np.zeros((8, 8, 8), dtype=np.uint8))
    assert measure_objects(empty) == ()


def test_objects_are_numbered_as_their_rows_are():
    array = np.zeros((1, 9), np.uint8)
    array[0, [1, 5, 8]] = (2, 1, 2)  # classes; the objects of class 1 come first
    label_map = LabelMap(array, Affine(np.eye(3), frame=WorldFrame.RAS), "YX", LabelTable.from_names(("a", "b", "c")))
    numbered = number_objects(label_map)
    assert numbered.array[0].tolist() == [0, 2, 0, 0, 0, 1, 0, 0, 3]
    assert numbered.names == {1: "b", 2: "c", 3: "c"}
    assert [(row.object_id, row.label) for row in measure_objects(label_map)] == [(1, "b"), (2, "c"), (3, "c")]
