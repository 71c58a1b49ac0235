"""A CT of 512 x 512 x 600 voxels as a DICOM series: a body of noise with some bright balls."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (600, 512, 512)
"""Slices, rows, columns."""
SPACING_MM = (1.0, 0.8, 0.8)
INTERCEPT = -1024
BALLS = 30


def write_series(folder: Path) -> Path:
    """Write one file a slice; returns the folder."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    body = np.full(SHAPE[1:], -1000, np.int16)
    body[120:400, 80:430] = rng.normal(40, 20, (280, 350)).astype(np.int16)
    places = rng.integers((20, 130, 100), (570, 380, 380), size=(BALLS, 3))
    shared = (generate_uid(), generate_uid(), generate_uid())
    for number in range(SHAPE[0]):
        values = body.copy()
        for z, y, x in places:
            if z <= number < z + 14:
                values[y : y + 14, x : x + 14] = 110
        dataset = _slice(values, number, *shared)
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return folder


def _slice(values: np.ndarray, number: int, study: str, series: str, frame: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
    one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = "Phantom", "phantom", "", ""
    one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260101", "120000", "1", ""
    one.ReferringPhysicianName, one.Manufacturer = "", "benchmark"
    one.Modality, one.ImageType, one.PatientPosition = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "HFS"
    one.SeriesNumber, one.InstanceNumber, one.AcquisitionNumber = 1, number + 1, 1
    one.ImagePositionPatient = [-200.0, -200.0, -300.0 + number * SPACING_MM[0]]
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = list(SPACING_MM[1:]), SPACING_MM[0]
    one.Rows, one.Columns = SHAPE[1:]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.RescaleSlope, one.RescaleIntercept, one.RescaleType = "1", str(INTERCEPT), "HU"
    one.PixelData = (values - INTERCEPT).astype("<u2").tobytes()
    return one
