"""Writing label maps as DICOM radiotherapy structure sets (PS3.3 A.19), closed contours slice by slice.

Contours run along the edges of the voxels, half a voxel outside the centres of the outermost ones, in the plane of
their source slice; a hole is joined to its outline by a channel of width 0 (PS3.3 C.8.8.6.3). highdicom writes no
structure sets, so the data set is built here.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from medseg.errors import LabelError
from medseg.files import atomic_path
from medseg.geometry.contours import outlines
from medseg.images import Image, Label, LabelKind, LabelMap
from medseg.io.dicom.algorithm import AlgorithmIdentity
from medseg.io.dicom.placement import placed_on
from medseg.io.dicom.references import SourceSlices, reference_to, source_slices
from medseg.io.dicom.segment_origin import SegmentOrigin
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.foreign_errors import translated_errors

_RESEARCH_USE = "Research use only"
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, which PS3.3 C.8.8.5 names for the reference to a study."""
_LONGEST_TEXT = 64
"""Characters in a DICOM long string (LO)."""
_FINEST_MM = 1e-4
_FINEST_VOXEL = 1e-4
"""Contour points are rounded to this, or finer."""
_LONGEST_DECIMAL = 16
"""Characters in a DICOM decimal string (DS)."""


def write_rtstruct(
    label_map: LabelMap,
    path: str | Path,
    *,
    source: Image,
    algorithm: AlgorithmIdentity | None = None,
    origins: Mapping[int, SegmentOrigin] | None = None,
) -> str:
    """The SOP Instance UID of the structure set written to `path`.

    Each foreground label is a region of interest (ROI) with the label's value as its number, found or not; of
    instances each object is one. `read_rtstruct` gives the same voxels back. UIDs are new at each call.

    Args:
        label_map: on the voxels of the series, its axes in any order.
        path: file to write, ".dcm".
        source: the image read from the DICOM series that was segmented; its files' headers are read again.
        algorithm: the model; what the label map says of its model where absent.
        origins: label value -> who or what made it, for regions that are not the model's alone.

    Raises:
        InputError: `source` is not from DICOM.
        LabelError: no foreground label, or values outside the table.
        RefusedImageError: the label map lies between the series' voxels, or the series lacks UIDs.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    label_map.check_values(name=str(final))
    slices = source_slices(source)
    labels = _labels(label_map, path=final)
    values = placed_on(label_map.array, label_map.grid, slices.grid, path=final)
    made_by = algorithm or AlgorithmIdentity.of(label_map)
    remedy = "Save the result as NIfTI."
    with translated_errors(final, expected="a series that a structure set can be written for", remedy=remedy):
        dataset = _dataset(slices)
        dataset.StructureSetROISequence = [
            _roi(label, slices, (origins or {}).get(label.value), made_by) for label in labels
        ]
        dataset.ROIContourSequence = [_contours(label, values, slices) for label in labels]
        dataset.RTROIObservationsSequence = [_observation(label) for label in labels]
    with atomic_path(final) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def _labels(label_map: LabelMap, *, path: Path) -> list[Label]:
    foreground = list(label_map.labels.foreground)
    if label_map.kind is LabelKind.INSTANCES:
        of = foreground[0] if foreground else Label(1, "object")
        values = [value for value in label_map.present_values() if value]
        foreground = [Label(value, f"{of.name} {value}", of.colour, of.concept) for value in values]
    if not foreground:
        message = f"{path}: a structure set holds at least one region of interest, and the label map names none."
        raise LabelError(message)
    return foreground


def _dataset(source: SourceSlices) -> FileDataset:
    """Everything but the regions of interest."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    # Decimal strings beyond 64 KB, so contours of some thousand points, have no length in the explicit syntaxes.
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    for element in source.identity:
        if element.keyword != "SpecificCharacterSet" and not element.keyword.startswith("Lossy"):
            dataset.add(element)
    now = dt.datetime.now(tz=dt.UTC).astimezone()
    dataset.InstanceCreationDate = dataset.StructureSetDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.StructureSetTime = now.strftime("%H%M%S")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = 901, 1
    dataset.SeriesDescription = f"medseg contours, {_RESEARCH_USE.lower()}"
    dataset.OperatorsName = ""
    dataset.Manufacturer = dataset.ManufacturerModelName = "medseg"
    dataset.SoftwareVersions = version("medseg")
    dataset.StructureSetLabel = "MEDSEG"
    dataset.StructureSetDescription = _RESEARCH_USE
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.FrameOfReferenceUID = source.slices[0].frame_of_reference_uid
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    return dataset


