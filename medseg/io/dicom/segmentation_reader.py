"""Reading DICOM segmentations as label maps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from medseg.errors import ImageFormatError, InputError
from medseg.geometry import WorldFrame
from medseg.images import Image, ImageMetadata, Label, LabelMap, LabelTable
from medseg.io.budget import check_budget
from medseg.io.dicom.codes import BACKGROUND, concept_of, table_colour
from medseg.io.dicom.elements import required_count, several, text, whole_or_none
from medseg.io.dicom.guarded import guarded_dcmread
from medseg.io.dicom.placement import placed_on
from medseg.io.dicom.segment_bits import frames_of
from medseg.io.dicom.segment_frames import FramePlaces, frame_places
from medseg.io.foreign_errors import translated_errors
from medseg.io.refusals import refuse

SEGMENTATION_CLASSES: Mapping[str, str] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "label map segmentation",
}
DEFAULT_THRESHOLD = 0.5
_REMEDY = "Copy it again from its source."
_MOST_LISTED = 5
_DEFAULT_COLOURS = LabelTable.from_names([str(value) for value in range(11)])


def is_segmentation(path: Path) -> bool:
    """Whether the file is a DICOM segmentation; False for what cannot be read."""
    try:
        with translated_errors(path, expected="a DICOM file", remedy=_REMEDY):
            header = guarded_dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return str(header.get("SOPClassUID", "")) in SEGMENTATION_CLASSES
    except (InputError, ImageFormatError):
        return False


def read_segmentation(
    path: str | Path,
    *,
    source: Image | None = None,
    segments: Collection[int] | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> LabelMap:
    """The label map in a DICOM segmentation: segment numbers as values, 0 where no segment is.

    Segments that are described but empty stand in the table. Frames may come in any order and be left out where
    nothing was found; the grid then ends with the frames, unless `source` says how large it is.

    Args:
        path: the file.
        source: the segmented image; the result then has its grid and axes.
        segments: numbers of the segments to read, all where absent; needed where segments overlap.
        threshold: fraction from which a voxel of a FRACTIONAL segmentation counts; the largest fraction wins.

    Raises:
        InputError: no such file, an unknown segment number, or a threshold outside (0, 1].
        ImageFormatError: the file is damaged, or no segmentation.
        RefusedImageError: segments overlap, or the frames lie on no one grid in patient coordinates (a slide), or
            not on `source`'s voxels.
    """
    file = Path(path)
    if not 0 < threshold <= 1:
        message = f"{file}: expected a threshold above 0 and up to 1, got {threshold:g}."
        raise InputError(message)
    with translated_errors(file, expected="a DICOM segmentation", remedy=_REMEDY):
        dataset = guarded_dcmread(file)
        _check_class(dataset, path=file)
        table = _table(dataset, segments, path=file)
        places = frame_places(dataset, path=file, step_lps_mm=_step_of(source, dataset))
        array, notes = _labels(dataset, places, table, threshold=threshold, path=file)
        metadata = _metadata(dataset, places, notes, path=file)
    label_map = LabelMap(array, places.grid.affine, axes="XYZ", labels=table, metadata=metadata)
    return label_map if source is None else _on_source(label_map, source, path=file)


def _check_class(dataset: Dataset, *, path: Path) -> None:
    if text(dataset, "SOPClassUID") not in SEGMENTATION_CLASSES:
        refuse(
            path,
            "no-segmentation",
            "expected a DICOM segmentation, got another kind of object",
            "Give the SEG file",
        )


def _table(dataset: Dataset, segments: Collection[int] | None, *, path: Path) -> LabelTable:
    labels: dict[int, Label] = {}
    names = {"background"}
    for item in several(dataset.get("SegmentSequence")):
        number = whole_or_none(item, "SegmentNumber")
        if number is None or number < 0 or number in labels:
            refuse(path, "bad-segments", "expected segments with distinct numbers, got others", "Export it anew")
        if number == 0:
            _check_background(item, path=path)
            continue
        if segments is not None and number not in segments:
            continue
        name = text(item, "SegmentLabel") or f"segment {number}"
        name = f"{name} ({number})" if name in names else name
        names.add(name)
        types = several(item.get("SegmentedPropertyTypeCodeSequence"))
        fallback = _DEFAULT_COLOURS.labels[(number - 1) % 10 + 1].colour
        colour = table_colour(item.get("RecommendedDisplayCIELabValue")) or fallback
        labels[number] = Label(number, name, colour, concept_of(types[0]) if types else None)
    unknown = sorted(set(segments or ()) - set(labels))
    if unknown or not labels:
        message = (
            f"{path}: expected segments among those of the file, got {', '.join(map(str, unknown)) or 'none'}. "
            f"It holds the numbers {_listed(sorted(labels))}."
        )
        raise InputError(message)
    return LabelTable((Label(0, "background", "#000000"), *labels.values()))


def _check_background(item: Dataset, *, path: Path) -> None:
    types = several(item.get("SegmentedPropertyTypeCodeSequence"))
    concept = concept_of(types[0]) if types else None
    if concept is not None and concept.value != BACKGROUND.value:
        refuse(
            path,
            "segment-zero",
            "expected 0 to stand for the background, and the file uses it for a segment",
            "Number the segments from 1",
        )


def _step_of(source: Image | None, dataset: Dataset) -> NDArray[np.float64] | None:
    """(3,) LPS mm from slice to slice of the source: the step of the axis that leads farthest along the normal."""
    if source is None or source.affine.ndim != 3:
        return None
    shared = several(dataset.get("SharedFunctionalGroupsSequence"))
    orientations = several(shared[0].get("PlaneOrientationSequence")) if shared else []
    if not orientations:
        return None
    cosines = np.array(orientations[0].ImageOrientationPatient, dtype=np.float64)
    steps = source.affine.to_frame(WorldFrame.LPS).linear
    along = np.abs(np.cross(cosines[:3], cosines[3:]) @ steps)
    return np.asarray(steps[:, along.argmax()])


def _labels(
    dataset: FileDataset, places: FramePlaces, table: LabelTable, *, threshold: float, path: Path
) -> tuple[NDArray[np.integer], tuple[str, ...]]:
    """(columns, rows, planes) segment numbers, and what to note."""
    kind = text(dataset, "SegmentationType")
    is_label_map = text(dataset, "SOPClassUID").endswith(".7") or kind == "LABELMAP"
    dtype = np.dtype(np.uint8 if max(table.values) < 256 else np.uint16)
    columns, rows, planes = places.grid.spatial_shape
    check_budget(path, expected_bytes=columns * rows * planes * dtype.itemsize, copies=4 if kind == "FRACTIONAL" else 2)
    volume = np.zeros((planes, rows, columns), dtype=dtype)
    if is_label_map:
        notes = _fill_numbers(volume, dataset, places, table, path=path)
    elif kind == "FRACTIONAL":
        notes = _fill_fractions(volume, dataset, places, table, threshold=threshold, path=path)
    else:
        notes = _fill_bits(volume, dataset, places, table, path=path)
    return volume.T, notes


def _frames(dataset: FileDataset, places: FramePlaces, *, path: Path) -> Iterator[tuple[int, int | None, NDArray[Any]]]:
    """Plane, segment number and pixels of each frame."""
    rows, columns = required_count(dataset, "Rows", path=path), required_count(dataset, "Columns", path=path)
    frames = frames_of(dataset, path=path)
    for plane, segment in zip(places.planes, places.segments, strict=True):
        pixels = next(frames)
        if pixels.shape != (rows, columns):
            refuse(path, "bad-pixel-layout", f"expected frames of {columns} x {rows} pixels, got others", "Copy it")
        yield plane, segment, pixels


def _fill_bits(
    volume: NDArray[np.integer], dataset: FileDataset, places: FramePlaces, table: LabelTable, *, path: Path
) -> tuple[str, ...]:
    overlaps: set[tuple[int, int]] = set()
    for plane, segment, pixels in _frames(dataset, places, path=path):
        if not _is_wanted(segment, dataset, table, path=path):
            continue
        inside = pixels > 0
        others = volume[plane][inside]
        overlaps.update((int(other), int(segment or 0)) for other in np.unique(others) if other not in {0, segment})
        volume[plane][inside] = segment
    if overlaps:
        _refuse_overlap(overlaps, path=path)
    return ()


def _fill_numbers(
    volume: NDArray[np.integer], dataset: FileDataset, places: FramePlaces, table: LabelTable, *, path: Path
) -> tuple[str, ...]:
    described = {whole_or_none(item, "SegmentNumber") for item in several(dataset.get("SegmentSequence"))}
    padding = whole_or_none(dataset, "PixelPaddingValue")
    is_padded, seen = False, set()
    for plane, _, pixels in _frames(dataset, places, path=path):
        if plane in seen:
            refuse(path, "several-frames", "expected one frame at each position, got several", "Export it anew")
        seen.add(plane)
        found = {int(value) for value in np.unique(pixels)}
        strangers = found - {0, padding} - described
        if strangers:
            cause = f"values that no segment describes: {_listed(sorted(strangers))}"
            refuse(path, "undescribed-segment", cause, "Export it anew")
        is_padded = is_padded or (padding in found and padding not in described)
        kept = found & set(table.values)
        volume[plane] = np.where(np.isin(pixels, sorted(kept)), pixels, 0)
    return (f"voxels of the padding value {padding} are read as background",) if is_padded else ()


def _fill_fractions(
    volume: NDArray[np.integer],
    dataset: FileDataset,
    places: FramePlaces,
    table: LabelTable,
    *,
    threshold: float,
    path: Path,
) -> tuple[str, ...]:
    highest = required_count(dataset, "MaximumFractionalValue", path=path)
    best = np.zeros(volume.shape, dtype=np.uint8)
    overlaps: set[tuple[int, int]] = set()
    for plane, segment, pixels in _frames(dataset, places, path=path):
        if not _is_wanted(segment, dataset, table, path=path):
            continue
        inside = pixels >= threshold * highest
        held = volume[plane]
        # Probabilities of classes that exclude each other add up to 1; rounding may add a step for each of the two.
        both = inside & (held > 0) & (held != segment) & (best[plane].astype(np.int64) + pixels > highest + 2)
        overlaps.update((int(other), int(segment or 0)) for other in np.unique(held[both]))
        wins = inside & (pixels > best[plane])
        held[wins] = segment
        best[plane][wins] = pixels[wins]
    if overlaps:
        _refuse_overlap(overlaps, path=path)
    what = "occupancy" if text(dataset, "SegmentationFractionalType") == "OCCUPANCY" else "probability"
    return (f"a fractional segmentation: voxels with a {what} of at least {threshold:g} are counted",)


def _is_wanted(segment: int | None, dataset: Dataset, table: LabelTable, *, path: Path) -> bool:
    if segment in table.values and segment:
        return True
    described = {whole_or_none(item, "SegmentNumber") for item in several(dataset.get("SegmentSequence"))}
    if segment is None or segment not in described:
        refuse(path, "undescribed-segment", "a frame belongs to no segment that the file describes", "Export it anew")
    return False


def _refuse_overlap(overlaps: set[tuple[int, int]], *, path: Path) -> None:
    pairs = [f"{low} and {high}" for low, high in sorted(overlaps)]
    refuse(
        path,
        "overlapping-segments",
        f"a label map holds one segment a voxel, and segments overlap ({_listed(pairs)})",
        "Choose segments that do not: medseg.io.dicom.read_segmentation(path, segments=[...])",
    )


def _metadata(dataset: Dataset, places: FramePlaces, notes: tuple[str, ...], *, path: Path) -> ImageMetadata:
    extra = {
        "sop_instance_uid": text(dataset, "SOPInstanceUID"),
        "series_uid": text(dataset, "SeriesInstanceUID"),
        "study_uid": text(dataset, "StudyInstanceUID"),
        "frame_of_reference_uid": text(dataset, "FrameOfReferenceUID"),
        "segmentation_type": text(dataset, "SegmentationType"),
    }
    return ImageMetadata(
        source=str(path),
        format="dicom-seg",
        modality="SEG",
        extra=extra,
        notes=(*(verdict.note for verdict in places.verdicts), *notes),
        verdicts=places.verdicts,
    )


def _on_source(label_map: LabelMap, source: Image, *, path: Path) -> LabelMap:
    ours = label_map.metadata.extra.get("frame_of_reference_uid")
    theirs = source.metadata.extra.get("frame_of_reference_uid")
    if ours and theirs and ours != theirs:
        refuse(
            path,
            "other-frame-of-reference",
            "expected the frame of reference of the source image, got another: their positions cannot be compared",
            "Give the image that was segmented",
        )
    array = placed_on(label_map.array, label_map.grid, source.grid, path=path)
    metadata = replace(label_map.metadata, instance_uids=source.metadata.instance_uids)
    return label_map.replace(array=array, affine=source.affine, axes=source.axes[1:], metadata=metadata)


def _listed(items: list[Any]) -> str:
    return ", ".join(str(item) for item in items[:_MOST_LISTED]) + (", ..." if len(items) > _MOST_LISTED else "")
