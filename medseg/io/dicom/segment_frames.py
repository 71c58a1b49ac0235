"""Where the frames of a segmentation lie: one grid, found from their positions in any order, with gaps or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.geometry import Affine, Grid, WorldFrame
from medseg.io.dicom.elements import optional_number, required_numbers, several, whole_or_none
from medseg.io.refusals import refuse
from medseg.verdicts import Outcome, Verdict

_SAME_PLANE_MM = 0.01
_SAME_DIRECTION = 1e-4
_EVEN_MM = 0.02
_EVEN_FRACTION = 0.02
"""Planes may lie this far from an even grid."""
_STEEPEST = float(np.sqrt(2))
"""Way from plane to plane over its part along the normal: 45 degrees, and gantries lean up to 30."""
_EVEN_SERIES = "Segment a series of even spacing, or resample the segmentation"
_EXPORT_AGAIN = "Export the segmentation anew"


@dataclass(frozen=True)
class FramePlaces:
    """The grid of a segmentation and each frame's place on it.

    Attributes:
        grid: (column, row, plane), RAS; just large enough for the frames.
        planes: plane of each frame, in the file's order.
        segments: segment number of each frame; None where a frame holds all segments.
        verdicts: what is doubtful about the grid.
    """

    grid: Grid
    planes: tuple[int, ...]
    segments: tuple[int | None, ...]
    verdicts: tuple[Verdict, ...]


def frame_places(dataset: Dataset, *, path: Path, step_lps_mm: NDArray[np.float64] | None = None) -> FramePlaces:
    """Where the frames of a segmentation lie.

    Args:
        dataset: the segmentation.
        path: its file, for messages.
        step_lps_mm: (3,) from plane to plane where it is known from elsewhere; leaning where the series is tilted.

    Raises:
        RefusedImageError: slide coordinates, no positions, several orientations, or planes off an even grid.
    """
    _check_kind(dataset, path=path)
    groups = [_groups(dataset, frame) for frame in dataset.PerFrameFunctionalGroupsSequence]
    positions = np.array([required_numbers(one, "ImagePositionPatient", count=3, path=path) for one in groups])
    cosines = _shared(groups, "ImageOrientationPatient", count=6, path=path).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    if np.abs(lengths - 1).max() > 1e-3 or abs(float(cosines[0] @ cosines[1])) > 1e-3:
        refuse(path, "bad-orientation", "expected directions of length 1 at right angles", _EXPORT_AGAIN)
    cosines /= lengths[:, np.newaxis]
    spacing = _shared(groups, "PixelSpacing", count=2, path=path)
    if spacing.min() <= 0:
        refuse(path, "bad-pixel-spacing", "expected a positive PixelSpacing", _EXPORT_AGAIN)
    normal = np.cross(cosines[0], cosines[1])
    stated = abs(optional_number(groups[0], "SpacingBetweenSlices", path=path) or 0.0)
    thickness = optional_number(groups[0], "SliceThickness", path=path) or 0.0
    planes, step, origin, verdicts = _planes(
        positions,
        normal,
        stated_mm=stated if step_lps_mm is None else abs(float(step_lps_mm @ normal)),
        thickness_mm=thickness,
        path=path,
    )
    if step_lps_mm is not None and not planes.any():  # one plane alone does not show a tilt
        step = step_lps_mm * np.sign(step_lps_mm @ normal)
    matrix = np.eye(4)
    matrix[:3, 0] = cosines[0] * spacing[1]
    matrix[:3, 1] = cosines[1] * spacing[0]
    matrix[:3, 2] = step
    matrix[:3, 3] = origin
    affine = Affine(matrix, frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)
    grid = Grid((int(dataset.Columns), int(dataset.Rows), int(planes.max()) + 1), affine)
    numbers = tuple(whole_or_none(one, "ReferencedSegmentNumber") for one in groups)
    return FramePlaces(grid, tuple(int(plane) for plane in planes), numbers, verdicts)


def _check_kind(dataset: Dataset, *, path: Path) -> None:
    if "TotalPixelMatrixRows" in dataset or "ImageOrientationSlide" in dataset:
        refuse(
            path,
            "slide-coordinates",
            "expected a segmentation in patient coordinates, got one of a microscope slide in tiles",
            "Read it with highdicom or wsidicom",
        )
    frames = several(dataset.get("PerFrameFunctionalGroupsSequence"))
    stated = whole_or_none(dataset, "NumberOfFrames")
    if not frames:
        refuse(path, "no-position", "expected positions of the frames, and the file has none", _EXPORT_AGAIN)
    if stated is not None and stated != len(frames):
        refuse(
            path, "frame-count", f"expected {stated} frames, got descriptions of {len(frames)}", "Copy the file again"
        )


_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "SegmentIdentificationSequence": ("ReferencedSegmentNumber",),
}


def _groups(dataset: Dataset, frame: Dataset) -> dict[str, Any]:
    """What the functional groups say of a frame, its own before the shared ones."""
    shared = several(dataset.get("SharedFunctionalGroupsSequence"))
    elements: dict[str, Any] = {}
    for sequence, keywords in _ELEMENTS.items():
        items = several(frame.get(sequence)) or (several(shared[0].get(sequence)) if shared else [])
        for keyword in keywords if items else ():
            elements[keyword] = items[0].get(keyword)
    return elements


def _shared(groups: Sequence[dict[str, Any]], keyword: str, *, count: int, path: Path) -> NDArray[np.float64]:
    values = np.array([required_numbers(one, keyword, count=count, path=path) for one in groups])
    if np.abs(values - values[0]).max() > _SAME_DIRECTION:
        refuse(path, "several-grids", f"expected one {keyword} for all frames, got several", "Write one file a grid")
    return np.asarray(values[0])


def _planes(
    positions: NDArray[np.float64],
    normal: NDArray[np.float64],
    *,
    stated_mm: float,
    thickness_mm: float,
    path: Path,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], tuple[Verdict, ...]]:
    """Plane of each frame, (3,) mm from plane to plane, (3,) position of plane 0 in LPS, and the doubts."""
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    travels = np.diff(positions[order], axis=0)
    travels = travels[travels @ normal > _SAME_PLANE_MM]
    origin = positions[order[0]]
    gap, verdicts = _gap(travels, normal, stated_mm=stated_mm, thickness_mm=thickness_mm, path=path)
    planes = np.rint((along - along[order[0]]) / gap).astype(np.int64)
    last = positions[order[-1]]
    step = (last - origin) / planes.max() if planes.max() else normal * gap
    away = np.linalg.norm(positions - (origin + planes[:, np.newaxis] * step), axis=1).max()
    leans = float(np.linalg.norm(step)) > _STEEPEST * float(step @ normal)
    if leans or away > max(_EVEN_MM, _EVEN_FRACTION * gap):
        refuse(
            path,
            "uneven-slices",
            "expected frames on an even grid, got frames shifted sideways by more than any gantry leans"
            if leans
            else f"expected frames on an even grid, got one {away:.3g} mm from its place",
            _EVEN_SERIES,
        )
    return planes, np.asarray(step), origin, verdicts


def _gap(
    travels: NDArray[np.float64], normal: NDArray[np.float64], *, stated_mm: float, thickness_mm: float, path: Path
) -> tuple[float, tuple[Verdict, ...]]:
    """Distance of planes along the normal: the stated one where the positions bear it out, else the smallest found."""
    gaps, lengths = travels @ normal, np.linalg.norm(travels, axis=1)
    if stated_mm and _are_multiples(gaps, stated_mm):
        return stated_mm, ()
    if stated_mm and _are_multiples(lengths, stated_mm):  # of a tilted gantry, some state the way of the table
        return stated_mm * float(gaps.sum() / lengths.sum()), ()
    if not gaps.size:
        if not thickness_mm:
            refuse(
                path,
                "no-slice-thickness",
                "expected a single plane to say how thick it is, and it does not",
                "Read it with medseg.io.dicom.read_segmentation and give the segmented image as `source`",
            )
        return thickness_mm, ()
    smallest = float(np.median(gaps[gaps < gaps.min() * 1.5]))
    is_contradicted = bool(stated_mm) and gaps.size == 1
    if is_contradicted or not _are_multiples(gaps, smallest):
        said = f"; {stated_mm:.4g} mm are stated" if stated_mm else ""
        refuse(
            path,
            "uneven-slices",
            f"expected frames on an even grid, got distances from {gaps.min():.4g} to {gaps.max():.4g} mm{said}",
            _EVEN_SERIES,
        )
    cause = (
        f"the file does not state the distance of its slices; {smallest:.4g} mm is the smallest between its frames"
        if not stated_mm
        else f"the stated distance of slices, {stated_mm:.4g} mm, is not that of the frames: {smallest:.4g} mm is used"
    )
    return smallest, (Verdict(Outcome.FLAG, "slice-distance", path, cause),)


def _are_multiples(gaps: NDArray[np.float64], unit: float) -> bool:
    tolerance = max(_EVEN_MM, _EVEN_FRACTION * unit)
    return bool((np.abs(gaps - np.rint(gaps / unit) * unit) <= tolerance).all() and (gaps >= unit - tolerance).all())
