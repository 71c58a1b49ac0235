"""Measurement reports of segmented objects: DICOM structured reports by TID 1500 (PS3.16), through highdicom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from medseg.errors import InputError
from medseg.files import atomic_path
from medseg.images import Image
from medseg.io.dicom.algorithm import AlgorithmIdentity
from medseg.io.dicom.codes import codes_of
from medseg.io.dicom.elements import several, text, whole_or_none
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.measured_object import MeasuredObject
from medseg.io.dicom.references import SourceSlices, source_slices
from medseg.io.foreign_errors import check_exists, translated_errors
from medseg.io.refusals import refuse

_SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_LONGEST_TEXT = 64
_OF_IMAGES = (
    "SpecificCharacterSet",
    "PositionReferenceIndicator",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
"""What a report does not repeat of its source."""
_PROCEDURES: Mapping[str, Code] = {
    "CT": codes.LN.CTUnspecifiedBodyRegion,
    "MR": codes.LN.MRIUnspecifiedBodyRegion,
    "PT": codes.LN.PETUnspecifiedBodyRegion,
}
_VALUES: Mapping[tuple[str | None, str | None], tuple[Code, Code]] = {
    ("CT", "HU"): (codes.cid7469.AttenuationCoefficient, codes.UCUM.HounsfieldUnit),
    ("MR", None): (codes.DCM.MRSignalIntensity, codes.UCUM.NoUnits),
}
"""Modality and unit of an image -> what its values are, and their unit; means of other images have no code."""


def write_measurements(
    objects: Sequence[MeasuredObject],
    path: str | Path,
    *,
    source: Image,
    segmentation: str | Path,
    algorithm: AlgorithmIdentity | None = None,
) -> str:
    """The SOP Instance UID of the measurement report (TID 1500, Comprehensive SR) written to `path`.

    Each object is a measurement group (TID 1411) with a tracking UID, its finding and the segment that it is. Means are
    left out where the image's values have no code (other than CT in HU and MR). UIDs are new at each call.

    Args:
        objects: at least one, each with at least one measurement.
        path: file to write, ".dcm".
        source: the image read from the DICOM series that was measured; its files' headers are read again.
        segmentation: the DICOM segmentation in which each object is a segment.
        algorithm: the model that found the objects.

    Raises:
        InputError: no objects, one without a measurement, two in one segment, a segment that the file has not, or a
            `source` that is not from DICOM.
        RefusedImageError: `segmentation` is none, or belongs to another study or frame of reference.
        StorageError: the disk is full or read-only.
    """
    final, segments = Path(path), Path(segmentation)
    slices = source_slices(source)
    check_exists(segments)
    with translated_errors(segments, expected="a DICOM segmentation", remedy="Copy it again from its source."):
        header = guarded_dcmread(segments, stop_before_pixels=True)
        tracking = _tracking_uids(header, slices, path=segments)
    _check(objects, tracking, source, path=final)
    with translated_errors(final, expected="objects that a report can be written for", remedy="Save a table instead."):
        groups = [_group(one, tracking, header, source, slices, algorithm) for one in objects]
        dataset = _report(groups, header, source, slices)
    with atomic_path(final) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def _tracking_uids(header: Dataset, source: SourceSlices, *, path: Path) -> dict[int, str]:
    """Segment number -> its tracking UID, empty where it has none."""
    if text(header, "SOPClassUID") not in _SEGMENTATION_CLASSES:
        refuse(
            path,
            "no-segmentation",
            "expected a DICOM segmentation, got another kind of object",
            "Give the SEG file that the objects were measured in",
        )
    first = source.slices[0]
    ours = (first.study_uid, first.frame_of_reference_uid)
    if (text(header, "StudyInstanceUID"), text(header, "FrameOfReferenceUID")) != ours:
        refuse(
            path,
            "other-frame-of-reference",
            "expected a segmentation in the study and frame of reference of the source image, got one in others",
            "Give the image that was segmented",
        )
    items = several(header.get("SegmentSequence"))
    return {whole_or_none(item, "SegmentNumber") or 0: text(item, "TrackingUID") for item in items}


def _check(objects: Sequence[MeasuredObject], tracking: Mapping[int, str], source: Image, *, path: Path) -> None:
    numbers = [one.segment_number for one in objects]
    strangers = sorted(set(numbers) - set(tracking))
    fault = ""
    if not objects:
        fault = "at least one object, got none"
    elif strangers:
        fault = f"objects in segments of the segmentation, got one in segment {strangers[0]}, which it has not"
    elif len(set(numbers)) != len(numbers):
        fault = "a segment for each object, got two objects in one: a report would give each the measures of both"
    elif any(next(_measurements(one, source), None) is None for one in objects):
        fault = "a measurement with a code of each object, got an object without"
    if fault:
        message = f"{path}: expected {fault}. Write a segmentation of these objects first, one segment each."
        raise InputError(message)


def _group(
    one: MeasuredObject,
    tracking: Mapping[int, str],
    segmentation: Dataset,
    source: Image,
    slices: SourceSlices,
    algorithm: AlgorithmIdentity | None,
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    meaning = codes_of(one.label)
    made_by = None
    if algorithm is not None:
        weights = [f"weights_sha256={algorithm.weights_sha256}"] if algorithm.weights_sha256 else None
        made_by = hd.sr.AlgorithmIdentification(_text(algorithm.name), _text(algorithm.version), parameters=weights)
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=one.tracking_uid or tracking[one.segment_number] or generate_uid(), identifier=_text(one.label.name)
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=str(segmentation.SOPClassUID),
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            segment_number=one.segment_number,
            source_series=hd.sr.SourceSeriesForSegmentation(slices.slices[0].series_uid),
        ),
        finding_category=meaning.category,
        finding_type=meaning.type,
        algorithm_id=made_by,
        measurements=list(_measurements(one, source)),
    )


def _measurements(one: MeasuredObject, source: Image) -> Iterator[hd.sr.Measurement]:
    if one.volume_mm3 is not None:
        yield hd.sr.Measurement(
            name=codes.SCT.Volume,
            value=_shortened(one.volume_mm3),
            unit=codes.UCUM.CubicMillimeter,
            method=codes.DCM.SumOfSegmentedVoxelMethodForVolume,
        )
    if one.longest_diameter_mm is not None:
        yield hd.sr.Measurement(
            name=codes.SCT.LongAxis, value=_shortened(one.longest_diameter_mm), unit=codes.UCUM.Millimeter
        )
    coded = _VALUES.get((source.metadata.modality, source.metadata.value_unit))
    if one.mean_value is not None and coded is not None:
        name, unit = coded
        yield hd.sr.Measurement(name=name, value=_shortened(one.mean_value), unit=unit, derivation=codes.SCT.Mean)


def _report(
    groups: list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations],
    segmentation: Dataset,
    source: Image,
    slices: SourceSlices,
) -> Dataset:
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=["medseg", version("medseg")]),
        name="medseg",
        manufacturer_name="medseg",
        model_name=f"medseg {version('medseg')}",
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=_PROCEDURES.get(source.metadata.modality or "", codes.SCT.ImagingProcedure),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    report = hd.sr.ComprehensiveSR(
        evidence=_evidence(segmentation, slices),
        content=content,
        series_instance_uid=generate_uid(),
        series_number=902,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="medseg",
        is_complete=True,
        series_description="medseg measurements, research use only",
        software_versions=version("medseg"),
        manufacturer_model_name="medseg",
        specific_character_set="ISO_IR 192",
    )
    for element in slices.identity:
        if element.keyword not in _OF_IMAGES:
            report.add(element)
    return report


def _evidence(segmentation: Dataset, source: SourceSlices) -> list[Dataset]:
    """The instances that the report rests on, in the little of each that highdicom asks for."""
    first = source.slices[0]
    named = [
        (one.sop_class_uid, one.sop_instance_uid, one.series_uid)
        for one in {one.sop_instance_uid: one for one in source.slices}.values()
    ]
    named.append((str(segmentation.SOPClassUID), str(segmentation.SOPInstanceUID), str(segmentation.SeriesInstanceUID)))
    evidence = []
    for class_uid, instance_uid, series_uid in named:
        item = Dataset()
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
            setattr(item, keyword, "")
        item.StudyDate = item.StudyTime = item.ReferringPhysicianName = ""
        item.StudyInstanceUID, item.SeriesInstanceUID = first.study_uid, series_uid
        item.SOPClassUID, item.SOPInstanceUID = class_uid, instance_uid
        evidence.append(item)
    return evidence


def _shortened(value: float) -> float:
    """`value` to six digits, more than any measurement has; decimal strings hold 16 characters."""
    return float(f"{value:.6g}")


def _text(value: str) -> str:
    clean = "".join(character if character.isprintable() else " " for character in value)
    return clean.strip()[:_LONGEST_TEXT] or "not stated"
