"""Voxels from contours, slice by slice, with a verdict for all that a person should know or decide."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.geometry.contours import filled
from medseg.io.dicom.roi_contours import NEAR_SLICE, ON_SLICE, Contour, Roi
from medseg.verdicts import Outcome, Verdict

_SAME_POINT_DECIMALS = 3
_BEYOND_VOXELS = 1.0
"""A contour may leave the image by this much unmentioned: half a voxel is the image's edge."""
_MOST_LISTED = 5


@dataclass(frozen=True)
class _Finding:
    outcome: Outcome
    cause: str
    remedy: str = ""
    may_be_allowed: bool = False


_FINDINGS: Mapping[str, _Finding] = {
    "contours-between-slices": _Finding(
        Outcome.REFUSE,
        "expected contours on the slices of the source image, got {count} between them (ROI {rois})",
        "Give the series that the contours were drawn on, not one of another slice distance",
    ),
    "contours-outside": _Finding(
        Outcome.REFUSE,
        "expected contours inside the source image, got {count} before its first or after its last slice (ROI {rois})",
        "Give the whole series that the contours were drawn on",
        may_be_allowed=True,
    ),
    "contours-crossing": _Finding(
        Outcome.REFUSE,
        "contours of one region cross or repeat each other, {count} pairs (ROI {rois}): what is inside is not defined",
        "Correct the contours; allowed, the region is all that any of them holds",
        may_be_allowed=True,
    ),
    "contours-near-slices": _Finding(
        Outcome.FLAG, "{count} contours lie beside their slice by up to a quarter of the distance (ROI {rois})"
    ),
    "contours-beyond-image": _Finding(
        Outcome.FLAG, "{count} contours leave the image and are cut off at its edge (ROI {rois})"
    ),
    "nested-contours": _Finding(
        Outcome.FLAG, "contours inside others are read as holes, in {count} slices (ROI {rois})"
    ),
    "repeated-contours": _Finding(Outcome.FLAG, "{count} contours stand twice and count once (ROI {rois})"),
    "slices-without-contours": _Finding(
        Outcome.FLAG,
        "{count} slices between others of their region have no contour and stay empty: nothing is interpolated "
        "(ROI {rois})",
    ),
    "other-image-named": _Finding(
        Outcome.FLAG,
        "{count} contours name another image of the series than the one they lie on; their coordinates count "
        "(ROI {rois})",
    ),
    "unknown-image-named": _Finding(
        Outcome.FLAG,
        "{count} contours name images that are not in the source image; their coordinates count (ROI {rois})",
    ),
    "point-contours": _Finding(Outcome.FLAG, "contours of single points, left out: {count} (ROI {rois})"),
    "open-contours": _Finding(Outcome.FLAG, "open contours, left out: {count} (ROI {rois})"),
    "degenerate-contours": _Finding(
        Outcome.FLAG, "contours of fewer than three different points, left out: {count} (ROI {rois})"
    ),
}
"""Code -> what follows, the refusals first."""


