"""One slice's header as checked Python values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ImageFormatError
from medseg.io.dicom.files import DicomFile

DIRECTION_LENGTH_TOLERANCE = 1e-3
"""How far the length of a direction may be from 1: some scanners write four digits."""
RIGHT_ANGLE_TOLERANCE = 1e-4
"""Largest cosine between row and column direction; 0.05 mm over 500 mm."""


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """What a slice says about itself.

    Attributes:
        path: its file.
        sop_instance_uid: of the image.
        sop_class_uid: kind of object.
        frame_of_reference_uid: empty where absent.
        patient_key: tells patients apart; never shown.
        modality: code.
        is_localizer: whether it is a scout view.
        rows: pixels down.
        columns: pixels across.
        photometric: PhotometricInterpretation.
        bits_stored: bits of a stored value.
        is_signed: whether stored values are signed.
        slope: stored value -> modality value, factor.
        intercept: stored value -> modality value, addend.
        has_rescale: whether slope or intercept stand in the file.
        rescale_type: unit of the modality values; empty where absent.
        has_padding: whether a padding value is declared.
        row_spacing_mm: distance between rows, so along j.
        column_spacing_mm: distance between columns, so along i.
        position_lps_mm: (3,) centre of the first pixel.
        row_direction: (3,) unit, LPS, in which the column index i grows.
        column_direction: (3,) unit, LPS, in which the row index j grows.
        thickness_mm: slice thickness, or None.
        stated_gap_mm: SpacingBetweenSlices, or None.
    """

    path: Path
    sop_instance_uid: str
    sop_class_uid: str
    frame_of_reference_uid: str
    patient_key: str
    modality: str
    is_localizer: bool
    rows: int
    columns: int
    photometric: str
    bits_stored: int
    is_signed: bool
    slope: float
    intercept: float
    has_rescale: bool
    rescale_type: str
    has_padding: bool
    row_spacing_mm: float
    column_spacing_mm: float
    position_lps_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    thickness_mm: float | None
    stated_gap_mm: float | None

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit normal of the slice, LPS."""
        normal = np.cross(self.row_direction, self.column_direction)
        return np.asarray(normal / np.linalg.norm(normal))


def slice_header(file: DicomFile) -> SliceHeader:
    """The slice in `file`.

    Raises:
        ImageFormatError: it is no single grey slice, or its place or values are missing or make no sense. The message
            names the file and the data element.
    """
    header, path = file.header, file.path
    _check_kind(header, path=path)
    row_direction, column_direction = _directions(header, path=path)
    spacing = _required(header, "PixelSpacing", count=2, path=path)
    if min(spacing) <= 0:
        _refuse(
            path, f"expected a positive PixelSpacing, got {_shown(spacing)}", "Correct it, or export the series anew"
        )
    slope, intercept = _rescale(header, path=path)
    return SliceHeader(
        path=path,
        sop_instance_uid=str(header.get("SOPInstanceUID", "")),
        sop_class_uid=str(header.get("SOPClassUID", "")),
        frame_of_reference_uid=str(header.get("FrameOfReferenceUID", "")),
        patient_key=str(header.get("PatientID", "")),
        modality=str(header.get("Modality", "")),
        is_localizer="LOCALIZER" in {str(value).upper() for value in _several(header.get("ImageType"))},
        rows=_count(header, "Rows", path=path),
        columns=_count(header, "Columns", path=path),
        photometric=str(header.get("PhotometricInterpretation", "MONOCHROME2")),
        bits_stored=_count(header, "BitsStored", path=path),
        is_signed=str(header.get("PixelRepresentation", 0)) == "1",
        slope=slope,
        intercept=intercept,
        has_rescale="RescaleSlope" in header or "RescaleIntercept" in header,
        rescale_type=str(header.get("RescaleType", "") or ""),
        has_padding="PixelPaddingValue" in header,
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        position_lps_mm=np.array(_required(header, "ImagePositionPatient", count=3, path=path)),
        row_direction=row_direction,
        column_direction=column_direction,
        thickness_mm=_optional(header, "SliceThickness", path=path),
        stated_gap_mm=_optional(header, "SpacingBetweenSlices", path=path),
    )


