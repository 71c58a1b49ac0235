"""The slices from which an image was read, as objects made from it must name and place them.

Places come from the files' headers, not from the image: what was cropped or reordered since is found again by world
coordinates. Of patient and study only what PS3.3 C.7.1.1 and C.7.2.1 demand is taken over, and what says that the
images were de-identified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from medseg.errors import InputError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image
from medseg.io.dicom.enhanced import slice_headers
from medseg.io.dicom.files import DicomFile, scan
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.header import read_header
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.foreign_errors import check_exists, translated_errors
from medseg.io.refusals import refuse

_DEMANDED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "PositionReferenceIndicator",
)
"""Must be there, empty where unknown (types 1 and 2)."""
_IF_PRESENT = ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence")
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_UNEVEN_MM = 0.02
_UNEVEN_FRACTION = 0.02
"""Slices may lie this far from an even grid; twice what the series reader lets pass."""


@dataclass(frozen=True, eq=False)
class SourceSlices:
    """The slices behind an image.

    Attributes:
        slices: ascending along their normal.
        grid: their voxels, (column, row, slice), RAS.
        identity: patient and study as derived objects repeat them, and whether the images lost by compression.
        surrogates: for highdicom, one classic header a slice with a UID of its own and without the patient.
    """

    slices: tuple[SliceHeader, ...]
    grid: Grid
    identity: Dataset
    surrogates: tuple[Dataset, ...]

    @property
    def name(self) -> Path:
        """The folder (or file) of the slices, for messages."""
        paths = {one.path for one in self.slices}
        return self.slices[0].path if len(paths) == 1 else self.slices[0].path.parent


def source_slices(image: Image) -> SourceSlices:
    """The slices from which `image` was read, their headers read anew.

    Raises:
        InputError: the image was not read from DICOM, or its files are gone.
        RefusedImageError: the slices lack what derived objects must name (instance, study or frame of reference).
    """
    slices = _ordered(_headers(image))
    first = slices[0]
    for value, code, what in (
        (first.study_uid, "no-study-uid", "a Study Instance UID"),
        (first.frame_of_reference_uid, "no-frame-of-reference", "a Frame of Reference UID"),
        (all(one.sop_instance_uid for one in slices), "no-instance-uid", "a SOP Instance UID in each file"),
        (all(one.sop_class_uid for one in slices), "no-class-uid", "a SOP Class UID in each file"),
        (first.series_uid, "no-series-uid", "a Series Instance UID"),
    ):
        if not value:
            _refuse_unnamed(first.path, code, what)
    grid = Grid((first.columns, first.rows, len(slices)), _affine(slices))
    return SourceSlices(tuple(slices), grid, _identity(first.path), _surrogates(slices, grid))


def complete_references(dataset: Dataset, source: SourceSlices) -> None:
    """Put the true instances and frames in place of the surrogates, and the patient and study in."""
    true_of = {str(fake.SOPInstanceUID): one for fake, one in zip(source.surrogates, source.slices, strict=True)}
    instances: dict[str, Dataset] = {}
    series: dict[str, list[Dataset]] = {}
    for one in source.slices:
        if one.sop_instance_uid not in instances:
            item = reference_to(one)
            instances[one.sop_instance_uid] = item
            series.setdefault(one.series_uid, []).append(item)
    dataset.SourceImageSequence = list(instances.values())
    dataset.ReferencedSeriesSequence = [_series_item(uid, items) for uid, items in series.items()]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in frame.get("DerivationImageSequence", []):
            for item in derivation.SourceImageSequence:
                found = true_of.get(str(item.ReferencedSOPInstanceUID))
                if found is None:  # highdicom uses one item for a slice in all segments: done already
                    continue
                item.ReferencedSOPClassUID = found.sop_class_uid
                item.ReferencedSOPInstanceUID = found.sop_instance_uid
                if found.frame is not None:
                    item.ReferencedFrameNumber = found.frame
    for element in source.identity:
        dataset.add(element)


def reference_to(one: SliceHeader) -> Dataset:
    """A reference to the instance that holds a slice (PS3.3 section 10.8)."""
    item = Dataset()
    item.ReferencedSOPClassUID = one.sop_class_uid
    item.ReferencedSOPInstanceUID = one.sop_instance_uid
    return item


def _headers(image: Image) -> list[SliceHeader]:
    metadata = image.metadata
    if metadata.format != "dicom":
        message = (
            f"{metadata.source or 'the image'}: expected an image read from a DICOM series, as the source that a DICOM "
            f"object names, got {metadata.format or 'one made in memory'}. Give the series."
        )
        raise InputError(message)
    named = metadata.extra.get("source_paths")
    paths = list(dict.fromkeys(str(path) for path in named)) if isinstance(named, Sequence) else []
    files = [_file(Path(path)) for path in paths] or list(_found_again(image))
    numbers = metadata.extra.get("frame_numbers")
    wanted: set[tuple[str, object]] = set()
    if paths and isinstance(named, Sequence) and isinstance(numbers, Sequence) and len(numbers) == len(named):
        wanted = {(str(path), number) for path, number in zip(named, numbers, strict=True)}
    slices = [one for file in files for one in slice_headers(file)]
    chosen = [one for one in slices if one.frame is None or not wanted or (str(one.path), one.frame) in wanted]
    if not chosen:
        message = f"{metadata.source}: its DICOM files are not found again. Read the series anew where it lies now."
        raise InputError(message)
    return chosen


def _file(path: Path) -> DicomFile:
    check_exists(path)
    return DicomFile(path, read_header(path))


def _found_again(image: Image) -> list[DicomFile]:
    """The files of an image that names none, by their instances."""
    uids = set(image.metadata.instance_uids)
    files = scan(Path(image.metadata.source)).files
    return [file for file in files if str(file.header.get("SOPInstanceUID", "")) in uids]


def _ordered(slices: list[SliceHeader]) -> list[SliceHeader]:
    normal = slices[0].normal
    return sorted(slices, key=lambda one: float(one.position_lps_mm @ normal))


def _affine(slices: Sequence[SliceHeader]) -> Affine:
    """(column, row, slice) -> RAS mm."""
    first = slices[0]
    positions = np.stack([one.position_lps_mm for one in slices])
    count = len(slices)
    step: NDArray[np.float64] = (
        (positions[-1] - positions[0]) / (count - 1)
        if count > 1
        else first.normal * (first.thickness_mm or abs(first.stated_gap_mm or 0.0))
    )
    length = float(np.linalg.norm(step))
    away = np.linalg.norm(positions - (positions[0] + np.arange(count)[:, np.newaxis] * step), axis=1).max()
    if length == 0 or away > max(_UNEVEN_MM, _UNEVEN_FRACTION * length):
        refuse(
            first.path,
            "uneven-slices",
            f"expected the source slices on an even grid, got one {away:.3g} mm from its place",
            "Resample the series to even spacing, and segment that",
        )
    matrix = np.eye(4)
    matrix[:3, 0] = first.row_direction * first.column_spacing_mm
    matrix[:3, 1] = first.column_direction * first.row_spacing_mm
    matrix[:3, 2] = step
    matrix[:3, 3] = first.position_lps_mm
    return Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)


def _identity(path: Path) -> Dataset:
    with translated_errors(path, expected="a DICOM image", remedy="Copy it again from its source."):
        wanted = ["SpecificCharacterSet", *_DEMANDED, *_IF_PRESENT, *_LOSSY]
        header = guarded_dcmread(path, stop_before_pixels=True, specific_tags=wanted, force=True)
        header.decode()
        identity = Dataset()
        for keyword in _DEMANDED:
            setattr(identity, keyword, "") if keyword not in header else identity.add(header[keyword])
        for keyword in (*_IF_PRESENT, *_LOSSY):
            if keyword in header:
                identity.add(header[keyword])
        return identity


def _surrogates(slices: Sequence[SliceHeader], grid: Grid) -> tuple[Dataset, ...]:
    first = slices[0]
    gap = float(abs(grid.affine.to_frame(WorldFrame.LPS).linear[:, 2] @ first.normal))
    return tuple(_surrogate(one, first, gap_mm=gap) for one in slices)


def _surrogate(one: SliceHeader, first: SliceHeader, *, gap_mm: float) -> Dataset:
    fake = Dataset()
    for keyword in _DEMANDED:
        setattr(fake, keyword, None)
    fake.SOPClassUID = CTImageStorage
    fake.SOPInstanceUID = generate_uid()
    fake.StudyInstanceUID = one.study_uid
    fake.SeriesInstanceUID = first.series_uid
    fake.FrameOfReferenceUID = first.frame_of_reference_uid
    fake.Modality = "CT"
    fake.Rows, fake.Columns = one.rows, one.columns
    fake.ImageOrientationPatient = _decimals(*first.row_direction, *first.column_direction)
    fake.ImagePositionPatient = _decimals(*one.position_lps_mm)
    fake.PixelSpacing = _decimals(first.row_spacing_mm, first.column_spacing_mm)
    fake.SliceThickness = _decimals(first.thickness_mm or gap_mm)[0]
    fake.SpacingBetweenSlices = _decimals(gap_mm)[0]
    return fake


def _series_item(uid: str, instances: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    item.ReferencedInstanceSequence = instances
    return item


def _decimals(*values: Any) -> list[str]:
    return [format_number_as_ds(float(value) + 0.0) for value in values]


def _refuse_unnamed(path: Path, code: str, what: str) -> NoReturn:
    refuse(
        path,
        code,
        f"expected {what} in the source series, which a DICOM object made from it must repeat, and there is none",
        "Save the result as NIfTI, or export the series anew",
    )
