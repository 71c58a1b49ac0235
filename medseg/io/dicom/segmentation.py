"""Writing label maps as DICOM segmentations (PS3.3 A.51) through highdicom."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from medseg.errors import InputError, LabelError
from medseg.files import atomic_path
from medseg.images import Image, Label, LabelKind, LabelMap
from medseg.io.dicom.algorithm import AlgorithmIdentity
from medseg.io.dicom.codes import codes_of, dicom_colour
from medseg.io.dicom.placement import placed_on
from medseg.io.dicom.references import SourceSlices, complete_references, source_slices
from medseg.io.dicom.segment_origin import SegmentOrigin
from medseg.io.foreign_errors import translated_errors

SegmentationKind = Literal["binary", "fractional", "labelmap"]
RESEARCH_USE = "Research use only"
_TYPES: Mapping[str, str] = {"binary": "BINARY", "fractional": "FRACTIONAL", "labelmap": "LABELMAP"}
_NOT_STATED = "not stated"
_LONGEST_TEXT = 64
"""Characters in a DICOM long string (LO)."""
_LONGEST_DESCRIPTION = 1024
"""Characters in a DICOM short text (ST)."""
_NO_CONCEPT = "The label had no coded concept: category and type are defaults"
_MOST_SEGMENTS = 65535
_LARGEST_FRACTION = 255


def write_segmentation(  # noqa: PLR0913 - what a file of the standard says, each said once
    label_map: LabelMap,
    path: str | Path,
    *,
    source: Image,
    algorithm: AlgorithmIdentity | None = None,
    origins: Mapping[int, SegmentOrigin] | None = None,
    creator: str = "",
    kind: SegmentationKind = "binary",
    probabilities: Image | None = None,
    keep_empty_frames: bool = False,
) -> str:
    """The SOP Instance UID of the segmentation written to `path`.

    Each foreground label is a segment, found or not, numbered from 1 by ascending value; a label map segmentation keeps
    the values themselves. Of instances each object is a segment. A label without a coded concept gets a code by its
    name, else "Tissue" (`medseg.io.dicom.codes`), and its SegmentDescription says so. Frames without labels are left
    out, so that `read_segmentation` needs `source` to give the whole grid back. UIDs are new at each call.

    Args:
        label_map: on the voxels of the series, its axes in any order.
        path: file to write, ".dcm".
        source: the image read from the DICOM series that was segmented; its files' headers are read again.
        algorithm: the model; what the label map says of its model where absent.
        origins: label value -> who or what made it, for segments that are not the model's alone.
        creator: name of the person who answers for the content; empty where no person made it.
        kind: one bit a voxel and segment, 8 bits of probability, or a number a voxel (a SOP class of 2024 that many
            viewers do not know yet).
        probabilities: for "fractional": one channel a label, named or in the order of the table, in 0 to 1, on the grid
            of `label_map`.
        keep_empty_frames: write every slice of every segment.

    Raises:
        InputError: `source` is not from DICOM, or `probabilities` are missing or do not fit.
        LabelError: no foreground label, values outside the table, or more than 65535 segments.
        RefusedImageError: the label map lies between the series' voxels, or the series lacks UIDs.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    if kind not in _TYPES:
        message = f"{final}: expected a segmentation of kind {', '.join(_TYPES)}, got {kind!r}. Choose one."
        raise InputError(message)
    label_map.check_values(name=str(final))
    slices = source_slices(source)
    segments = _segments(label_map, path=final)
    numbers = [label.value if kind == "labelmap" else at for at, label in enumerate(segments, start=1)]
    pixels = (
        _fractions(label_map, probabilities, segments, slices, path=final)
        if kind == "fractional"
        else _numbered(label_map, segments, numbers, slices, path=final)
    )
    made_by = algorithm or AlgorithmIdentity.of(label_map)
    default, stated = SegmentOrigin.of(made_by), origins or {}
    origin_of = {number: stated.get(label.value, default) for label, number in zip(segments, numbers, strict=True)}
    descriptions = [
        _description(label, number, origin_of[number]) for label, number in zip(segments, numbers, strict=True)
    ]
    with translated_errors(final, expected="a series that a segmentation can be written for", remedy="Save as NIfTI."):
        dataset = _dataset(pixels, descriptions, slices, kind=kind, keep_empty_frames=keep_empty_frames)
        _leave_algorithms_open(dataset, {number: origin.algorithm_type for number, origin in origin_of.items()})
        dataset.ContentCreatorName = _text(creator).replace("=", " ") if creator else ""  # must be there
        complete_references(dataset, slices)
    with atomic_path(final) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def _segments(label_map: LabelMap, *, path: Path) -> list[Label]:
    if label_map.kind is LabelKind.INSTANCES:
        objects = label_map.labels.foreground
        of = objects[0] if objects else Label(1, "object")
        values = [value for value in label_map.present_values() if value]
        segments = [Label(value, f"{of.name} {value}", of.colour, of.concept) for value in values]
    else:
        segments = list(label_map.labels.foreground)
    if not segments or len(segments) > _MOST_SEGMENTS or segments[-1].value > _MOST_SEGMENTS:
        message = (
            f"{path}: a DICOM segmentation holds 1 to {_MOST_SEGMENTS} segments with values up to {_MOST_SEGMENTS}, "
            f"got {len(segments)} (highest value {segments[-1].value if segments else 0}). Save the map as NIfTI."
        )
        raise LabelError(message)
    return segments