def _check_kind(header: Any, *, path: Path) -> None:
    frames = _numbers(header, "NumberOfFrames", path=path)
    if frames and frames[0] > 1:
        _refuse(
            path,
            f"expected one slice a file, got {frames[0]:g} frames (multi-frame DICOM is not read yet)",
            "Convert it to NIfTI first, with dcm2niix for example",
        )
    if "Rows" not in header:
        _refuse(path, "expected an image, got a DICOM object without pixels", "Give the images it belongs to")
    samples = _numbers(header, "SamplesPerPixel", path=path)
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if (samples and samples[0] != 1) or not photometric.startswith("MONOCHROME"):
        _refuse(path, f"expected grey values, got a colour picture ({photometric})", "Leave it out of the series")


def _directions(header: Any, *, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cosines = np.array(_required(header, "ImageOrientationPatient", count=6, path=path)).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    if np.abs(lengths - 1.0).max() > DIRECTION_LENGTH_TOLERANCE:
        _refuse(
            path,
            f"expected directions of length 1 in ImageOrientationPatient, got {_shown(lengths)}",
            "Export the series anew",
        )
    rows, columns = cosines / lengths[:, np.newaxis]
    if abs(float(rows @ columns)) > RIGHT_ANGLE_TOLERANCE:
        _refuse(
            path,
            f"expected right angles in ImageOrientationPatient, got a cosine of {rows @ columns:.3g}",
            "Export the series anew",
        )
    return rows, columns


def _rescale(header: Any, *, path: Path) -> tuple[float, float]:
    slope = _optional(header, "RescaleSlope", path=path)
    intercept = _optional(header, "RescaleIntercept", path=path)
    if slope == 0:
        _refuse(path, "expected a RescaleSlope other than 0, which makes all values equal", "Export the series anew")
    return (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def _required(header: Any, keyword: str, *, count: int, path: Path) -> tuple[float, ...]:
    values = _numbers(header, keyword, path=path)
    if values is None:
        _refuse(
            path,
            f"expected {keyword}, which says where the voxels lie, and the file has none",
            "Export the series anew, or give its slices as PNG or TIFF",
        )
    if len(values) != count or not np.isfinite(values).all():
        _refuse(path, f"expected {count} finite numbers in {keyword}, got {_shown(values)}", "Export the series anew")
    return values


def _optional(header: Any, keyword: str, *, path: Path) -> float | None:
    values = _numbers(header, keyword, path=path)
    if values is None:
        return None
    if len(values) != 1 or not np.isfinite(values[0]):
        _refuse(path, f"expected one finite number in {keyword}, got {_shown(values)}", "Export the series anew")
    return values[0]


def _count(header: Any, keyword: str, *, path: Path) -> int:
    values = _numbers(header, keyword, path=path)
    if values is None or len(values) != 1 or values[0] < 1:
        _refuse(path, f"expected a number of at least 1 in {keyword}, got {values}", "Export the series anew")
    return int(values[0])


def _numbers(header: Any, keyword: str, *, path: Path) -> tuple[float, ...] | None:
    """The element's values as floats; None where it is absent or empty."""
    try:
        values = tuple(float(value) for value in _several(header.get(keyword)))
    except (TypeError, ValueError, ArithmeticError) as error:
        message = f"{path}: expected numbers in {keyword}, got something else. Correct it, or export the series anew."
        raise ImageFormatError(message) from error
    return values or None


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) or not hasattr(value, "__iter__") else list(value)


def _shown(values: Any) -> str:
    return "(" + ", ".join(f"{float(value):g}" for value in values) + ")"


def _refuse(path: Path, what: str, remedy: str) -> NoReturn:
    message = f"{path}: {what}. {remedy}."
    raise ImageFormatError(message)