@dataclass
class RoiFilling:
    """Fills regions into a volume, one after the other.

    Attributes:
        volume: (*plane, slices) the label map, a view that is filled.
        axis: which axis of the source grid the slices are counted along.
        instance_uids: of each slice; empty where not known.
        path: the structure set, for messages.
    """

    volume: NDArray[np.integer]
    axis: int
    instance_uids: Sequence[str]
    path: Path
    _counts: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    _overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)
    _decided: int = 0
    _number_of: dict[int, int] = field(default_factory=dict)
    _winners: set[int] = field(default_factory=set)

    def add(self, roi: Roi, *, value: int, wins: bool) -> None:
        """Fill in a region where no other is yet.

        Args:
            roi: the region.
            value: its number in the label map.
            wins: whether it has priority over regions that come later.
        """
        self._number_of[value] = roi.number
        for (code, _), count in roi.left_out.items():
            self._counts[code][roi.number] += count
        by_slice = self._by_slice(roi)
        for k, contours in by_slice.items():
            plane = self.volume[..., k]
            inside = self._inside(roi.number, contours, (plane.shape[0], plane.shape[1]))
            self._note_overlaps(plane[inside], value)
            plane[inside & (plane == 0)] = value
        if by_slice:
            gaps = max(by_slice) - min(by_slice) + 1 - len(by_slice)
            self._count("slices-without-contours", roi.number, gaps)
        if wins:
            self._winners.add(value)

    def verdicts(self) -> tuple[Verdict, ...]:
        """What was found in the regions so far."""
        found: list[Verdict] = []
        if self._overlaps:
            pairs = _listed([f"{low} and {high}" for low, high in sorted(self._overlaps)])
            cause = f"a label map holds one region a voxel, and regions overlap (ROI {pairs})"
            remedy = (
                "Choose regions that do not, or say which win: "
                "medseg.io.dicom.read_rtstruct(path, source=image, rois=[...], priority=[...])"
            )
            found.append(Verdict(Outcome.REFUSE, "overlapping-rois", self.path, cause, remedy))
        for code, finding in _FINDINGS.items():
            counts = self._counts.get(code)
            if counts:
                rois = _listed([str(number) for number in sorted(counts)])
                cause = finding.cause.format(count=counts.total(), rois=rois)
                found.append(Verdict(finding.outcome, code, self.path, cause, finding.remedy, finding.may_be_allowed))
        if self._decided:
            cause = f"voxels in several regions, given to the one with priority: {self._decided}"
            found.append(Verdict(Outcome.FLAG, "overlaps-decided", self.path, cause))
        return tuple(found)

    def _count(self, code: str, number: int, count: int = 1) -> None:
        if count:
            self._counts[code][number] += count

    def _by_slice(self, roi: Roi) -> dict[int, list[Contour]]:
        """The contours that lie on slices of the volume, by slice."""
        found: dict[int, list[Contour]] = {}
        for contour in roi.contours:
            height = float(contour.points[:, self.axis].mean())
            k = round(height)
            if not -0.5 <= height <= self.volume.shape[-1] - 0.5 or not 0 <= k < self.volume.shape[-1]:
                self._count("contours-outside", roi.number)
                continue
            away = abs(height - k)
            self._count("contours-between-slices", roi.number, int(away > NEAR_SLICE))
            self._count("contours-near-slices", roi.number, int(ON_SLICE < away <= NEAR_SLICE))
            self._note_images(contour, k, roi.number)
            found.setdefault(k, []).append(contour)
        return found

    def _note_images(self, contour: Contour, k: int, number: int) -> None:
        if not contour.images or not self.instance_uids:
            return
        named = set(contour.images) & set(self.instance_uids)
        self._count("unknown-image-named", number, int(not named))
        self._count("other-image-named", number, int(bool(named) and self.instance_uids[k] not in named))

    def _inside(self, number: int, contours: list[Contour], shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The voxels of a slice that the contours of a region hold."""
        different = {np.round(one.points, _SAME_POINT_DECIMALS).tobytes(): one for one in contours}
        self._count("repeated-contours", number, len(contours) - len(different))
        polygons = [np.delete(one.points, self.axis, axis=1) for one in different.values()]
        for polygon in polygons:
            is_beyond = (polygon < -_BEYOND_VOXELS).any() or (polygon > np.array(shape) - 1 + _BEYOND_VOXELS).any()
            self._count("contours-beyond-image", number, int(is_beyond))
        together = filled(polygons, shape)
        if len(polygons) == 1 or any(one.is_xor for one in contours):
            return together
        either = np.zeros(shape, dtype=np.bool_)
        for polygon in polygons:
            either |= filled([polygon], shape)
        if (either == together).all():
            return together
        crossing = _crossing_pairs(polygons, shape)
        self._count("contours-crossing", number, crossing)
        self._count("nested-contours", number, int(not crossing))
        return either if crossing else together

    def _note_overlaps(self, held: NDArray[np.integer], value: int) -> None:
        for other, count in zip(*np.unique(held[held > 0], return_counts=True), strict=True):
            if int(other) in self._winners:
                self._decided += int(count)
            else:
                pair = sorted((self._number_of[int(other)], self._number_of[value]))
                self._overlaps[pair[0], pair[1]] += int(count)


def _crossing_pairs(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> int:
    """Pairs of polygons that share voxels while none lies within the other."""
    boxes = [(polygon.min(axis=0), polygon.max(axis=0)) for polygon in polygons]
    crossing = 0
    for second in range(len(polygons)):
        for first in range(second):
            if (boxes[first][0] > boxes[second][1]).any() or (boxes[second][0] > boxes[first][1]).any():
                continue
            one, other = (filled([polygons[which]], shape, with_edges=False) for which in (first, second))
            shared = int(np.count_nonzero(one & other))
            sizes = np.count_nonzero(one), np.count_nonzero(other)
            crossing += int(shared > 0 and (shared < min(sizes) or sizes[0] == sizes[1]))
    return crossing


def _listed(items: list[str]) -> str:
    return ", ".join(items[:_MOST_LISTED]) + (", ..." if len(items) > _MOST_LISTED else "")
