"""Segments and regions of interest of different origin in one file: each says who or what made it."""

import numpy as np
import pytest
from pydicom import dcmread
from support.ramp import ramp_series
from support.segmentations import dciodvfy_errors

from medseg.images import LabelMap, LabelTable
from medseg.io import read_image
from medseg.io.dicom import AlgorithmIdentity, SegmentOrigin, write_rtstruct, write_segmentation

MODEL = AlgorithmIdentity("finder", "1.2", "a" * 64)
ORIGINS = {
    2: SegmentOrigin("SEMIAUTOMATIC", MODEL, description="1 edit: grow", tracking_id="lesion 2"),
    3: SegmentOrigin("MANUAL", MODEL),  # what a person drew names no model, even where one was given
    4: SegmentOrigin("SEMIAUTOMATIC"),
}


@pytest.fixture
def source(tmp_path):
    ramp_series("axial", shape=(6, 5, 4), spacing_mm=(0.5, 0.5, 2.0)).write(tmp_path / "series")
    return read_image(tmp_path / "series")


@pytest.fixture
def label_map(source):
    values = np.zeros(source.spatial_shape, np.uint8)
    for value in range(1, 5):
        values[value, value, 1] = value
    names = ["background", *(f"lesion {value}" for value in range(1, 5))]
    return LabelMap(values, source.affine, "XYZ", LabelTable.from_names(names))


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_each_segment_says_who_made_it(kind, source, label_map, tmp_path):
    path = tmp_path / "seg.dcm"
    write_segmentation(label_map, path, source=source, algorithm=MODEL, origins=ORIGINS, creator="Doe^Jo", kind=kind)
    dataset = dcmread(path)
    found = {item.SegmentNumber: item for item in dataset.SegmentSequence if item.SegmentNumber}
    types = {number: item.SegmentAlgorithmType for number, item in found.items()}
    assert types == {1: "AUTOMATIC", 2: "SEMIAUTOMATIC", 3: "MANUAL", 4: "SEMIAUTOMATIC"}
    names = {number: item.get("SegmentAlgorithmName") for number, item in found.items()}
    assert names == {1: "finder", 2: "finder", 3: None, 4: "not stated"}
    parameters = found[2].SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    assert "a" * 64 in str(parameters)
    assert (found[2].TrackingID, "1 edit: grow" in found[2].SegmentDescription) == ("lesion 2", True)
    assert "TrackingID" not in found[1]
    assert dataset.ContentCreatorName == "Doe^Jo"
    assert kind == "labelmap" or dciodvfy_errors(path) == []


def test_each_region_of_interest_says_who_made_it(source, label_map, tmp_path):
    path = tmp_path / "rois.dcm"
    write_rtstruct(label_map, path, source=source, algorithm=MODEL, origins=ORIGINS)
    found = {item.ROINumber: item for item in dcmread(path).StructureSetROISequence}
    types = {number: item.ROIGenerationAlgorithm for number, item in found.items()}
    assert types == {1: "AUTOMATIC", 2: "SEMIAUTOMATIC", 3: "MANUAL", 4: "SEMIAUTOMATIC"}
    assert "a" * 64 in found[2].ROIDescription
    assert "ROIDescription" not in found[3]
