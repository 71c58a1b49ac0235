"""Tracks of cells over time as a graph, and the edges that differ between two such graphs.

A vertex is an object in a frame. An edge of a track joins the same cell in successive frames; a parent edge joins the
last frame of a track with the first of its child (a daughter, or the same cell after it was out of sight).
Matula 2015, doi 10.1371/journal.pone.0144959.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medseg.errors import InputError

Vertex = tuple[int, int]
"""Frame and label of an object."""


@dataclass(frozen=True)
class Track:
    """One line of the challenge's track file.

    Attributes:
        label: of the object in the masks, from 1.
        begin: first frame, from 0.
        end: last frame, itself included.
        parent: label of the track it continues or descends from; 0 for none.
    """

    label: int
    begin: int
    end: int
    parent: int = 0


@dataclass(frozen=True)
class EdgeCounts:
    """What TRA needs beside the objects.

    Attributes:
        objects: edges of the reference.
        redundant: ED, edges of the prediction, between objects that cover one reference object each, to be deleted.
        missing: EA, edges of the reference to be added.
        wrong: EC, edges that join the right objects and call a parent edge a track edge, or the reverse.
    """

    objects: int = 0
    redundant: int = 0
    missing: int = 0
    wrong: int = 0

    def __add__(self, other: EdgeCounts) -> EdgeCounts:
        return EdgeCounts(
            self.objects + other.objects,
            self.redundant + other.redundant,
            self.missing + other.missing,
            self.wrong + other.wrong,
        )


def edge_counts(
    *,
    reference_tracks: Iterable[Track],
    prediction_tracks: Iterable[Track],
    reference_ids: Mapping[int, Iterable[int]],
    partners: Mapping[int, Mapping[int, int]],
) -> EdgeCounts:
    """The edges that must be deleted, added or renamed to turn the prediction's graph into the reference's.

    Edges of the prediction at an object that covers no reference object, or several, count for nothing: correcting
    the object takes them away.

    Args:
        reference_tracks: tracks of the reference.
        prediction_tracks: tracks of the prediction.
        reference_ids: frame -> labels of the reference's objects that are scored.
        partners: frame -> `FrameMatch.unique_partners()`.
    """
    vertices = {(frame, int(label)) for frame, labels in reference_ids.items() for label in labels}
    mapped = {(frame, label): (frame, of) for frame, pairs in partners.items() for label, of in pairs.items()}
    expected = {edge: kind for edge, kind in _edges(reference_tracks).items() if vertices.issuperset(edge)}
    found = {
        (mapped[start], mapped[end]): kind
        for (start, end), kind in _edges(prediction_tracks).items()
        if start in mapped and end in mapped
    }
    return EdgeCounts(
        objects=len(expected),
        redundant=sum(edge not in expected for edge in found),
        missing=sum(edge not in found for edge in expected),
        wrong=sum(expected.get(edge, is_parent) != is_parent for edge, is_parent in found.items()),
    )


def _edges(tracks: Iterable[Track]) -> dict[tuple[Vertex, Vertex], bool]:
    """Edges of the graph, with whether they lead from a parent to a child."""
    by_label = {track.label: track for track in tracks}
    edges = {}
    for track in by_label.values():
        for frame in range(track.begin, track.end):
            edges[(frame, track.label), (frame + 1, track.label)] = False
        if track.parent:
            parent = by_label[track.parent]
            edges[(parent.end, parent.label), (track.begin, track.label)] = True
    return edges


def check_tracks(tracks: Sequence[Track], ids: Mapping[int, Iterable[int]], *, name: str) -> None:
    """Pass when the tracks are a graph, and are in the masks exactly where they say.

    Args:
        tracks: the tracks.
        ids: frame -> labels in its mask.
        name: of the track file, for the message.

    Raises:
        InputError: they are not; the message names the first fault.
    """
    _check_graph(tracks, name=name)
    stated = {(frame, track.label) for track in tracks for frame in range(track.begin, track.end + 1)}
    present = {(frame, int(label)) for frame, labels in ids.items() for label in labels}
    for frame, label in sorted(stated - present)[:1]:
        where = "its mask lacks it" if frame in ids else "there is no mask of this frame to score"
        message = f"{name}: track {label} claims frame {frame}, but {where}. Correct the tracks or the masks."
        raise InputError(message)
    for frame, label in sorted(present - stated)[:1]:
        message = f"{name}: no track claims object {label} of frame {frame}. Correct the tracks or the masks."
        raise InputError(message)


def _check_graph(tracks: Sequence[Track], *, name: str) -> None:
    by_label: dict[int, Track] = {}
    for track in tracks:
        if track.label in by_label:
            message = f"{name}: expected each label once, got {track.label} twice. Give each track its own label."
            raise InputError(message)
        if track.label < 1 or not 0 <= track.begin <= track.end:
            message = (
                f"{name}: expected a label from 1 and frames 0 <= begin <= end, "
                f"got {track.label} {track.begin} {track.end}. Correct this line."
            )
            raise InputError(message)
        by_label[track.label] = track
    for track in tracks:
        parent = by_label.get(track.parent)
        if track.parent and (parent is None or parent.end >= track.begin):
            fault = "there is no such track" if parent is None else f"that track ends in frame {parent.end}"
            message = (
                f"{name}: track {track.label} begins in frame {track.begin} and names parent {track.parent}, "
                f"but {fault}. A parent ends before its child begins."
            )
            raise InputError(message)
