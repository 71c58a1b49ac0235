"""The masks of a time series: each frame predicted as an image of its own, and all written as one result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.files import check_writable, write_text_atomically
from medseg.images import Image, LabelMap, number_objects
from medseg.inference import Ensemble, Prediction, Predictor
from medseg.inference.objects import ObjectRow
from medseg.inference.objects_csv import frames_csv
from medseg.io.base import ReadRequest
from medseg.io.budget import check_budget
from medseg.io.ctc_frames import FORMAT as CTC
from medseg.io.ctc_frames import check_mask_folder, ctc_mask_names, write_ctc_mask
from medseg.io.dispatch import check_holds_frames, write_label_frames
from medseg.io.read_frames import frames_of
from medseg.io.time_series import SeriesHeader
from medseg.reports import write_overlay

_MOST_NOTES = 5
"""Different sentences that are handed on; values that lie outside the trained range differ from frame to frame."""


@dataclass(frozen=True)
class SeriesTargets:
    """Where the results of a time series go.

    Attributes:
        masks: an OME-TIFF or OME-Zarr, or the folder for mask000.tif, .. of the Cell Tracking Challenge.
        as_ctc: whether it is such a folder.
        objects: table of the objects of all frames (.csv); None leaves it out.
        overlay: picture of the frame with the largest part of it found; None leaves it out.
    """

    masks: Path
    as_ctc: bool = False
    objects: Path | None = None
    overlay: Path | None = None


@dataclass(frozen=True)
class SeriesSummary:
    """What was found in a time series.

    Attributes:
        num_frames: predicted.
        counts: name of a class -> objects of it in all frames together.
        notes: what to know about the masks, with the number of frames that it is true of.
    """

    num_frames: int
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def predict_time_series(
    predictor: Predictor | Ensemble,
    series: SeriesHeader,
    targets: SeriesTargets,
    *,
    request: ReadRequest,
    progress: Callable[[float], None] | None = None,
) -> SeriesSummary:
    """Predict each frame of `series` as an image of its own, and write the masks.

    One frame is held at a time, with its probabilities, and the masks of all where they go into one file. Masks of
    the Cell Tracking Challenge are written frame by frame, so that those finished stay when the work is stopped; a file
    is written whole or not at all. Nothing links the numbers of objects in one frame to those in the next.

    Args:
        predictor: of the frames.
        series: as `medseg.io.read_frames.time_series_at` found it.
        targets: where the results go.
        request: as which the series was asked for.
        progress: called with the finished fraction of all frames, 0 to 1.

    Raises:
        GeometryError: the model takes volumes, and the frames are pictures.
        InputError: a target cannot hold a time series, or its folder holds another result.
        MedsegError: a frame cannot be read, predicted or written.
    """
    _check_dimensions(predictor, series)
    _check_targets(series, targets)
    numbers = series.times.numbers
    masks: _Masks = _Folder(targets.masks, series) if targets.as_ctc else _File(targets.masks, series)
    rows: dict[int, Sequence[ObjectRow]] = {}
    notes: Counter[str] = Counter()
    shown: _Shown | None = None
    for index, frame in enumerate(frames_of(series, request)):
        found = predictor.predict(frame, progress=_part_of(progress, index, len(numbers)))
        masks.add(index, found)
        rows[numbers[index]] = found.objects
        notes.update(dict.fromkeys(found.label_map.metadata.notes, 1))
        if targets.overlay is not None:
            shown = max(filter(None, (shown, _shown(numbers[index], frame, found))), key=lambda one: one.num_voxels)
    masks.finish()
    if targets.objects is not None:
        write_text_atomically(targets.objects, frames_csv(rows, ndim=series.frame.affine.ndim))
    if targets.overlay is not None and shown is not None:
        title = f"{series.path.name}, frame {shown.number}"
        write_overlay(targets.overlay, image=shown.image, prediction=shown.label_map, title=title)
    counts = Counter(row.label for found in rows.values() for row in found)
    told = (*_told(notes, len(numbers)), *_lost_numbers(series, targets))
    return SeriesSummary(len(numbers), dict(sorted(counts.items())), told)


class _Masks(Protocol):
    def add(self, index: int, found: Prediction) -> None: ...

    def finish(self) -> None: ...


class _Folder:
    """Masks of the challenge, each in a file of its own."""

    def __init__(self, folder: Path, series: SeriesHeader) -> None:
        check_mask_folder(folder, series.times)
        check_writable(folder)
        self._paths = [folder / name for name in ctc_mask_names(series.times)]

    def add(self, index: int, found: Prediction) -> None:
        write_ctc_mask(number_objects(found.label_map).array, self._paths[index])

    def finish(self) -> None:
        """All files stand."""


class _File:
    """Masks that are written as one file when the last is there."""

    def __init__(self, path: Path, series: SeriesHeader) -> None:
        check_holds_frames(path)
        self._path, self._series = path, series
        self._array: NDArray[np.integer] | None = None
        self._first: LabelMap | None = None

    def add(self, index: int, found: Prediction) -> None:
        mask = found.label_map.array
        if self._array is None:
            shape = (len(self._series.times.numbers), *mask.shape)
            check_budget(self._series.path, expected_bytes=shape[0] * mask.nbytes, copies=2.0)
            self._array, self._first = np.zeros(shape, mask.dtype), found.label_map
        if mask.dtype.itemsize > self._array.dtype.itemsize:
            self._array = self._array.astype(mask.dtype)
        self._array[index] = mask

    def finish(self) -> None:
        assert self._array is not None  # noqa: S101 - a series has two frames or more
        assert self._first is not None  # noqa: S101
        write_label_frames(self._array, self._path, like=self._first, times=self._series.times)


@dataclass(frozen=True, eq=False)
class _Shown:
    """The frame that the overlay will show."""

    number: int
    image: Image
    label_map: LabelMap
    num_voxels: int


def _shown(number: int, image: Image, found: Prediction) -> _Shown:
    return _Shown(number, image, found.label_map, int(np.count_nonzero(found.label_map.array)))


def _check_dimensions(predictor: Predictor | Ensemble, series: SeriesHeader) -> None:
    members = predictor.members if isinstance(predictor, Ensemble) else (predictor,)
    for member in members:
        if member.manifest.architecture.spatial_dims <= series.frame.affine.ndim:
            continue
        slices = "" if series.format == CTC else ", or give --axes with Z for T if the frames are slices"
        message = (
            f"{series.path}: the model {member.manifest.name} takes volumes, got a time series of pictures "
            f"(axes T{series.frame.axes[1:]}). Use a 2-D model{slices}."
        )
        raise GeometryError(message)


def _check_targets(series: SeriesHeader, targets: SeriesTargets) -> None:
    if targets.objects is not None and targets.objects.suffix.lower() != ".csv":
        message = f"{targets.objects}: the objects of a time series are written as a table ({series.path}). Write .csv."
        raise InputError(message)


def _part_of(progress: Callable[[float], None] | None, index: int, count: int) -> Callable[[float], None] | None:
    return None if progress is None else lambda fraction: progress((index + fraction) / count)


def _told(notes: Mapping[str, int], num_frames: int) -> list[str]:
    """The notes of the frames, each once."""
    told = [
        note if count == num_frames else f"{note} ({count} of {num_frames} frames)" for note, count in notes.items()
    ]
    rest = len(told) - _MOST_NOTES
    return told if rest <= 0 else [*told[:_MOST_NOTES], f"{rest} more notes on single frames are left out"]


def _lost_numbers(series: SeriesHeader, targets: SeriesTargets) -> list[str]:
    numbers = series.times.numbers
    if targets.as_ctc or numbers == tuple(range(len(numbers))):
        return []
    return [f"the numbers of the frames, {numbers[0]} to {numbers[-1]}, are not kept in {targets.masks.name}"]
