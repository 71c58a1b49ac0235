"""Scores of sequences in the Cell Tracking Challenge's layout, one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import GeometryError, InputError
from medseg.evaluation.ctc_layout import CtcSequence, find_sequences, read_tracks
from medseg.images import LabelKind
from medseg.io import read_label_map
from medseg.metrics.cell_tracking import (
    DetectionCounts,
    FrameMatch,
    SegmentationCounts,
    ctc_det,
    ctc_seg,
    ctc_tra,
    detection_counts,
    inside_field,
    match_objects,
    segmentation_counts,
)
from medseg.metrics.cell_tracks import EdgeCounts, check_tracks, edge_counts


@dataclass(frozen=True)
class FrameScores:
    """What was counted in one frame.

    Attributes:
        frame: its number.
        segmentation: what SEG is made of; None where the reference has no SEG mask of this frame.
        detection: what DET is made of; None where the reference has no markers of this frame.
    """

    frame: int
    segmentation: SegmentationCounts | None = None
    detection: DetectionCounts | None = None

    @property
    def scores(self) -> dict[str, float]:
        """SEG and DET of this frame alone, those that the reference allows."""
        return _object_scores(self.segmentation, self.detection)


@dataclass(frozen=True)
class SequenceScores:
    """What was counted in one sequence.

    Attributes:
        sequence_id: "01".
        frames: the scored frames, in order.
        edges: what TRA needs beside the objects; None where reference or result has no tracks.
        notes: what a reader must know beside the numbers.
    """

    sequence_id: str
    frames: tuple[FrameScores, ...]
    edges: EdgeCounts | None = None
    notes: tuple[str, ...] = ()

    @property
    def segmentation(self) -> SegmentationCounts | None:
        """Sum over the frames; None where the reference has no SEG masks."""
        parts = [frame.segmentation for frame in self.frames if frame.segmentation is not None]
        return sum(parts, start=SegmentationCounts()) if parts else None

    @property
    def detection(self) -> DetectionCounts | None:
        """Sum over the frames; None where the reference has no markers."""
        parts = [frame.detection for frame in self.frames if frame.detection is not None]
        return sum(parts, start=DetectionCounts()) if parts else None

    @property
    def scores(self) -> dict[str, float]:
        """SEG, DET, TRA and the challenge's two means of them by key, those that the reference and result allow."""
        scores = _object_scores(self.segmentation, self.detection)
        if self.detection is not None and self.edges is not None:
            scores["ctc_tra"] = ctc_tra(self.detection, self.edges)
        for key, (first, second) in _MEANS.items():
            if first in scores and second in scores:
                scores[key] = 0.5 * (scores[first] + scores[second])
        return scores


_MEANS = {"ctc_op_csb": ("ctc_seg", "ctc_det"), "ctc_op_ctb": ("ctc_seg", "ctc_tra")}
"""The challenge ranks segmentation by the first and tracking by the second."""


def evaluate_ctc(*, reference: Path, prediction: Path, border_pixels: int = 0) -> tuple[SequenceScores, ...]:
    """The scores of the sequences in two folders of the challenge's layout.

    Args:
        reference: `01_GT`, or a folder with `01_GT`, `02_GT`, ..
        prediction: `01_RES`, another folder of masks and `res_track.txt`, or the folder with `01_RES`, ..
        border_pixels: width E of the band outside the field of interest (`medseg.metrics.inside_field`).

    Raises:
        InputError: not this layout, a frame without mask, or tracks that contradict the masks.
        ImageFormatError: a file cannot be read.
        GeometryError: a mask has not its reference's size.
    """
    sequences = find_sequences(reference=Path(reference), prediction=Path(prediction))
    return tuple(score_sequence(sequence, border_pixels=border_pixels) for sequence in sequences)


def score_sequence(sequence: CtcSequence, *, border_pixels: int = 0) -> SequenceScores:
    """The scores of one sequence; see `evaluate_ctc`."""
    frames = []
    tracked = _Tracked({}, {}, {}, {})
    for number in sorted({*sequence.markers, *(frame for frame, _ in sequence.segmentation)}):
        raw = _read(sequence.masks[number])
        mask = inside_field(raw, border_pixels=border_pixels)
        segmentation = _score_segmentation(sequence, number, mask, border_pixels=border_pixels)
        detection = None
        if number in sequence.markers:
            markers = _read(sequence.markers[number])
            scored = inside_field(markers, border_pixels=border_pixels)
            match = _match(scored, mask, sequence.markers[number], sequence.masks[number])
            detection = detection_counts(match)
            tracked.add(number, match, markers=markers, mask=raw)
        frames.append(FrameScores(number, segmentation, detection))
    edges, notes = _score_tracks(sequence, tracked)
    extra = sorted(set(sequence.masks) - {frame.frame for frame in frames})
    if extra:
        notes = (*notes, f"sequence {sequence.sequence_id}: {len(extra)} masks of frames without reference not scored.")
    return SequenceScores(sequence.sequence_id, tuple(frames), edges, notes)


