"""What the slices of one series, and of one volume, must share; and what their headers hint at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.dicom.stacking import spoken
from medseg.verdicts import Outcome, Verdict

SAME_SPACING_TOLERANCE = 1e-4
"""Largest relative difference of the pixel spacing between slices; 0.05 mm over 500 mm."""

_LONGEST_MODALITY = 5


@dataclass(frozen=True)
class Shared:
    """Something that slices must share.

    Attributes:
        code: of the refusal.
        what: its name in the message.
        value_of: how to get it.
        show: writes it for the message; None where it may not be shown.
        may_be_allowed: whether a person may say that the slices belong together all the same.
    """

    code: str
    what: str
    value_of: Callable[[SliceHeader], Hashable]
    show: Callable[[SliceHeader], str] | None = None
    may_be_allowed: bool = False


IN_A_SERIES = (
    Shared("several-patients", "patient", lambda one: one.patient_key),
    Shared("several-studies", "study", lambda one: one.study_uid, may_be_allowed=True),
)
"""Refused before the series is split: one of its slices lies in the wrong folder, or has the wrong name."""
IN_A_VOLUME = (
    Shared("several-sizes", "size", lambda one: (one.columns, one.rows), lambda one: f"{one.columns} x {one.rows}"),
    Shared("several-kinds", "kind of object", lambda one: one.sop_class_uid),
    Shared("several-modalities", "modality", lambda one: one.modality, lambda one: _code(one.modality)),
    Shared("several-frames-of-reference", "frame of reference", lambda one: one.frame_of_reference_uid),
    Shared("several-photometrics", "photometric interpretation", lambda one: one.photometric),
    Shared("mixed-rescale", "whether values are rescaled", lambda one: one.has_rescale),
    Shared("mixed-units", "unit of the values", lambda one: one.rescale_type),
)


def differences(slices: Sequence[SliceHeader], shared: Sequence[Shared], *, name: Path) -> list[Verdict]:
    """A refusal for each of `shared` that is not the same in all `slices`; it names the slice that is alone in it."""
    verdicts = []
    for one in shared:
        counts = Counter(one.value_of(slice_) for slice_ in slices)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            like = next(slice_ for slice_ in slices if one.value_of(slice_) == usual)
            odd = next(slice_ for slice_ in slices if one.value_of(slice_) != usual)
            values = f" ({one.show(like)} and {one.show(odd)})" if one.show else ""
            cause = f"the slices differ in {one.what}{values}: {spoken(like)} and {spoken(odd)}"
            verdicts.append(_refusal(one.code, name, cause, may_be_allowed=one.may_be_allowed))
    return verdicts


def different_pixel_spacing(slices: Sequence[SliceHeader], *, name: Path) -> list[Verdict]:
    """A refusal where a slice has pixels of another size."""
    spacings = np.array([[one.row_spacing_mm, one.column_spacing_mm] for one in slices])
    usual = np.median(spacings, axis=0)
    odd = np.flatnonzero(np.abs(spacings / usual - 1.0).max(axis=1) > SAME_SPACING_TOLERANCE)
    if not odd.size:
        return []
    one = slices[int(odd[0])]
    cause = (
        f"the slices differ in pixel spacing: {spoken(one)} has {one.row_spacing_mm:g} x {one.column_spacing_mm:g} mm, "
        f"others {usual[0]:g} x {usual[1]:g} mm"
    )
    return [_refusal("several-pixel-spacings", name, cause)]


def fewer_than_stated(slices: Sequence[SliceHeader], *, name: Path) -> list[Verdict]:
    """Flags where the headers speak of more slices than there are; a lost end slice leaves no other trace."""
    verdicts = []
    uids = {(one.sop_instance_uid, one.frame) for one in slices} if slices[0].sop_instance_uid else set()
    count = len(uids) or len(slices)
    stated = max((one.number_of_series_instances or 0 for one in slices), default=0)
    files = len({one.path for one in slices})
    if stated > max(files, count if slices[0].frame is None else files):
        cause = f"the headers speak of {stated} images in the series, there are {files}"
        verdicts.append(Verdict(Outcome.FLAG, "fewer-than-stated", name, cause, "Export the whole series again"))
    numbers = [one.instance_number for one in slices if one.instance_number is not None and one.frame is None]
    if numbers and len(set(numbers)) == len(numbers) == len(slices):
        lacking = max(numbers) - min(numbers) + 1 - len(numbers)
        if lacking:
            cause = f"the numbers of the images run from {min(numbers)} to {max(numbers)}, and {lacking} are not there"
            verdicts.append(Verdict(Outcome.FLAG, "instance-number-gap", name, cause))
    return verdicts


def doubts_about_values(slices: Sequence[SliceHeader], *, name: Path) -> list[Verdict]:
    """Flags for values that may mean something else than usual."""
    first = slices[0]
    hints = (
        (
            first.photometric == "MONOCHROME1",
            "monochrome1",
            "low values are meant to be shown bright (MONOCHROME1); the values are kept as stored",
        ),
        (
            first.modality == "CT" and not first.has_rescale,
            "no-rescale",
            "a CT series without rescale: its values may not be Hounsfield units",
        ),
        (any(one.is_lossy for one in slices), "lossy", "the pixels went through a lossy compression"),
        (
            any(one.burned_in for one in slices),
            "burned-in-text",
            "text is burned into the pixels, which may identify the patient",
        ),
        (
            all(one.is_localizer for one in slices),
            "localizer",
            "a scout view, taken to plan the others",
        ),
    )
    return [Verdict(Outcome.FLAG, code, name, cause) for found, code, cause in hints if found]


def _code(text: str) -> str:
    """A modality for a message; anything that is none might be text about the patient."""
    return text if text.isalnum() and text.isupper() and len(text) <= _LONGEST_MODALITY else "another"


def _refusal(code: str, name: Path, cause: str, *, may_be_allowed: bool = False) -> Verdict:
    remedy = "Put what does not belong together into folders of its own"
    return Verdict(Outcome.REFUSE, code, name, cause, remedy, may_be_allowed)
