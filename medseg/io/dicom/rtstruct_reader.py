"""Reading DICOM radiotherapy structure sets as label maps on the grid of the image they were drawn on.

A voxel belongs to a region where its centre is inside a contour or lies on it. Contours inside contours are holes, as
are keyholes and what CLOSEDPLANAR_XOR leaves out. Nothing is interpolated between contours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medseg.errors import InputError
from medseg.images import Image, ImageMetadata, Label, LabelMap, LabelTable
from medseg.io.budget import check_budget
from medseg.io.dicom.codes import concept_of
from medseg.io.dicom.elements import several, text, whole_or_none
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.roi_contours import Roi, roi_contours, slice_axis
from medseg.io.dicom.roi_filling import RoiFilling
from medseg.io.dicom.whole_file import check_whole
from medseg.io.foreign_errors import check_exists, translated_errors
from medseg.io.refusals import refuse
from medseg.verdicts import Outcome, Verdict, settled

STRUCTURE_SET_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_REMEDY = "Copy it again from its source."
_LARGEST_VALUE = 65535
_MOST_LISTED = 5
_DEFAULT_COLOURS = LabelTable.from_names([str(value) for value in range(11)])


@dataclass(frozen=True)
class RoiSummary:
    """A region of interest in a structure set.

    Attributes:
        number: ROINumber, by which it is chosen.
        name: ROIName.
        num_contours: how many contours it has.
    """

    number: int
    name: str
    num_contours: int


def list_rois(path: str | Path) -> tuple[RoiSummary, ...]:
    """The regions of interest of a structure set, in the order of the file.

    Raises:
        InputError: no such file.
        ImageFormatError: the file is damaged, or no structure set.
    """
    file = Path(path)
    with translated_errors(file, expected="a DICOM structure set", remedy=_REMEDY):
        dataset = _dataset(file)
        contours = _by_number(dataset, "ROIContourSequence")
        return tuple(
            RoiSummary(
                number, text(item, "ROIName"), len(several(contours.get(number, Dataset()).get("ContourSequence")))
            )
            for number, item in _rois(dataset, path=file).items()
        )


def read_rtstruct(
    path: str | Path,
    *,
    source: Image,
    rois: Collection[int] | None = None,
    priority: Sequence[int] = (),
    allow: Collection[str] = (),
) -> LabelMap:
    """The label map on the grid of `source`: ROI numbers as values, 0 where no region is.

    Regions without contours stand in the table. Where a file numbers a region 0 or above 65535, all are numbered from
    1 in its order, and a note says so.

    Args:
        path: the file.
        source: the image that the contours were drawn on.
        rois: numbers of the regions to read, all where absent.
        priority: numbers of regions that win where regions overlap, the strongest first.
        allow: codes of refusals to overrule.

    Raises:
        InputError: no such file, or an unknown region.
        ImageFormatError: the file is damaged, or no structure set.
        RefusedImageError: regions overlap and none of them has priority; or the contours belong to another frame of
            reference, lie between slices, across them or outside the image, cross each other, or make no sense.
    """
    file = Path(path)
    check_exists(file)
    if source.affine.ndim != 3:
        message = f"{file}: expected a volume as the source of a structure set, got a 2-D image. Give the series."
        raise InputError(message)
    with translated_errors(file, expected="a DICOM structure set", remedy=_REMEDY):
        dataset = _dataset(file)
        items = _chosen(_rois(dataset, path=file), rois, priority, path=file)
        value_of, verdicts = _values(items, path=file)
        table = _table(dataset, items, value_of)
        verdicts += _frame_verdicts(dataset, items, source, path=file)
        contours = _by_number(dataset, "ROIContourSequence")
        verdicts += _unmentioned(items, contours, path=file)
        found = [roi_contours(contours.get(number, Dataset()), number, source.grid, path=file) for number in items]
        array, more = _filled(found, value_of, source, priority=priority, path=file)
        judged = settled((*verdicts, *more), allow=frozenset(allow))
        metadata = _metadata(dataset, source, judged, path=file)
    return LabelMap(array, source.affine, axes=source.axes[1:], labels=table, metadata=metadata)


def _dataset(path: Path) -> Dataset:
    check_exists(path)
    dataset = guarded_dcmread(path, force=True)
    if text(dataset, "SOPClassUID") != STRUCTURE_SET_CLASS:
        refuse(
            path, "no-structure-set", "expected a DICOM structure set, got another kind of object", "Give the RTSTRUCT"
        )
    check_whole(dataset, path=path)
    return dataset


def _rois(dataset: Dataset, *, path: Path) -> dict[int, Dataset]:
    """Number -> item of StructureSetROISequence."""
    items: dict[int, Dataset] = {}
    for item in several(dataset.get("StructureSetROISequence")):
        number = whole_or_none(item, "ROINumber")
        if number is None or number in items:
            refuse(path, "bad-rois", "expected regions of interest with distinct numbers, got others", "Export it anew")
        items[number] = item
    if not items:
        refuse(path, "no-rois", "expected regions of interest, and the structure set has none", "Give another one")
    if "ROIContourSequence" not in dataset:
        # The standard demands it even where there are no contours; most often the file was cut off.
        cause = "expected the contours of the regions of interest, and the file ends without"
        refuse(path, "no-contours", cause, "Copy it again from its source")
    known = [whole_or_none(item, "ReferencedROINumber") for item in several(dataset.get("ROIContourSequence"))]
    if len(set(known)) != len(known) or set(known) - set(items):
        cause = "expected each set of contours to belong to a region of its own, got others"
        refuse(path, "bad-rois", cause, "Export it anew")
    return items


def _unmentioned(items: Mapping[int, Dataset], contours: Mapping[int | None, Dataset], *, path: Path) -> list[Verdict]:
    missing = sorted(set(items) - {number for number in contours if number is not None})
    if not missing:
        return []
    cause = (
        f"regions of which the file has no contours, read as empty: ROI {', '.join(map(str, missing[:_MOST_LISTED]))}"
    )
    return [Verdict(Outcome.FLAG, "regions-without-contours", path, cause)]


def _by_number(dataset: Dataset, sequence: str) -> dict[int | None, Dataset]:
    return {whole_or_none(item, "ReferencedROINumber"): item for item in several(dataset.get(sequence))}


def _chosen(
    items: dict[int, Dataset], rois: Collection[int] | None, priority: Sequence[int], *, path: Path
) -> dict[int, Dataset]:
    unknown = sorted({*(rois or ()), *priority} - set(items))
    if unknown or (rois is not None and not rois):
        given = ", ".join(map(str, unknown)) or "none"
        message = (
            f"{path}: expected regions among those of the file, got {given}. It holds the numbers "
            f"{', '.join(map(str, sorted(items)))}."
        )
        raise InputError(message)
    return {number: item for number, item in items.items() if rois is None or number in rois}


def _values(items: Mapping[int, Dataset], *, path: Path) -> tuple[dict[int, int], list[Verdict]]:
    """ROI number -> value in the label map."""
    if all(1 <= number <= _LARGEST_VALUE for number in items):
        return {number: number for number in items}, []
    value_of = {number: value for value, number in enumerate(items, start=1)}
    pairs = ", ".join(f"{number} is {value}" for number, value in list(value_of.items())[:_MOST_LISTED])
    cause = f"the file numbers a region 0 or above {_LARGEST_VALUE}; regions are numbered anew ({pairs})"
    return value_of, [Verdict(Outcome.FLAG, "renumbered-rois", path, cause)]


def _table(dataset: Dataset, items: Mapping[int, Dataset], value_of: Mapping[int, int]) -> LabelTable:
    contours = _by_number(dataset, "ROIContourSequence")
    observations = _by_number(dataset, "RTROIObservationsSequence")
    names = {"background"}
    labels = [Label(0, "background", "#000000")]
    for number, item in items.items():
        value = value_of[number]
        name = text(item, "ROIName") or f"ROI {number}"
        name = f"{name} ({number})" if name in names else name
        names.add(name)
        codes = several(observations.get(number, Dataset()).get("RTROIIdentificationCodeSequence"))
        colour = _colour(contours.get(number, Dataset())) or _DEFAULT_COLOURS.labels[(value - 1) % 10 + 1].colour
        labels.append(Label(value, name, colour, concept_of(codes[0]) if codes else None))
    return LabelTable(tuple(labels))


def _colour(item: Dataset) -> str | None:
    try:
        channels = [int(value) for value in several(item.get("ROIDisplayColor"))]
    except (TypeError, ValueError, ArithmeticError):
        return None
    is_colour = len(channels) == 3 and all(0 <= channel <= 255 for channel in channels)
    return "#" + "".join(f"{channel:02x}" for channel in channels) if is_colour else None


def _frame_verdicts(dataset: Dataset, items: Mapping[int, Dataset], source: Image, *, path: Path) -> list[Verdict]:
    """Whether contours and image share a frame of reference, without which positions cannot be compared."""
    ours = str(source.metadata.extra.get("frame_of_reference_uid") or "")
    theirs = {text(item, "ReferencedFrameOfReferenceUID") for item in items.values()}
    stated = {text(item, "FrameOfReferenceUID") for item in several(dataset.get("ReferencedFrameOfReferenceSequence"))}
    theirs = {uid for uid in theirs if uid} or {uid for uid in stated if uid}
    series, named = str(source.metadata.extra.get("series_uid") or ""), _series_of(dataset)
    if not ours or not theirs:
        which = "source image" if not ours else "structure set"
        cause = f"the {which} names no frame of reference: that both share one is taken on trust"
        return [Verdict(Outcome.FLAG, "no-frame-of-reference", path, cause)]
    if theirs != {ours}:
        cause = "expected the frame of reference of the source image, got another: their positions cannot be compared"
        remedy = "Give the image that the contours were drawn on"
        # Where the file names the very series, the frame's name is more likely wrong than the positions.
        is_named = series in named
        return [Verdict(Outcome.REFUSE, "other-frame-of-reference", path, cause, remedy, may_be_allowed=is_named)]
    if series and named and series not in named:
        cause = "the structure set names another series, in the same frame of reference, as the one it was drawn on"
        return [Verdict(Outcome.FLAG, "other-series", path, cause)]
    return []


def _series_of(dataset: Dataset) -> set[str]:
    """Series Instance UIDs that the structure set names."""
    return {
        text(series, "SeriesInstanceUID")
        for frame in several(dataset.get("ReferencedFrameOfReferenceSequence"))
        for study in several(frame.get("RTReferencedStudySequence"))
        for series in several(study.get("RTReferencedSeriesSequence"))
    } - {""}


def _filled(
    rois: list[Roi],
    value_of: Mapping[int, int],
    source: Image,
    *,
    priority: Sequence[int],
    path: Path,
) -> tuple[NDArray[np.integer], tuple[Verdict, ...]]:
    """The label map in the source's order of axes, and what was found on the way."""
    dtype = np.dtype(np.uint8 if max(value_of.values()) < 256 else np.uint16)
    voxels = int(np.prod(source.spatial_shape, dtype=object))
    check_budget(path, expected_bytes=voxels * dtype.itemsize, copies=2)
    axis = slice_axis(rois, path=path)
    volume = np.zeros(source.spatial_shape, dtype=dtype)
    filling = RoiFilling(
        np.moveaxis(volume, axis, -1),
        axis=axis,
        instance_uids=source.metadata.instance_uids if axis == len(source.axes) - 2 else (),
        path=path,
    )
    rank = {number: place for place, number in enumerate(priority)}
    for roi in sorted(rois, key=lambda roi: rank.get(roi.number, len(rank))):
        filling.add(roi, value=value_of[roi.number], wins=roi.number in rank)
    return volume, filling.verdicts()


def _metadata(dataset: Dataset, source: Image, verdicts: tuple[Verdict, ...], *, path: Path) -> ImageMetadata:
    extra = {
        "sop_instance_uid": text(dataset, "SOPInstanceUID"),
        "series_uid": text(dataset, "SeriesInstanceUID"),
        "study_uid": text(dataset, "StudyInstanceUID"),
        "frame_of_reference_uid": str(source.metadata.extra.get("frame_of_reference_uid") or ""),
    }
    return ImageMetadata(
        source=str(path),
        format="dicom-rtstruct",
        modality="RTSTRUCT",
        spacing_is_known=source.metadata.spacing_is_known,
        instance_uids=source.metadata.instance_uids,
        extra=extra,
        notes=tuple(verdict.note for verdict in verdicts),
        verdicts=verdicts,
    )
