"""The contours of one region of interest as polygons on the slices of a grid, each checked before it counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from medseg.geometry import Grid
from medseg.io.dicom.elements import several, text, whole_or_none
from medseg.io.refusals import refuse

CLOSED = "CLOSED_PLANAR"
XOR = "CLOSEDPLANAR_XOR"
_LEFT_OUT = {
    "POINT": ("point-contours", "contours of single points"),
    "OPEN_PLANAR": ("open-contours", "open contours"),
    "OPEN_NONPLANAR": ("open-contours", "open contours"),
}
"""ContourGeometricType (PS3.3 C.8.8.6.1) without an inside -> code, and how a note calls it."""
FLAT_SLICES = 0.1
"""A contour may rise this much, in slices, and still lie in one."""
ON_SLICE = 0.05
NEAR_SLICE = 0.25
"""A contour this far from a slice, in slices, lies on it; up to the second figure it does with a flag."""
_EXPORT_AGAIN = "Export the structure set anew"


@dataclass(frozen=True, eq=False)
class Contour:
    """A closed contour.

    Attributes:
        points: (n, 3) voxel indices on the grid of the source image.
        is_xor: whether the file says that contours of a plane are combined by exclusive or.
        images: SOP Instance UIDs of the images it says it was drawn on.
    """

    points: NDArray[np.float64]
    is_xor: bool
    images: tuple[str, ...] = ()


@dataclass
class Roi:
    """A region of interest.

    Attributes:
        number: ROINumber.
        contours: the closed ones.
        left_out: code and name of what has no inside -> how many.
    """

    number: int
    contours: list[Contour] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)


def roi_contours(item: Dataset, number: int, grid: Grid, *, path: Path) -> Roi:
    """What an item of ROIContourSequence holds.

    Args:
        item: the item; an empty one for a region without contours.
        number: of the region.
        grid: of the source image, RAS.
        path: the file.

    Raises:
        RefusedImageError: a contour whose numbers are missing, wrong or not finite, or of an unknown kind.
    """
    roi = Roi(number)
    for contour in several(item.get("ContourSequence")):
        kind = text(contour, "ContourGeometricType").upper()
        if kind in _LEFT_OUT:
            roi.left_out[_LEFT_OUT[kind]] += 1
            continue
        if kind not in {CLOSED, XOR}:
            cause = f"expected closed, open or point contours, and ROI {number} has one of another kind"
            refuse(path, "unknown-contour-type", cause, _EXPORT_AGAIN)
        points = _points(contour, number, path=path)
        if len(np.unique(points, axis=0)) < 3:
            roi.left_out["degenerate-contours", "contours of fewer than three different points"] += 1
            continue
        places = grid.affine.apply_inverse(points * (-1.0, -1.0, 1.0))
        images = tuple(
            text(image, "ReferencedSOPInstanceUID") for image in several(contour.get("ContourImageSequence"))
        )
        roi.contours.append(Contour(places, kind == XOR, images))
    return roi


def slice_axis(rois: list[Roi], *, path: Path) -> int:
    """The axis of the source's grid across which the contours lie flat.

    Raises:
        RefusedImageError: none, since contours cut through the slices.
    """
    contours = [contour for roi in rois for contour in roi.contours]
    if not contours:
        return 2
    rises = np.array([np.ptp(contour.points, axis=0) for contour in contours])
    axis = int(np.median(rises, axis=0).argmin())
    across = float(rises[:, axis].max())
    if across > FLAT_SLICES:
        refuse(
            path,
            "contours-across-slices",
            f"expected contours in the planes of the source's slices, got one that rises over {across:.3g} slices",
            "Give the series that the contours were drawn on",
        )
    return axis


def _points(contour: Dataset, number: int, *, path: Path) -> NDArray[np.float64]:
    """(n, 3) LPS mm."""
    try:
        values = _numbers(contour)
    except (TypeError, ValueError, OverflowError):
        values = np.array([np.nan])
    if values.size % 3 or not np.isfinite(values).all():
        cause = f"expected triples of finite numbers as points of a contour, and ROI {number} has others"
        refuse(path, "bad-contour", cause, _EXPORT_AGAIN)
    stated = whole_or_none(contour, "NumberOfContourPoints")
    if stated is not None and stated != values.size // 3:
        cause = (
            f"expected {stated} points in a contour of ROI {number}, got {values.size // 3}: the file may be cut off"
        )
        refuse(path, "contour-length", cause, "Copy it again from its source")
    return values.reshape(-1, 3)


def _numbers(contour: Dataset) -> NDArray[np.float64]:
    """The numbers of ContourData, from its bytes: there may be a million, and pydicom is slow to make them."""
    if "ContourData" not in contour:
        return np.empty(0)
    element: Any = contour.get_item("ContourData")
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        parts = element.value.strip(b" \0").split(b"\\")
        return np.array([float(part) for part in parts if parts != [b""]], dtype=np.float64)
    return np.array([float(value) for value in several(element.value)], dtype=np.float64)