def _numbered(
    label_map: LabelMap, segments: list[Label], numbers: list[int], source: SourceSlices, *, path: Path
) -> NDArray[np.integer]:
    """(slices, rows, columns) segment numbers."""
    placed = placed_on(label_map.array, label_map.grid, source.grid, path=path)
    dtype = np.uint8 if numbers[-1] < 256 else np.uint16
    number_of = np.zeros(segments[-1].value + 1, dtype=dtype)
    number_of[[label.value for label in segments]] = numbers
    return np.ascontiguousarray(number_of[placed].T)


def _fractions(
    label_map: LabelMap, probabilities: Image | None, segments: list[Label], source: SourceSlices, *, path: Path
) -> NDArray[np.float32]:
    """(slices, rows, columns, segments) probabilities."""
    if probabilities is None or label_map.kind is LabelKind.INSTANCES:
        message = (
            f"{path}: a fractional segmentation holds probabilities of classes, got only a label map. "
            "Give them as `probabilities`, or write kind 'binary'."
        )
        raise InputError(message)
    if not (
        np.isfinite(probabilities.array).all() and probabilities.array.min() >= 0 and probabilities.array.max() <= 1
    ):
        message = f"{path}: expected probabilities from 0 to 1, got others. Apply softmax or sigmoid first."
        raise InputError(message)
    channels = _channels(label_map, probabilities, segments, path=path)
    grid = probabilities.grid
    placed = [placed_on(probabilities.array[channel], grid, source.grid, path=path).T for channel in channels]
    return np.stack(placed, axis=-1).astype(np.float32, copy=False)


def _channels(label_map: LabelMap, probabilities: Image, segments: list[Label], *, path: Path) -> list[int]:
    """Channel of each segment: by name, else by place in the table with or without its background."""
    names = list(probabilities.metadata.channel_names)
    wanted = [label.name for label in segments]
    if set(wanted) <= set(names):
        return [names.index(name) for name in wanted]
    for table in (list(label_map.labels.values), [label.value for label in segments]):
        if not names and probabilities.num_channels == len(table):
            return [table.index(label.value) for label in segments]
    message = (
        f"{path}: expected a channel of probabilities for each of the {len(segments)} segments, named as the labels or "
        f"unnamed and in their order, got {probabilities.num_channels}. Give one a label."
    )
    raise InputError(message)


def _description(label: Label, number: int, origin: SegmentOrigin) -> hd.seg.SegmentDescription:
    meaning = codes_of(label)
    algorithm = None if origin.algorithm_type == "MANUAL" else origin.algorithm
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=_text(label.name),
        segmented_property_category=meaning.category,
        segmented_property_type=meaning.type,
        # highdicom takes the other types only with an algorithm; see `_leave_algorithms_open`
        algorithm_type="MANUAL" if algorithm is None else origin.algorithm_type,
        algorithm_identification=None if algorithm is None else _identification(algorithm),
        tracking_uid=generate_uid() if origin.tracking_id else None,
        tracking_id=_text(origin.tracking_id) if origin.tracking_id else None,
        display_color=dicom_colour(label.colour),
    )
    sentences = [origin.description, "" if meaning.is_stated else _NO_CONCEPT]
    if any(sentences):
        description.SegmentDescription = ". ".join(filter(None, sentences))[:_LONGEST_DESCRIPTION]
    return description


def _leave_algorithms_open(dataset: hd.seg.Segmentation, types: Mapping[int, str]) -> None:
    """Segments in which an algorithm had a part that nobody named."""
    for item in dataset.SegmentSequence:
        wanted = types.get(item.SegmentNumber, item.SegmentAlgorithmType)
        if wanted != item.SegmentAlgorithmType:
            item.SegmentAlgorithmType = wanted
            item.SegmentAlgorithmName = _NOT_STATED


def _identification(algorithm: AlgorithmIdentity) -> hd.AlgorithmIdentificationSequence:
    parameters = {"weights_sha256": algorithm.weights_sha256} if algorithm.weights_sha256 else None
    return hd.AlgorithmIdentificationSequence(
        name=_text(algorithm.name),
        family=codes.DCM.ArtificialIntelligence,
        version=_text(algorithm.version),
        source="medseg",
        parameters=parameters,
    )


def _dataset(
    pixels: NDArray[Any],
    descriptions: list[hd.seg.SegmentDescription],
    source: SourceSlices,
    *,
    kind: str,
    keep_empty_frames: bool,
) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=source.surrogates,
        pixel_array=pixels,
        segmentation_type=_TYPES[kind],
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=900,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="medseg",
        manufacturer_model_name="medseg",
        software_versions=version("medseg"),
        device_serial_number=_NOT_STATED,
        max_fractional_value=_LARGEST_FRACTION,
        content_label="SEGMENTATION",
        content_description=RESEARCH_USE,
        series_description=f"medseg segmentation, {RESEARCH_USE.lower()}",
        omit_empty_frames=not keep_empty_frames,
        specific_character_set="ISO_IR 192",
    )


def _text(value: str) -> str:
    """`value` as a DICOM long string: no backslash, no control characters, 64 characters at most."""
    clean = "".join(character if character.isprintable() else " " for character in value.replace("\\", "/"))
    return clean.strip()[:_LONGEST_TEXT] or _NOT_STATED