@dataclass(frozen=True)
class _Tracked:
    """What the tracks of a sequence are compared by, by frame: labels, a few hundred numbers, and no voxels."""

    reference_in_mask: dict[int, np.ndarray]
    prediction_in_mask: dict[int, np.ndarray]
    reference_scored: dict[int, np.ndarray]
    partners: dict[int, Mapping[int, int]]

    def add(self, frame: int, match: FrameMatch, *, markers: np.ndarray, mask: np.ndarray) -> None:
        self.reference_in_mask[frame] = _labels(markers)
        self.prediction_in_mask[frame] = _labels(mask)
        self.reference_scored[frame] = match.reference_ids
        self.partners[frame] = match.unique_partners()


def _score_segmentation(
    sequence: CtcSequence, number: int, mask: np.ndarray, *, border_pixels: int
) -> SegmentationCounts | None:
    """Counts of all references of a frame: one for the frame, or one for each of some slices."""
    parts = [
        segmentation_counts(_match(inside_field(_read(path), border_pixels=border_pixels), part, path, masks))
        for path, part, masks in _segmentation_parts(sequence, number, mask)
    ]
    return sum(parts, start=SegmentationCounts()) if parts else None


def _segmentation_parts(
    sequence: CtcSequence, number: int, mask: np.ndarray
) -> Iterator[tuple[Path, np.ndarray, Path]]:
    source = sequence.masks[number]
    for (frame, place), path in sequence.segmentation.items():
        if frame != number:
            continue
        if place is not None and (mask.ndim != 3 or place >= mask.shape[0]):
            message = f"{source}: expected a volume with slice {place} of {path.name}, got shape {mask.shape}."
            raise GeometryError(message)
        yield path, mask if place is None else mask[place], source


def _match(reference: np.ndarray, prediction: np.ndarray, path: Path, source: Path) -> FrameMatch:
    if reference.shape != prediction.shape:
        message = f"{source}: expected the shape {reference.shape} of {path}, got {prediction.shape}."
        raise GeometryError(message)
    return match_objects(reference=reference, prediction=prediction)


def _score_tracks(sequence: CtcSequence, tracked: _Tracked) -> tuple[EdgeCounts | None, tuple[str, ...]]:
    """Counts of edges, or a sentence on why there are none."""
    theirs, ours = sequence.reference_tracks, sequence.prediction_tracks
    if not sequence.markers:
        why = "the reference has no TRA markers: neither DET nor TRA"
        return None, (f"sequence {sequence.sequence_id}: {why}.",)
    if theirs is None or ours is None:
        lacking = "the reference has no man_track.txt" if theirs is None else "the result has no res_track.txt"
        return None, (f"sequence {sequence.sequence_id}: {lacking}: no TRA.",)
    reference, prediction = read_tracks(theirs), read_tracks(ours)
    check_tracks(reference, tracked.reference_in_mask, name=str(theirs))
    check_tracks(prediction, tracked.prediction_in_mask, name=str(ours))
    counts = edge_counts(
        reference_tracks=reference,
        prediction_tracks=prediction,
        reference_ids=tracked.reference_scored,
        partners=tracked.partners,
    )
    return counts, ()


def _object_scores(segmentation: SegmentationCounts | None, detection: DetectionCounts | None) -> dict[str, float]:
    scores = {}
    if segmentation is not None:
        scores["ctc_seg"] = ctc_seg(segmentation)
    if detection is not None:
        scores["ctc_det"] = ctc_det(detection)
    return scores


def _read(path: Path) -> np.ndarray:
    label_map = read_label_map(path, kind=LabelKind.INSTANCES)
    if label_map.array.ndim not in {2, 3}:
        message = f"{path}: expected a mask of two or three axes, got shape {label_map.array.shape}."
        raise InputError(message)
    return label_map.array


def _labels(array: np.ndarray) -> np.ndarray:
    found = np.unique(array)
    return found[found > 0]
