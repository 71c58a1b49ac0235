"""Multi-frame files as one slice header a frame (PS3.3 C.7.6.16).

A frame's share of the header is what the functional groups say of it, the frame's own before the shared ones, under
the keywords that a classic file has for the same things. Everything after that is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medseg.io.dicom.elements import number_or_none, several, text
from medseg.io.dicom.files import DicomFile
from medseg.io.dicom.header import IN_PLACE
from medseg.io.dicom.header_tags import HEADER_TAGS
from medseg.io.dicom.pixel_bytes import check_pixel_bytes
from medseg.io.dicom.slice_header import SliceHeader, slice_from
from medseg.io.refusals import refuse
from medseg.verdicts import RefusedImageError, Verdict

_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("PlanePositionSequence", (("ImagePositionPatient", "ImagePositionPatient"),)),
    ("PlaneOrientationSequence", (("ImageOrientationPatient", "ImageOrientationPatient"),)),
    (
        "PixelMeasuresSequence",
        (
            ("PixelSpacing", "PixelSpacing"),
            ("SliceThickness", "SliceThickness"),
            ("SpacingBetweenSlices", "SpacingBetweenSlices"),
        ),
    ),
    (
        "PixelValueTransformationSequence",
        (
            ("RescaleSlope", "RescaleSlope"),
            ("RescaleIntercept", "RescaleIntercept"),
            ("RescaleType", "RescaleType"),
        ),
    ),
    (
        "FrameContentSequence",
        (
            ("StackID", "StackID"),
            ("InStackPositionNumber", "InStackPositionNumber"),
            ("TemporalPositionIndex", "TemporalPositionIdentifier"),
            ("FrameAcquisitionNumber", "AcquisitionNumber"),
        ),
    ),
    ("MREchoSequence", (("EffectiveEchoTime", "EchoTime"),)),
    ("MRDiffusionSequence", (("DiffusionBValue", "DiffusionBValue"),)),
    ("CardiacSynchronizationSequence", (("NominalCardiacTriggerDelayTime", "TriggerTime"),)),
    ("MRImageFrameTypeSequence", (("FrameType", "ImageType"),)),
    ("CTImageFrameTypeSequence", (("FrameType", "ImageType"),)),
    ("PETFrameTypeSequence", (("FrameType", "ImageType"),)),
)
"""Functional group -> its elements, and the keyword under which a classic file has them."""

_PLACED = {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices"}
_SEQUENCES = {"SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"}
_OF_FILE = tuple(keyword for keyword in HEADER_TAGS if keyword not in _PLACED | _SEQUENCES)
"""What all frames share. Not their place: one position for all frames at the top of the header is nobody's."""


def slice_headers(file: DicomFile) -> list[SliceHeader]:
    """The slices in `file`, in its order: one of a classic file, one a frame of a multi-frame file.

    Raises:
        RefusedImageError: a slice is refused (`slice_from`), the frames say not where they lie, fewer or more are
            described than there are, or the file is too short or too long for them (`check_pixel_bytes`).
    """
    header, path = file.header, file.path
    stated = number_or_none(header, "NumberOfFrames")
    frames = several(header.get("PerFrameFunctionalGroupsSequence"))
    if not frames:
        if stated is not None and stated > 1:
            _refuse_unplaced(header, count=stated, path=path)
        return _with_bytes([slice_from(header, path=path)])
    if stated is not None and stated != len(frames):
        refuse(
            path,
            "frame-count",
            f"expected {stated:g} frames as NumberOfFrames says, got descriptions of {len(frames)}",
            "Export the file anew",
        )
    return _with_bytes(list(_frames(header, frames, path=path)))


def _with_bytes(slices: list[SliceHeader]) -> list[SliceHeader]:
    if slices[0].transfer_syntax in IN_PLACE:
        check_pixel_bytes(slices[0])
    return slices


def _frames(header: Any, frames: Sequence[Any], *, path: Path) -> Iterator[SliceHeader]:
    of_file = {keyword: header.get(keyword) for keyword in _OF_FILE if keyword in header}
    shared = several(header.get("SharedFunctionalGroupsSequence"))
    of_all = {**of_file, **_group_elements(shared[0])} if shared else of_file
    for number, frame in enumerate(frames, start=1):
        elements = {**of_all, **_group_elements(frame)}
        try:
            yield slice_from(header, path=path, elements=elements, frame=number)
        except RefusedImageError as error:
            raise RefusedImageError([_of_frame(verdict, number) for verdict in error.verdicts]) from None


def _group_elements(groups: Any) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    for sequence, keywords in _GROUPS:
        items = several(groups.get(sequence))
        for theirs, ours in keywords if items else ():
            if theirs in items[0]:
                elements[ours] = items[0].get(theirs)
        if items and sequence == "MRDiffusionSequence":
            elements.update(_diffusion_direction(items[0]))
    return elements


def _diffusion_direction(diffusion: Any) -> dict[str, Any]:
    directions = several(diffusion.get("DiffusionGradientDirectionSequence"))
    return {"DiffusionGradientOrientation": directions[0].get("DiffusionGradientOrientation")} if directions else {}


def _of_frame(verdict: Verdict, number: int) -> Verdict:
    return Verdict(
        verdict.outcome,
        verdict.code,
        verdict.path,
        f"frame {number}: {verdict.cause}",
        verdict.remedy,
        verdict.may_be_allowed,
    )


def _refuse_unplaced(header: Any, *, count: float, path: Path) -> None:
    samples = number_or_none(header, "SamplesPerPixel")
    kind = "colour frames" if samples is not None and samples != 1 else "frames"
    modality = text(header, "Modality")
    film = " (ultrasound, a film rather than a volume)" if modality == "US" else ""
    refuse(
        path,
        "no-frame-geometry",
        f"{count:g} {kind} that do not say where they lie{film}, so they make no volume",
        "Export it as an enhanced object with functional groups, or give its frames as PNG or TIFF",
    )
