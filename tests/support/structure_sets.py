"""Structure sets made with pydicom alone, and what matplotlib makes of those that medseg wrote."""

import numpy as np
from matplotlib.path import Path as DrawnPath
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage


def _item(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def contour(points_lps, *, kind="CLOSED_PLANAR", **elements):
    """A contour through (n, 3) points in mm."""
    points = np.asarray(points_lps, float).reshape(-1, 3)
    data = [f"{value:.6f}".rstrip("0").rstrip(".")[:16] for value in points.ravel()]
    return _item(ContourGeometricType=kind, NumberOfContourPoints=len(points), ContourData=data, **elements)


def structure_set(path, rois, *, frame_of_reference, series_uid=None, change=None):
    """Write a structure set; `rois` is number -> list of contours, `change` alters it before it is saved."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.77"
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.PatientName = "RTSTRUCT", "CANARY^PERSON"
    ds.StructureSetROISequence = [
        _item(ROINumber=number, ROIName=f"CANARY {number}", ReferencedFrameOfReferenceUID=frame_of_reference)
        for number in rois
    ]
    ds.ROIContourSequence = [
        _item(ReferencedROINumber=number, ContourSequence=contours) for number, contours in rois.items()
    ]
    if series_uid is not None:
        study = _item(RTReferencedSeriesSequence=[_item(SeriesInstanceUID=series_uid)])
        frame = _item(FrameOfReferenceUID=frame_of_reference, RTReferencedStudySequence=[study])
        ds.ReferencedFrameOfReferenceSequence = [frame]
    if change is not None:
        change(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def drawn_values(path, source_paths, shape):
    """(columns, rows, slices) ROI numbers that matplotlib draws from a structure set on the images it names.

    Only the files' own headers are used: each contour on the image that it references.
    """
    headers = {str(ds.SOPInstanceUID): (k, ds) for k, ds in enumerate(map(dcmread, source_paths))}
    values = np.zeros(shape, int)
    columns, rows = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    for roi in dcmread(path).ROIContourSequence:
        for one in roi.get("ContourSequence", []):
            k, ds = headers[one.ContourImageSequence[0].ReferencedSOPInstanceUID]
            points = np.array(one.ContourData, float).reshape(-1, 3) - np.array(ds.ImagePositionPatient, float)
            along_row, along_column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
            normal = np.cross(along_row, along_column)
            assert np.abs(points @ normal).max() < 1e-3
            x, y = points @ along_row / float(ds.PixelSpacing[1]), points @ along_column / float(ds.PixelSpacing[0])
            polygon = np.stack([np.r_[x, x[:1]], np.r_[y, y[:1]]], axis=1)
            inside = DrawnPath(polygon, closed=True).contains_points(np.stack([columns.ravel(), rows.ravel()], axis=1))
            plane = values[:, :, k]
            assert not plane[inside.reshape(shape[:2])].any()
            plane[inside.reshape(shape[:2])] = int(roi.ReferencedROINumber)
    return values
