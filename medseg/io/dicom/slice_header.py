"""One slice's header as checked Python values: a classic file, or one frame of a multi-frame file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.io.dicom.codecs import is_lossy_syntax
from medseg.io.dicom.elements import (
    Elements,
    number_or_none,
    numbers,
    optional_number,
    required_count,
    required_numbers,
    several,
    shown,
    text,
    whole_or_none,
)
from medseg.io.dicom.header import FileHeader, PixelPlace
from medseg.io.dicom.plain_values import shown_modality
from medseg.io.refusals import refuse

DIRECTION_LENGTH_TOLERANCE = 1e-3
"""How far the length of a direction may be from 1: some scanners write four digits."""
RIGHT_ANGLE_TOLERANCE = 1e-4
"""Largest cosine between row and column direction; 0.05 mm over 500 mm."""

_COLOURS = {"RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
"""Of PhotometricInterpretation (PS3.3 C.7.6.3.1.2); anything else may be free text and is not shown."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SliceHeader:
    """What a slice says about itself.

    Attributes:
        path: its file.
        frame: number of the frame in a multi-frame file, from 1; None for a classic file.
        number_of_frames: how many the file has.
        transfer_syntax: UID of how the pixels are stored.
        pixels: where they lie in the file; None where they are compressed, big-endian, or missing.
        sop_instance_uid: of the image; all frames of a file share it.
        sop_class_uid: kind of object.
        study_uid: of the study.
        series_uid: of the series; empty where absent.
        frame_of_reference_uid: empty where absent.
        patient_key: tells patients apart; never shown.
        modality: code.
        image_type: values of ImageType (or FrameType) in capitals.
        is_localizer: whether it is a scout view.
        burned_in: whether BurnedInAnnotation says YES; None where it says nothing.
        instance_number: None where absent or no number, as for all below.
        number_of_series_instances: how many images the series is said to have.
        acquisition_number: of the pass over the patient.
        echo_number: of the echo, classic files only.
        echo_time: of the (effective) echo, ms.
        temporal_position: number of the phase.
        trigger_time: delay after the trigger, ms.
        b_value: diffusion weighting, s/mm^2.
        diffusion_direction: its direction, three cosines.
        stack_id: group of frames that belong together; empty where absent.
        in_stack_position: place of the frame in its stack.
        rows: pixels down.
        columns: pixels across.
        photometric: PhotometricInterpretation.
        bits_allocated: bits a stored value takes.
        bits_stored: bits of it that count.
        high_bit: number of the highest bit that counts.
        is_signed: whether stored values are signed.
        is_lossy: whether the pixels went through a lossy compression, or one that may be.
        padding: lowest and highest stored value that stand for "outside the scan"; None where none is declared.
        slope: stored value -> modality value, factor.
        intercept: stored value -> modality value, addend.
        has_rescale: whether slope or intercept stand in the file.
        rescale_type: unit of the modality values; empty where absent.
        row_spacing_mm: distance between rows, so along j.
        column_spacing_mm: distance between columns, so along i.
        position_lps_mm: (3,) centre of the first pixel.
        row_direction: (3,) unit, LPS, in which the column index i grows.
        column_direction: (3,) unit, LPS, in which the row index j grows.
        thickness_mm: slice thickness, or None.
        stated_gap_mm: SpacingBetweenSlices, or None.
    """

    path: Path
    frame: int | None = None
    number_of_frames: int = 1
    transfer_syntax: str = ""
    pixels: PixelPlace | None = None
    sop_instance_uid: str
    sop_class_uid: str
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str
    patient_key: str
    modality: str
    image_type: tuple[str, ...] = ()
    is_localizer: bool
    burned_in: bool | None = None
    instance_number: int | None = None
    number_of_series_instances: int | None = None
    acquisition_number: int | None = None
    echo_number: int | None = None
    echo_time: float | None = None
    temporal_position: int | None = None
    trigger_time: float | None = None
    b_value: float | None = None
    diffusion_direction: tuple[float, ...] | None = None
    stack_id: str = ""
    in_stack_position: int | None = None
    rows: int
    columns: int
    photometric: str
    bits_allocated: int = 16
    bits_stored: int
    high_bit: int = 15
    is_signed: bool
    is_lossy: bool = False
    padding: tuple[int, int] | None = None
    slope: float
    intercept: float
    has_rescale: bool
    rescale_type: str
    row_spacing_mm: float
    column_spacing_mm: float
    position_lps_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    thickness_mm: float | None
    stated_gap_mm: float | None

    @property
    def stored_type(self) -> np.dtype:
        """Type of the stored values in the machine's byte order."""
        return np.dtype(f"{'i' if self.is_signed else 'u'}{self.bits_allocated // 8}")

    @property
    def has_padding(self) -> bool:
        """Whether a value for pixels outside the scan is declared."""
        return self.padding is not None

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit normal of the slice, LPS."""
        normal = np.cross(self.row_direction, self.column_direction)
        return np.asarray(normal / np.linalg.norm(normal))


def slice_from(
    header: FileHeader, *, path: Path, elements: Elements | None = None, frame: int | None = None
) -> SliceHeader:
    """The slice that a header describes, or one frame of it.

    Args:
        header: of the file.
        path: the file.
        elements: the frame's share of the header under the keywords of a classic file; the header where absent.
        frame: number of the frame, from 1.

    Raises:
        RefusedImageError: it is no single grey slice, or its place or values are missing or make no sense. The message
            names the file and the data element.
    """
    elements = header if elements is None else elements
    _check_kind(elements, path=path)
    row_direction, column_direction = _directions(elements, path=path)
    spacing = required_numbers(elements, "PixelSpacing", count=2, path=path)
    if min(spacing) <= 0:
        refuse(
            path,
            "bad-pixel-spacing",
            f"expected a positive PixelSpacing, got {shown(spacing)}",
            "Correct it, or export the series anew",
        )
    slope, intercept = _rescale(elements, path=path)
    image_type = tuple(str(value).strip().upper() for value in several(elements.get("ImageType", None)))
    bits_allocated, bits_stored, high_bit = _bits(elements, path=path)
    is_signed = whole_or_none(elements, "PixelRepresentation") == 1
    return SliceHeader(
        path=path,
        frame=frame,
        number_of_frames=whole_or_none(elements, "NumberOfFrames") or 1,
        transfer_syntax=header.transfer_syntax,
        pixels=header.pixels,
        sop_instance_uid=text(elements, "SOPInstanceUID"),
        sop_class_uid=text(elements, "SOPClassUID"),
        study_uid=text(elements, "StudyInstanceUID"),
        series_uid=text(elements, "SeriesInstanceUID"),
        frame_of_reference_uid=text(elements, "FrameOfReferenceUID"),
        patient_key=text(elements, "PatientID"),
        modality=shown_modality(text(elements, "Modality")),
        image_type=image_type,
        is_localizer="LOCALIZER" in image_type,
        burned_in={"YES": True, "NO": False}.get(text(elements, "BurnedInAnnotation").upper()),
        instance_number=whole_or_none(elements, "InstanceNumber"),
        number_of_series_instances=whole_or_none(elements, "NumberOfSeriesRelatedInstances"),
        acquisition_number=whole_or_none(elements, "AcquisitionNumber"),
        echo_number=whole_or_none(elements, "EchoNumbers"),
        echo_time=number_or_none(elements, "EchoTime"),
        temporal_position=whole_or_none(elements, "TemporalPositionIdentifier"),
        trigger_time=number_or_none(elements, "TriggerTime"),
        b_value=number_or_none(elements, "DiffusionBValue"),
        diffusion_direction=_diffusion_direction(elements, path=path),
        stack_id=text(elements, "StackID"),
        in_stack_position=whole_or_none(elements, "InStackPositionNumber"),
        rows=required_count(elements, "Rows", path=path),
        columns=required_count(elements, "Columns", path=path),
        photometric=text(elements, "PhotometricInterpretation") or "MONOCHROME2",
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=high_bit,
        is_signed=is_signed,
        is_lossy=text(elements, "LossyImageCompression") == "01" or is_lossy_syntax(header.transfer_syntax),
        padding=_padding(elements, bits=bits_allocated, is_signed=is_signed, path=path),
        slope=slope,
        intercept=intercept,
        has_rescale="RescaleSlope" in elements or "RescaleIntercept" in elements,
        rescale_type=text(elements, "RescaleType"),
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        position_lps_mm=np.array(required_numbers(elements, "ImagePositionPatient", count=3, path=path)),
        row_direction=row_direction,
        column_direction=column_direction,
        thickness_mm=optional_number(elements, "SliceThickness", path=path),
        stated_gap_mm=optional_number(elements, "SpacingBetweenSlices", path=path),
    )


def _check_kind(elements: Elements, *, path: Path) -> None:
    if "Rows" not in elements:
        refuse(
            path,
            "no-pixels",
            "expected an image, got a DICOM object without pixels",
            "Give the images it belongs to",
        )
    samples = numbers(elements, "SamplesPerPixel", path=path)
    photometric = text(elements, "PhotometricInterpretation") or "MONOCHROME2"
    if (samples and samples[0] != 1) or not photometric.startswith("MONOCHROME"):
        named = f" ({photometric})" if photometric in _COLOURS else ""
        refuse(path, "colour", f"expected grey values, got a colour picture{named}", "Leave it out of the series")


def _directions(elements: Elements, *, path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = required_numbers(elements, "ImageOrientationPatient", count=6, path=path)
    cosines = np.array(values).reshape(2, 3)
    lengths = np.sqrt((cosines**2).sum(axis=1))
    if np.abs(lengths - 1.0).max() > DIRECTION_LENGTH_TOLERANCE:
        refuse(
            path,
            "bad-orientation",
            f"expected directions of length 1 in ImageOrientationPatient, got {shown(lengths)}",
            "Export the series anew",
        )
    rows, columns = cosines / lengths[:, np.newaxis]
    if abs(float(rows @ columns)) > RIGHT_ANGLE_TOLERANCE:
        refuse(
            path,
            "bad-orientation",
            f"expected right angles in ImageOrientationPatient, got a cosine of {rows @ columns:.3g}",
            "Export the series anew",
        )
    return rows, columns


def _bits(elements: Elements, *, path: Path) -> tuple[int, int, int]:
    """Bits allocated, bits stored and the highest stored bit (PS3.5 section 8.1.1)."""
    allocated = required_count(elements, "BitsAllocated", path=path)
    stored = required_count(elements, "BitsStored", path=path)
    high = whole_or_none(elements, "HighBit")
    high = stored - 1 if high is None else high
    if allocated not in {8, 16, 32} or not stored <= high + 1 <= allocated:
        refuse(
            path,
            "bad-pixel-layout",
            f"expected 8, 16 or 32 bits a pixel with the stored ones within them, got {stored} of {allocated} up to "
            f"bit {high}",
            "Export the series anew",
        )
    return allocated, stored, high


def _rescale(elements: Elements, *, path: Path) -> tuple[float, float]:
    slope = optional_number(elements, "RescaleSlope", path=path)
    intercept = optional_number(elements, "RescaleIntercept", path=path)
    if slope == 0:
        refuse(
            path,
            "rescale-slope-zero",
            "expected a RescaleSlope other than 0, which makes all values equal",
            "Export the series anew",
        )
    return (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def _padding(elements: Elements, *, bits: int, is_signed: bool, path: Path) -> tuple[int, int] | None:
    """Lowest and highest padding value as stored (PS3.3 C.7.5.1.1.2)."""
    value = optional_number(elements, "PixelPaddingValue", path=path)
    if value is None:
        return None
    limit = optional_number(elements, "PixelPaddingRangeLimit", path=path)
    # Writers mix up the two types that the element may have: -2000 stands as 63536 in many files.
    ends = sorted(_wrapped(int(end), bits, is_signed=is_signed) for end in (value, value if limit is None else limit))
    return ends[0], ends[1]


def _wrapped(value: int, bits: int, *, is_signed: bool) -> int:
    value %= 1 << bits
    return value - (1 << bits) if is_signed and value >= 1 << (bits - 1) else value


def _diffusion_direction(elements: Elements, *, path: Path) -> tuple[float, ...] | None:
    values = numbers(elements, "DiffusionGradientOrientation", path=path)
    return values if values and len(values) == 3 and np.isfinite(values).all() else None