def _frame_of_reference(source: SourceSlices) -> Dataset:
    """The frame of reference with the study, series and images in it (PS3.3 C.8.8.5)."""
    series: dict[str, list[Dataset]] = {}
    for one in source.slices:
        series.setdefault(one.series_uid, []).append(_image_reference(one))
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_CLASS
    study.ReferencedSOPInstanceUID = source.slices[0].study_uid
    study.RTReferencedSeriesSequence = [_series(uid, images) for uid, images in series.items()]
    item = Dataset()
    item.FrameOfReferenceUID = source.slices[0].frame_of_reference_uid
    item.RTReferencedStudySequence = [study]
    return item


def _series(uid: str, images: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ContourImageSequence = images
    return item


def _image_reference(one: SliceHeader) -> Dataset:
    item = reference_to(one)
    if one.frame is not None:
        item.ReferencedFrameNumber = one.frame
    return item


def _roi(
    label: Label, source: SourceSlices, origin: SegmentOrigin | None, algorithm: AlgorithmIdentity | None
) -> Dataset:
    if origin is not None:
        algorithm = None if origin.algorithm_type == "MANUAL" else origin.algorithm
    item = Dataset()
    item.ROINumber = label.value
    item.ReferencedFrameOfReferenceUID = source.slices[0].frame_of_reference_uid
    item.ROIName = _text(label.name)
    # Empty means unknown here: "manual" would be a claim.
    item.ROIGenerationAlgorithm = origin.algorithm_type if origin else "AUTOMATIC" if algorithm else ""
    if algorithm:
        item.ROIGenerationDescription = _text(f"{algorithm.name} {algorithm.version}")
        if algorithm.weights_sha256:
            item.ROIDescription = f"Made by weights with SHA-256 {algorithm.weights_sha256}"
    return item


def _contours(label: Label, values: NDArray[np.integer], source: SourceSlices) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = label.value
    item.ROIDisplayColor = [int(label.colour[place : place + 2], 16) for place in (1, 3, 5)]
    contours: list[Dataset] = []
    for k, polygon in _polygons(values == label.value):
        one = source.slices[k]
        contour = Dataset()
        contour.ContourImageSequence = [_image_reference(one)]
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(polygon)
        contour.ContourNumber = len(contours) + 1
        contour.ContourData = _in_world(polygon, one)
        contours.append(contour)
    if contours:
        item.ContourSequence = contours
    return item


def _polygons(mask: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Slice and outline, (points, 2) column and row, of each region of a (columns, rows, slices) mask."""
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        plane = mask[:, :, k]
        columns, rows = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        corner = np.array([columns[0], rows[0]])
        for polygon in outlines(plane[columns[0] : columns[-1] + 1, rows[0] : rows[-1] + 1]):
            yield int(k), polygon + corner


def _in_world(polygon: NDArray[np.float64], one: SliceHeader) -> list[str]:
    """The points of a contour on a slice: x, y and z (LPS mm) of one after the other, as decimal strings."""
    along_row = one.row_direction * one.column_spacing_mm
    along_column = one.column_direction * one.row_spacing_mm
    points = one.position_lps_mm + polygon[:, :1] * along_row + polygon[:, 1:] * along_column
    finest = min(_FINEST_MM, _FINEST_VOXEL * min(one.row_spacing_mm, one.column_spacing_mm))
    return [_decimal(value, digits=math.ceil(-math.log10(finest))) for value in points.ravel().tolist()]


def _decimal(value: float, *, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".")[:_LONGEST_DECIMAL]
    return "0" if text == "-0" else text


def _observation(label: Label) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = label.value
    item.RTROIInterpretedType = ""
    item.ROIInterpreter = ""
    if label.concept is not None:
        code = Dataset()
        code.CodeValue = label.concept.value
        code.CodingSchemeDesignator = label.concept.scheme
        code.CodeMeaning = _text(label.concept.meaning)
        item.RTROIIdentificationCodeSequence = [code]
    return item


def _text(value: Any) -> str:
    """`value` as a DICOM long string: no backslash, no control characters, 64 characters at most."""
    clean = "".join(character if character.isprintable() else " " for character in str(value).replace("\\", "/"))
    return clean.strip()[:_LONGEST_TEXT] or "not stated"
