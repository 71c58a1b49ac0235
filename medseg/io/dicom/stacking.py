"""From the slices of one volume to their order and affine, or the reason why there is none.

Slices are ordered by their position along the normal, never by name or InstanceNumber. A stack that leans (gantry
tilt) gets its true, sheared affine. Where a person allows it, missing or unevenly spaced slices are interpolated onto
an even grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.io.dicom.slice_header import SliceHeader
from medseg.verdicts import Outcome, Verdict

POSITION_TOLERANCE_MM = 0.01
"""Slices may lie this far from their place on an even grid: positions are often rounded to 0.001 mm."""
POSITION_TOLERANCE_FRACTION = 0.01
"""The same as a fraction of the distance between slices; the larger of the two counts."""
JITTER_FRACTION = 0.001
"""Deviation, as a fraction of the distance between slices, above which an accepted unevenness is mentioned."""
SHEAR_TOLERANCE = 1e-3
"""Sideways travel per travel along the normal above which the stack is tilted (0.06 degrees)."""
_MOST_SLICES_FILLED = 4
"""A grid made even may have this many times the slices that are there; more is a guess, not a repair."""


@dataclass(frozen=True)
class Stack:
    """Slices in order, and where they lie.

    Attributes:
        slices: ascending along the normal.
        affine: (i, j, k) = (column, row, slice) -> world mm, RAS; None where there is none.
        places: for each slice of the array its place among `slices`, in general not whole; None where they are the
            same.
        verdicts: what was found.
    """

    slices: tuple[SliceHeader, ...]
    affine: Affine | None
    places: tuple[float, ...] | None
    verdicts: tuple[Verdict, ...]

    @property
    def depth(self) -> int:
        """Number of slices of the array."""
        return len(self.slices) if self.places is None else len(self.places)


def ordered(slices: Sequence[SliceHeader]) -> list[SliceHeader]:
    """Ascending along the normal of the first; ties by UID and frame, so that the order of the files does not count."""
    normal = slices[0].normal
    return sorted(
        slices, key=lambda one: (round(float(one.position_lps_mm @ normal), 6), one.sop_instance_uid, one.frame or 0)
    )


def collisions(in_order: Sequence[SliceHeader]) -> list[tuple[SliceHeader, SliceHeader]]:
    """Pairs of neighbours at one place along the normal."""
    normal = in_order[0].normal
    heights = [float(one.position_lps_mm @ normal) for one in in_order]
    return [
        (in_order[k], in_order[k + 1])
        for k in range(len(in_order) - 1)
        if heights[k + 1] - heights[k] < POSITION_TOLERANCE_MM
    ]


def stacked(slices: Sequence[SliceHeader], *, name: Path, allow: frozenset[str]) -> Stack:
    """The stack that `slices` make; they share size, orientation and pixel spacing.

    Args:
        slices: of one volume, in any order.
        name: folder or file, for the verdicts.
        allow: codes of the refusals that a person overrules; "missing-slice" and "uneven-spacing" interpolate.
    """
    in_order = ordered(slices)
    if len(in_order) == 1:
        return _single(in_order[0])
    together = collisions(in_order)
    if together:
        return Stack(tuple(in_order), None, None, (_at_one_place(together, name=name),))
    positions = np.stack([one.position_lps_mm for one in in_order])
    normal = in_order[0].normal
    heights = (positions - positions[0]) @ normal
    gaps = np.diff(heights)
    travel = positions[-1] - positions[0]
    tolerance = _tolerance(float(np.median(gaps)))
    verdicts = _tilt(travel, normal, name=name)
    straight = positions[0] + np.outer(heights / heights[-1], travel)
    away = np.linalg.norm(positions - straight, axis=1)
    if away.max() > tolerance:
        verdicts.append(_off_the_line(in_order[int(np.argmax(away))], float(away.max()), name=name))
        return Stack(tuple(in_order), None, None, tuple(verdicts))
    found = _two(in_order, gaps, name=name) if len(in_order) == 2 else _uneven(in_order, gaps, name=name)
    if found is not None:
        verdicts.append(found)
    places = None
    if found is not None and found.may_be_allowed and found.code in allow and len(in_order) > 2:
        places = _even_places(heights, is_missing=found.code == "missing-slice")
        made_up = sum(not place.is_integer() for place in places)
        cause = f"{made_up} of {len(places)} slices are interpolated between their neighbours"
        verdicts.append(Verdict(Outcome.FLAG, "interpolated-slices", name, cause))
    depth = len(in_order) if places is None else len(places)
    affine = _affine(in_order[0], travel / (depth - 1))
    return Stack(tuple(in_order), affine, places, tuple(verdicts))


def _affine(first: SliceHeader, step: NDArray[np.float64]) -> Affine:
    matrix = np.eye(4)
    matrix[:3, 0] = first.row_direction * first.column_spacing_mm
    matrix[:3, 1] = first.column_direction * first.row_spacing_mm
    matrix[:3, 2] = step
    matrix[:3, 3] = first.position_lps_mm
    return Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)


def _tolerance(gap_mm: float) -> float:
    return max(POSITION_TOLERANCE_MM, POSITION_TOLERANCE_FRACTION * gap_mm)


def _single(one: SliceHeader) -> Stack:
    thickness = one.thickness_mm or abs(one.stated_gap_mm or 0.0)
    if thickness <= 0:
        verdict = Verdict(
            Outcome.REFUSE,
            "no-slice-thickness",
            one.path,
            "a single slice without SliceThickness: the size of its voxels is unknown",
            "Give the whole series, or save the slice as PNG",
        )
        return Stack((one,), None, None, (verdict,))
    cause = "a single slice: the third voxel size is its slice thickness"
    verdict = Verdict(Outcome.CONVERT, "single-slice", one.path, cause)
    return Stack((one,), _affine(one, one.normal * thickness), None, (verdict,))


def _at_one_place(pairs: list[tuple[SliceHeader, SliceHeader]], *, name: Path) -> Verdict:
    first, second = pairs[0]
    return Verdict(
        Outcome.REFUSE,
        "several-at-one-place",
        name,
        f"several slices lie at one position ({spoken(first)} and {spoken(second)}; {len(pairs)} such pairs): echoes, "
        "phases or repeats that the headers do not tell apart",
        "Put each of them into a folder of its own",
    )


def _tilt(travel: NDArray[np.float64], normal: NDArray[np.float64], *, name: Path) -> list[Verdict]:
    along = float(travel @ normal)
    sideways = float(np.linalg.norm(travel - along * normal))
    if sideways <= POSITION_TOLERANCE_MM + SHEAR_TOLERANCE * along:
        return []
    degrees = float(np.degrees(np.arctan2(sideways, along)))
    cause = (
        f"the slices are shifted sideways against each other (gantry tilt of {degrees:.1f} degrees): the affine is "
        "sheared, as the slices lie"
    )
    remedy = "Resample with medseg.images.straighten where right angles are needed"
    return [Verdict(Outcome.FLAG, "tilted", name, cause, remedy)]


def _off_the_line(one: SliceHeader, away_mm: float, *, name: Path) -> Verdict:
    return Verdict(
        Outcome.REFUSE,
        "slice-off-grid",
        name,
        f"the slices do not lie in a row: {spoken(one)} is {away_mm:.3g} mm beside its place",
        "Put what does not belong together into folders of its own, or export the series again",
    )


def _two(in_order: Sequence[SliceHeader], gaps: NDArray[np.float64], *, name: Path) -> Verdict | None:
    gap = float(gaps[0])
    stated = [value for value in (in_order[0].stated_gap_mm, in_order[0].thickness_mm) if value is not None]
    if any(abs(abs(value) - gap) <= _tolerance(gap) for value in stated):
        return None
    return Verdict(
        Outcome.REFUSE,
        "two-slices",
        name,
        f"two slices {gap:.4g} mm apart do not show whether others between them are missing "
        f"(the file states {' and '.join(f'{value:g} mm' for value in stated) or 'no distance'})",
        "Give the whole series",
        may_be_allowed=True,
    )


def _uneven(in_order: Sequence[SliceHeader], gaps: NDArray[np.float64], *, name: Path) -> Verdict | None:
    """The refusal of uneven distances, or a flag where they are within the tolerance and can be seen."""
    typical = float(np.median(gaps))
    steps = np.abs(gaps - typical)
    heights = np.concatenate([[0.0], np.cumsum(gaps)])
    drift = np.abs(heights - np.linspace(0.0, heights[-1], len(heights)))
    if steps.max() <= _tolerance(typical) and drift.max() <= _tolerance(typical):
        if max(steps.max(), drift.max()) <= JITTER_FRACTION * typical:
            return None
        cause = f"the distance between slices varies from {gaps.min():.4g} to {gaps.max():.4g} mm, taken as even"
        return Verdict(Outcome.FLAG, "spacing-jitter", name, cause)
    worst = int(np.argmax(steps > _tolerance(typical))) if steps.max() > _tolerance(typical) else int(np.argmax(drift))
    between = f"between {spoken(in_order[worst])} and {spoken(in_order[min(worst + 1, len(in_order) - 1)])}"
    multiples = gaps / gaps.min()
    is_missing = gaps.max() > 1.5 * gaps.min() and bool(
        np.abs(multiples - np.rint(multiples)).max() <= POSITION_TOLERANCE_FRACTION * multiples.max()
    )
    can_be_filled = heights[-1] / (gaps.min() if is_missing else typical) <= _MOST_SLICES_FILLED * len(in_order)
    if is_missing:
        cause = f"slices are missing: {gaps[worst]:.4g} mm {between}, {typical:.4g} mm elsewhere"
        remedy = "Export the whole series again"
        code = "missing-slice"
    elif steps.max() > _tolerance(typical):
        cause = f"the distance between slices varies from {gaps.min():.4g} to {gaps.max():.4g} mm ({between} first)"
        remedy = "Resample the series to even spacing first"
        code = "uneven-spacing"
    else:
        cause = (
            f"the slices do not lie on an even grid: {spoken(in_order[worst])} is {drift.max():.3g} mm off its place"
        )
        remedy = "Resample the series to even spacing first"
        code = "uneven-spacing"
    if can_be_filled:
        remedy += "; where this is allowed, what lies between the slices is interpolated"
    return Verdict(Outcome.REFUSE, code, name, cause, remedy, may_be_allowed=bool(can_be_filled))


def _even_places(heights: NDArray[np.float64], *, is_missing: bool) -> tuple[float, ...]:
    """For each slice of an even grid over `heights` its place among the slices; whole where one lies there."""
    gaps = np.diff(heights)
    wanted = float(gaps.min()) if is_missing else float(np.median(gaps))
    count = max(1, round(float(heights[-1]) / wanted))
    even = np.linspace(0.0, heights[-1], count + 1)
    places = np.interp(even, heights, np.arange(len(heights), dtype=np.float64))
    nearest = np.rint(places).astype(int)
    is_there = np.abs(heights[nearest] - even) <= _tolerance(wanted)
    return tuple(float(place) for place in np.where(is_there, nearest, places))


def spoken(one: SliceHeader) -> str:
    """How a message calls a slice: by its file, and its frame where it is one of several."""
    return one.path.name if one.frame is None else f"{one.path.name} frame {one.frame}"
