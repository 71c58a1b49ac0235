"""Finding the prediction of each reference, and bringing both onto one footing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError, LabelError, MedsegError
from medseg.geometry import Interpolation, check_same_grid, resample_array
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io import case_name, list_inputs, read_image, read_label_map
from medseg.io.base import ReadRequest
from medseg.io.dispatch import reader_of

_HALF_VOXEL = 0.5 + 1e-3
"""A voxel reaches so far from its centre; the rest is the rounding of affines in files."""


@dataclass(frozen=True)
class CasePair:
    """What is to be compared under one case id.

    Attributes:
        case_id: the case.
        reference: file, or map in memory.
        prediction: file, or map in memory.
        probabilities: file of the prediction's class probabilities; None where none are judged.
        object_scores: table of the predicted objects' confidences; None where there is none.
    """

    case_id: str
    reference: Path | LabelMap
    prediction: Path | LabelMap
    probabilities: Path | None = None
    object_scores: Path | None = None


def find_pairs(
    *, reference: Path | LabelMap, prediction: Path | LabelMap
) -> tuple[tuple[CasePair, ...], tuple[str, ...]]:
    """The pairs to score, and sentences about predictions that have no reference.

    Two folders are paired by case id, in order of id: the file's name without suffix, or, in the results of a batch,
    the name of the folder with the mask. Two files, or two maps, are one pair whatever their names.

    Raises:
        InputError: a path is missing, a file meets a folder, a folder is empty, two files of a folder have one case
            id, or a reference has no prediction.
    """
    for path in (reference, prediction):
        if isinstance(path, Path) and not path.exists():
            message = f"{path}: no such file or folder. Expected a label map or a folder of label maps."
            raise InputError(message)
    folders = [isinstance(path, Path) and path.is_dir() for path in (reference, prediction)]
    if not any(folders):
        named = reference if isinstance(reference, Path) else prediction
        case_id = case_name(named) if isinstance(named, Path) else "case"
        return (CasePair(case_id, reference, prediction),), ()
    if not (isinstance(reference, Path) and isinstance(prediction, Path)) or not all(folders):
        message = f"{prediction}: expected two files or two folders, got one of each (reference {reference})."
        raise InputError(message)
    return _pair_folders(reference, prediction)


def _pair_folders(reference: Path, prediction: Path) -> tuple[tuple[CasePair, ...], tuple[str, ...]]:
    references, predictions = files_by_case(reference), files_by_case(prediction)
    missing = [case_id for case_id in references if case_id not in predictions]
    if missing:
        message = (
            f"{prediction}: no prediction for {_listed(missing)} of {reference}. "
            "Files are paired by name without suffix: predict or rename the missing ones."
        )
        raise InputError(message)
    extra = [case_id for case_id in predictions if case_id not in references]
    notes = (f"Predictions without a reference, not scored ({len(extra)}): {_listed(extra)}.",) if extra else ()
    pairs = tuple(CasePair(case_id, references[case_id], predictions[case_id]) for case_id in sorted(references))
    return pairs, notes


def files_by_case(folder: Path) -> dict[str, Path]:
    """Case id -> image file or DICOM folder in `folder`, or, in the results of a batch, the mask of the case.

    A picture in colours beside a file of the same name is passed over.

    Raises:
        InputError: the folder is missing or holds no image, or two of them have one case id.
    """
    found = _batch_masks(folder)
    for path in () if found else list_inputs(folder):
        case_id = case_name(path)
        before = found.get(case_id)
        if before is not None and not (_is_picture(before) or _is_picture(path)):
            message = f"{folder}: {before.name} and {path.name} are the same case {case_id}. Remove one."
            raise InputError(message)
        if before is None or _is_picture(before):
            found[case_id] = path
    return found


def _is_picture(path: Path) -> bool:
    """Whether this is an image in colours, as overlays are beside the masks of a run; a label map has one channel."""
    if path.suffix.lower() != ".png":
        return False
    try:
        header = reader_of(path).header(path, ReadRequest(as_labels=True))  # a palette's numbers are labels
    except MedsegError:
        return False
    return header.shape[0] > 1


def _batch_masks(folder: Path) -> dict[str, Path]:
    """Masks of a folder that `medseg batch` wrote, a folder a case beside overlays and tables; else none."""
    records = sorted(folder.glob("*/case.json"))
    return {path.parent.name: mask for path in records for mask in sorted(path.parent.glob("mask.*"))}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def load(source: Path | LabelMap, *, labels: LabelTable | None, kind: LabelKind = LabelKind.SEMANTIC) -> LabelMap:
    """The map itself, with `labels` as its table where they are given.

    Args:
        source: map, or its file.
        labels: what the values mean; from the map where absent.
        kind: what a value stands for.

    Raises:
        ImageFormatError: the file cannot be read.
        LabelError: values that are not in `labels`.
    """
    label_map = read_label_map(source, kind=kind) if isinstance(source, Path) else source
    if label_map.kind is not kind:
        label_map = label_map.replace(kind=kind)
    if labels is not None:
        label_map = label_map.replace(labels=labels)
        label_map.check_values(name=name_of(source, role="label map"))
    return label_map


def load_detection(source: Path | LabelMap) -> tuple[LabelMap, NDArray[np.floating] | None]:
    """A mask and None, or, of a file with confidences that are not whole numbers, where they are above 0 and them.

    Raises:
        ImageFormatError: the file cannot be read.
        LabelError: a detection map of several channels.
    """
    try:
        return load(source, labels=None), None
    except LabelError:
        if not isinstance(source, Path):
            raise
    image = read_image(source)
    if image.num_channels != 1:
        message = (
            f"{source}: expected a detection map of one channel, got {image.num_channels}. Give the lesion's alone."
        )
        raise LabelError(message)
    confidence = image.array[0]
    mask = LabelMap(
        (confidence > 0).astype(np.uint8),
        image.affine,
        image.axes.removeprefix("C"),
        LabelTable.from_names(("background", "lesion")),
        metadata=image.metadata,
    )
    return mask, confidence


def _check_names(ours: LabelTable, theirs: LabelTable, *, names: tuple[str, str]) -> None:
    """Pass when no name stands for one value in the one file and for another in the other."""
    value_of = {label.name: label.value for label in ours.foreground}
    for label in theirs.foreground:
        value = value_of.get(label.name, label.value)
        if value != label.value:
            message = (
                f"{names[0]} marks {label.name} with {value}, {names[1]} with {label.value}. "
                "Map one to the other, or give the label table."
            )
            raise LabelError(message)


def name_of(source: Path | LabelMap, *, role: str) -> str:
    """What to call a map in a message: its file, or its role."""
    if isinstance(source, Path):
        return str(source)
    return source.metadata.source or f"the {role}"


def check_grids(*, reference: LabelMap, prediction: LabelMap, names: tuple[str, str]) -> None:
    """Pass when both maps lie on one grid; where a file states no voxel size, when they have one size in voxels.

    Args:
        reference: the one.
        prediction: the other.
        names: of the reference and the prediction, for the message.

    Raises:
        GeometryError: they differ; the message says in what.
    """
    known = reference.metadata.spacing_is_known and prediction.metadata.spacing_is_known
    axes = (reference.axes, prediction.axes)
    check_same_grid(reference.grid, prediction.grid, names=names, sizes_are_known=known, axes=axes)


def brought_to(label_map: LabelMap, *, reference: LabelMap, name: str) -> tuple[LabelMap, str]:
    """The map on the reference's grid, and a sentence on what was done; the map itself where nothing needs to be.

    Voxels take the value of the nearest one; those outside the map's field of view become background.

    Args:
        label_map: the map to bring.
        reference: where it is wanted.
        name: of the map, for the sentence.

    Raises:
        GeometryError: a voxel size that differs is not known, or another number of axes.
    """
    if not (label_map.metadata.spacing_is_known and reference.metadata.spacing_is_known):
        return label_map, ""  # the check that follows compares sizes in voxels
    if reference.grid.is_same_as(label_map.grid):
        return label_map, ""
    array = resample_array(
        label_map.array,
        source=label_map.grid,
        target=reference.grid,
        interpolation=Interpolation.NEAREST,
        fill=0,
    )
    note = f"{name} was resampled to the reference's grid (nearest voxel): {_sizes(label_map)} to {_sizes(reference)}."
    lost, held = _labelled_outside(label_map, reference)
    if lost:
        note += f" Of its {held} labelled voxels {lost} lie outside the reference's field of view and are NOT scored."
    return label_map.replace(array=array, affine=reference.affine, axes=reference.axes), note


def _labelled_outside(label_map: LabelMap, reference: LabelMap) -> tuple[int, int]:
    """How many labelled voxels of the map lie outside the reference's field of view, and how many it has.

    A DICOM segmentation often ends with the slices that show something: what is found beyond them is a false finding
    that nobody would hear of.
    """
    index_map = reference.affine.index_map_from(label_map.affine)
    last = np.array(reference.spatial_shape) - 1
    lost = held = 0
    for number, plane in enumerate(label_map.array):  # the places of a whole volume may take gigabytes
        places = np.argwhere(plane)
        start = index_map[:-1, 0] * number + index_map[:-1, -1]
        there = places @ index_map[:-1, 1:-1].T + start
        lost += int(((there < -_HALF_VOXEL) | (there > last + _HALF_VOXEL)).any(axis=1).sum())
        held += len(places)
    return lost, held


def _sizes(label_map: LabelMap) -> str:
    shape = " x ".join(str(size) for size in label_map.spatial_shape)
    spacing = " x ".join(f"{size:g}" for size in label_map.spacing_mm)
    return f"{shape} voxels of {spacing} mm"


def common_labels(*, reference: LabelMap, prediction: LabelMap, names: tuple[str, str]) -> LabelTable:
    """The classes of both maps; the reference's name counts where they differ.

    Args:
        reference: the one.
        prediction: the other.
        names: of the reference and the prediction, for the message.

    Raises:
        LabelError: each has a single foreground class, and these have different values; or a class has one value
            in the one and another in the other.
    """
    ours, theirs = reference.labels, prediction.labels
    _check_names(ours, theirs, names=names)
    if (
        len(ours.foreground) == 1
        and len(theirs.foreground) == 1
        and ours.foreground[0].value != theirs.foreground[0].value
    ):
        message = (
            f"{names[0]} marks its one class with {ours.foreground[0].value}, {names[1]} with "
            f"{theirs.foreground[0].value}. Map one to the other, or give the label table."
        )
        raise LabelError(message)
    taken = set(ours.names)
    extra = []
    for label in theirs:
        if label.value not in ours.values:
            name = label.name if label.name not in taken else f"{label.name} ({label.value})"
            extra.append(label if name == label.name else type(label)(label.value, name, label.colour))
            taken.add(name)
    return LabelTable((*ours.labels, *extra))
