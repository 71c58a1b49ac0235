"""What a measurement report says of one object."""

from __future__ import annotations

from dataclasses import dataclass

from medseg.images import Label


@dataclass(frozen=True)
class MeasuredObject:
    """One object, a segment of its own in a DICOM segmentation.

    Attributes:
        segment_number: of the segment that holds the object and nothing else.
        label: name, by which a reader tracks the object, and coded concept, the finding.
        volume_mm3: volume; None where not measured, as for all below.
        longest_diameter_mm: longest distance across it in a slice.
        mean_value: mean of the image inside it, in the image's unit.
        tracking_uid: UID that the object keeps from report to report; the segment's or a new one where empty.
    """

    segment_number: int
    label: Label
    volume_mm3: float | None = None
    longest_diameter_mm: float | None = None
    mean_value: float | None = None
    tracking_uid: str = ""
