"""From the slices of one DICOM series to a volume: one kind, one order, one affine, or a refusal.

Slices are ordered by their position along the normal, never by name or InstanceNumber. What cannot be placed exactly
is refused with its reason; nothing is filled in or resampled here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ImageFormatError
from medseg.geometry import Affine, WorldFrame
from medseg.io.dicom.slice_header import SliceHeader

POSITION_TOLERANCE_MM = 0.01
"""Slices may lie this far from their place on an even grid: positions are often rounded to 0.001 mm."""
POSITION_TOLERANCE_FRACTION = 0.01
"""The same as a fraction of the distance between slices; the larger of the two counts."""
SAME_DIRECTION_TOLERANCE = 1e-4
"""Largest difference of a direction cosine between slices of one orientation; 0.05 mm over 500 mm."""
SAME_SPACING_TOLERANCE = 1e-4
"""Largest relative difference of the pixel spacing between slices; 0.05 mm over 500 mm."""
SHEAR_TOLERANCE = 1e-3
"""Sideways travel per travel along the normal above which the stack is tilted (0.06 degrees)."""


@dataclass(frozen=True)
class Series:
    """The slices of one volume in their order.

    Attributes:
        slices: ascending along the normal; array index k.
        affine: (i, j, k) = (column, row, slice) -> world mm, RAS.
        notes: what the user should know about the order or the place.
    """

    slices: tuple[SliceHeader, ...]
    affine: Affine
    notes: tuple[str, ...] = ()


def series_of(slices: Sequence[SliceHeader], *, name: Path) -> Series:
    """The series that `slices` make.

    Args:
        slices: all of one Series Instance UID, in any order.
        name: folder or file, for messages.

    Raises:
        ImageFormatError: they do not belong together, one is missing or there twice, they are unevenly spaced or
            tilted, or a single slice does not say how thick it is.
    """
    for check in _CHECKS:
        check(slices, name)
    normal = slices[0].normal
    ordered = sorted(slices, key=lambda one: float(one.position_lps_mm @ normal))
    first = ordered[0]
    step, notes = _single_step(first) if len(ordered) == 1 else (_step(ordered, name=name), ())
    matrix = np.eye(4)
    matrix[:3, 0] = first.row_direction * first.column_spacing_mm
    matrix[:3, 1] = first.column_direction * first.row_spacing_mm
    matrix[:3, 2] = step
    matrix[:3, 3] = first.position_lps_mm
    return Series(tuple(ordered), Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS), notes)


def _check_localizers(slices: Sequence[SliceHeader], name: Path) -> None:
    scouts = [one for one in slices if one.is_localizer]
    if scouts and len(scouts) < len(slices):
        _refuse(
            name,
            f"a localizer lies among the slices ({scouts[0].path.name}, {len(scouts)} in all)",
            "Move the localizers to another folder",
        )


def _check_same(slices: Sequence[SliceHeader], name: Path) -> None:
    for what, value_of, show in _SAME:
        values = [value_of(one) for one in slices]
        odd = next((number for number, value in enumerate(values) if value != values[0]), None)
        if odd is not None:
            shown = f" ({values[0]} and {values[odd]})" if show else ""
            _refuse(
                name,
                f"the slices differ in {what}{shown}: {slices[0].path.name} and {slices[odd].path.name}",
                "Put what does not belong together into folders of its own",
            )


def _check_same_grid(slices: Sequence[SliceHeader], name: Path) -> None:
    first = slices[0]
    for one in slices[1:]:
        turned = max(
            np.abs(one.row_direction - first.row_direction).max(),
            np.abs(one.column_direction - first.column_direction).max(),
        )
        if turned > SAME_DIRECTION_TOLERANCE:
            _refuse(
                name,
                f"the slices have several orientations: {first.path.name} and {one.path.name} differ",
                "Put each orientation into a folder of its own",
            )
        ours = (one.row_spacing_mm, one.column_spacing_mm)
        theirs = (first.row_spacing_mm, first.column_spacing_mm)
        if not np.allclose(ours, theirs, rtol=SAME_SPACING_TOLERANCE, atol=0):
            _refuse(
                name,
                f"the slices differ in pixel spacing: {first.path.name} has {theirs} mm, {one.path.name} {ours} mm",
                "Put each into a folder of its own",
            )


def _check_distinct(slices: Sequence[SliceHeader], name: Path) -> None:
    seen: dict[str, SliceHeader] = {}
    for one in [one for one in slices if one.sop_instance_uid]:  # some anonymisers leave it empty
        twin = seen.setdefault(one.sop_instance_uid, one)
        if twin is not one:
            _refuse(
                name,
                f"the same image is there twice: {twin.path.name} and {one.path.name} have one SOP Instance UID",
                "Remove one of them",
            )


_CHECKS: tuple[Callable[[Sequence[SliceHeader], Path], None], ...] = (
    _check_distinct,
    _check_localizers,
    _check_same,
    _check_same_grid,
)
_SAME: tuple[tuple[str, Callable[[SliceHeader], object], bool], ...] = (
    ("size", lambda one: f"{one.columns} x {one.rows}", True),
    ("patient", lambda one: one.patient_key, False),
    ("kind of object", lambda one: one.sop_class_uid, True),
    ("modality", lambda one: one.modality, True),
    ("frame of reference", lambda one: one.frame_of_reference_uid, True),
    ("photometric interpretation", lambda one: one.photometric, True),
)
"""What all slices must share: its name, how to get it, and whether it may be shown."""


def _step(ordered: Sequence[SliceHeader], *, name: Path) -> NDArray[np.float64]:
    """(3,) LPS mm from one slice to the next."""
    positions = np.stack([one.position_lps_mm for one in ordered])
    normal = ordered[0].normal
    gaps = np.diff(positions @ normal)
    typical = float(np.median(gaps))
    tolerance = max(POSITION_TOLERANCE_MM, POSITION_TOLERANCE_FRACTION * typical)
    _check_no_two_at_one_place(ordered, gaps, name=name)
    travel = positions[-1] - positions[0]
    _check_tilt(travel, normal, name=name)
    _check_even(ordered, gaps, typical=typical, tolerance=tolerance, name=name)
    step = travel / (len(ordered) - 1)
    expected = positions[0] + np.arange(len(ordered))[:, np.newaxis] * step
    away = np.linalg.norm(positions - expected, axis=1)
    if away.max() > tolerance:
        worst = ordered[int(np.argmax(away))]
        _refuse(
            name,
            f"the slices do not lie on an even grid: {worst.path.name} is {away.max():.3g} mm from its place",
            "Resample the series to even spacing first",
        )
    return np.asarray(step)


def _check_no_two_at_one_place(ordered: Sequence[SliceHeader], gaps: NDArray[np.float64], *, name: Path) -> None:
    together = np.flatnonzero(gaps < POSITION_TOLERANCE_MM)
    if together.size:
        first, second = ordered[int(together[0])], ordered[int(together[0]) + 1]
        _refuse(
            name,
            f"several slices lie at one position ({first.path.name} and {second.path.name}; {together.size} such "
            "pairs): echoes, phases or repeats in one series",
            "Put each of them into a folder of its own",
        )


def _check_tilt(travel: NDArray[np.float64], normal: NDArray[np.float64], *, name: Path) -> None:
    along = float(travel @ normal)
    sideways = float(np.linalg.norm(travel - along * normal))
    if sideways > POSITION_TOLERANCE_MM + SHEAR_TOLERANCE * along:
        degrees = float(np.degrees(np.arctan2(sideways, along)))
        _refuse(
            name,
            f"the slices are shifted sideways against each other (gantry tilt of {degrees:.1f} degrees)",
            "Resample the series to upright slices first; dcm2niix does",
        )


def _check_even(
    ordered: Sequence[SliceHeader], gaps: NDArray[np.float64], *, typical: float, tolerance: float, name: Path
) -> None:
    if len(ordered) == 2:
        stated = [value for value in (ordered[0].stated_gap_mm, ordered[0].thickness_mm) if value is not None]
        if not any(abs(abs(value) - typical) <= tolerance for value in stated):
            _refuse(
                name,
                f"two slices {typical:.4g} mm apart do not show whether others between them are missing "
                f"(the file states {' and '.join(f'{value:g} mm' for value in stated) or 'no distance'})",
                "Give the whole series",
            )
        return
    uneven = np.flatnonzero(np.abs(gaps - typical) > tolerance)
    if not uneven.size:
        return
    worst = int(uneven[0])
    between = f"between {ordered[worst].path.name} and {ordered[worst + 1].path.name}"
    multiples = gaps / gaps.min()
    if gaps.max() > 1.5 * gaps.min() and np.abs(multiples - np.rint(multiples)).max() <= POSITION_TOLERANCE_FRACTION:
        _refuse(
            name,
            f"slices are missing: {gaps[worst]:.4g} mm {between}, {typical:.4g} mm elsewhere",
            "Export the whole series again",
        )
    _refuse(
        name,
        f"the distance between slices varies from {gaps.min():.4g} to {gaps.max():.4g} mm ({between} first)",
        "Resample the series to even spacing first",
    )


def _single_step(one: SliceHeader) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    thickness = one.thickness_mm or abs(one.stated_gap_mm or 0.0)
    if thickness <= 0:
        _refuse(
            one.path,
            "a single slice without SliceThickness: the size of its voxels is unknown",
            "Give the whole series, or save the slice as PNG",
        )
    return one.normal * thickness, ("a single slice: the third voxel size is its slice thickness",)


def _refuse(name: Path, what: str, remedy: str) -> NoReturn:
    message = f"{name}: {what}. {remedy}."
    raise ImageFormatError(message)
