"""The report of a mask's objects: each a segment of its own, its measures worked out by hand."""

import highdicom as hd
import numpy as np
import pytest
from support.ramp import ramp_series
from support.segmentations import dciodvfy_errors

from medseg.errors import GeometryError, InputError
from medseg.images import CodedConcept, Label, LabelKind, LabelMap, LabelTable, reorient
from medseg.io import read_image
from medseg.io.dicom import read_segmentation
from medseg.jobs.measurement_report import write_measurement_report

LIVER = CodedConcept("10200004", "SCT", "Liver")
TABLE = LabelTable((Label(0, "background"), Label(1, "liver", "#aa5500", LIVER), Label(2, "lesion", "#ff0000")))


@pytest.fixture
def source(tmp_path):
    """Voxels of 0.5 x 0.5 x 2 mm."""
    ramp_series("oblique", shape=(9, 8, 5), spacing_mm=(0.5, 0.5, 2.0)).write(tmp_path / "series")
    return read_image(tmp_path / "series")


@pytest.fixture
def values():
    values = np.zeros((9, 8, 5), np.uint8)
    values[0:3, 0:4, 1:3] = 1  # 3 x 4 x 2 voxels: 12 mm3, diagonal of 1.5 x 2 mm
    values[5, 1, 1] = 2  # 0.5 mm3, diagonal of 0.5 x 0.5 mm
    values[7, 5:8, 4] = 2  # 1.5 mm3, diagonal of 0.5 x 1.5 mm
    return values


def _groups(path):
    return hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()


@pytest.mark.parametrize("order", [None, "SRA"])
def test_each_connected_region_is_reported_with_its_own_segment(order, source, values, tmp_path):
    label_map = LabelMap(values, source.affine, "XYZ", TABLE)
    image, mask = (source, label_map) if order is None else (reorient(source, order), reorient(label_map, order))
    paths = {"path": tmp_path / "sr.dcm", "segmentation": tmp_path / "seg.dcm"}
    measured = write_measurement_report(mask, source=image, **paths)

    assert {one.label.name.rsplit(" ", 1)[0]: 0 for one in measured}.keys() == {"liver", "lesion"}
    found = sorted((one.volume_mm3, one.longest_diameter_mm) for one in measured)
    expected = [(0.5, np.sqrt(0.5)), (1.5, np.sqrt(2.5)), (12.0, 2.5)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    segments = read_segmentation(paths["segmentation"], source=source)
    for one, group in zip(measured, _groups(paths["path"]), strict=True):
        assert group.referenced_segment.referenced_segment_numbers == [one.segment_number]
        assert group.tracking_identifier == one.label.name
        inside = segments.array == one.segment_number
        assert np.count_nonzero(inside) * 0.5 == pytest.approx(one.volume_mm3)
        assert one.mean_value == pytest.approx(source.array[0][inside].mean())
    assert next(one for one in measured if one.label.name.startswith("liver")).label.concept == LIVER
    assert dciodvfy_errors(paths["path"]) == []


def test_objects_of_an_instance_map_keep_their_numbers(source, values, tmp_path):
    numbers = np.where(values == 2, 40, np.where(values == 1, 7, 0)).astype(np.uint16)
    table = LabelTable.from_names(["background", "nodule"])
    label_map = LabelMap(numbers, source.affine, "XYZ", table, LabelKind.INSTANCES)
    measured = write_measurement_report(
        label_map, tmp_path / "sr.dcm", source=source, segmentation=tmp_path / "seg.dcm"
    )
    assert [(one.segment_number, one.label.name, round(one.volume_mm3, 6)) for one in measured] == [
        (1, "nodule 7", 12.0),
        (2, "nodule 40", 2.0),
    ]


def test_an_empty_mask_or_one_on_another_grid_is_refused(source, values, tmp_path):
    empty = LabelMap(values * 0, source.affine, "XYZ", TABLE)
    with pytest.raises(InputError, match="the mask has none"):
        write_measurement_report(empty, tmp_path / "sr.dcm", source=source, segmentation=tmp_path / "seg.dcm")
    smaller = LabelMap(values[1:], source.affine, "XYZ", TABLE)
    with pytest.raises(GeometryError, match="the series and the mask differ"):
        write_measurement_report(smaller, tmp_path / "sr.dcm", source=source, segmentation=tmp_path / "seg.dcm")
    assert not list(tmp_path.glob("*.dcm"))
