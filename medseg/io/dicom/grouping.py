"""Telling apart the volumes that share a series: orientations, echoes, b-values, phases, stacks, acquisitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.dicom.stacking import POSITION_TOLERANCE_MM, collisions, ordered

SAME_DIRECTION_TOLERANCE = 1e-4
"""Largest difference of a direction cosine between slices of one orientation; 0.05 mm over 500 mm."""
_ECHO_TIME_DIGITS = 1
"""Echo times that differ by less than 0.1 ms are one echo."""


@dataclass(frozen=True)
class Group:
    """Slices that may make one volume.

    Attributes:
        slices: in no order.
        marks: what sets the group apart within its series, "echo-2", "orientation-1"; empty where it is the whole.
    """

    slices: tuple[SliceHeader, ...]
    marks: tuple[str, ...] = ()

    def key(self, series_uid: str) -> str:
        """The name by which a user chooses the group."""
        return f"{series_uid}#{','.join(self.marks)}" if self.marks else series_uid


def split(slices: Sequence[SliceHeader]) -> list[Group]:
    """The groups in `slices`, all of one series, by what always sets volumes apart."""
    groups = [Group(tuple(slices))]
    for name, value_of in _ALWAYS:
        groups = [part for group in groups for part in _parts(group, name, value_of)]
    return [part for group in groups for part in _by_overlapping_acquisitions(group)]


def split_collisions(group: Group) -> list[Group]:
    """`group` by what tells slices at one place apart; the group itself where nothing does."""
    for count in (1, 2):
        for chosen in itertools.combinations(_WHERE_SLICES_COLLIDE, count):
            parts = [group]
            for name, value_of in chosen:
                parts = [part for one in parts for part in _parts(one, name, value_of)]
            if len(parts) > 1 and not any(collisions(ordered(part.slices)) for part in parts):
                return parts
    return [group]


def _parts(group: Group, name: str, value_of: Callable[[Sequence[SliceHeader]], list[Hashable]]) -> list[Group]:
    found: dict[Hashable, list[SliceHeader]] = {}
    for one, value in zip(group.slices, value_of(group.slices), strict=True):
        found.setdefault(value, []).append(one)
    if len(found) == 1:
        return [group]
    in_order = sorted(found, key=lambda value: (value is None, _sortable(value)))
    return [
        Group(tuple(found[value]), (*group.marks, _mark(name, value, number)))
        for number, value in enumerate(in_order, start=1)
    ]


def _sortable(value: Hashable) -> tuple[object, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _mark(name: str, value: Hashable, number: int) -> str:
    """Numbers are shown; texts of the header are not, since they may hold anything: those are counted."""
    if name in _SHOWN and isinstance(value, int | float):
        return f"{name}-{value:g}"
    return f"{name}-{number}" if value is not None else f"{name}-none"


def _orientations(slices: Sequence[SliceHeader]) -> list[Hashable]:
    """For each slice the number of its orientation, in the order of their directions."""
    directions = np.array([[*one.row_direction, *one.column_direction] for one in slices])
    found: list[np.ndarray] = []
    for one in sorted(directions.tolist()):
        if not any(np.abs(np.array(one) - other).max() <= SAME_DIRECTION_TOLERANCE for other in found):
            found.append(np.array(one))
    return [int(np.argmin([np.abs(one - other).max() for other in found])) for one in directions]


def _echoes(slices: Sequence[SliceHeader]) -> list[Hashable]:
    if len({one.echo_number for one in slices}) > 1:
        return [one.echo_number for one in slices]
    return [None if one.echo_time is None else round(one.echo_time, _ECHO_TIME_DIGITS) for one in slices]


def _image_types_of_mr(slices: Sequence[SliceHeader]) -> list[Hashable]:
    """Magnitude, phase, water, fat: in MR they are images of their own."""
    is_mr = all(one.modality == "MR" for one in slices)
    return [one.image_type if is_mr else None for one in slices]


def _each(value_of: Callable[[SliceHeader], Hashable]) -> Callable[[Sequence[SliceHeader]], list[Hashable]]:
    return lambda slices: [value_of(one) for one in slices]


def _by_overlapping_acquisitions(group: Group) -> list[Group]:
    """By AcquisitionNumber where the passes cover the same ground in slices of their own.

    A step-and-shoot CT has a number for each table position and stays whole.
    """
    parts = _parts(group, "acquisition", _each(lambda one: one.acquisition_number))
    if len(parts) == 1 or min(len(part.slices) for part in parts) < 2 or collisions(ordered(group.slices)):
        return [group]
    normal = group.slices[0].normal
    ends = sorted(
        (min(heights), max(heights))
        for heights in ([float(one.position_lps_mm @ normal) for one in part.slices] for part in parts)
    )
    overlap = any(after[0] < before[1] - POSITION_TOLERANCE_MM for before, after in itertools.pairwise(ends))
    return parts if overlap else [group]


_ALWAYS: tuple[tuple[str, Callable[[Sequence[SliceHeader]], list[Hashable]]], ...] = (
    ("orientation", _orientations),
    ("stack", _each(lambda one: one.stack_id)),
    ("echo", _echoes),
    ("b", _each(lambda one: one.b_value)),
    ("time", _each(lambda one: one.temporal_position)),
    ("type", _image_types_of_mr),
)
_WHERE_SLICES_COLLIDE: tuple[tuple[str, Callable[[Sequence[SliceHeader]], list[Hashable]]], ...] = (
    ("acquisition", _each(lambda one: one.acquisition_number)),
    ("type", _each(lambda one: one.image_type)),
    ("trigger", _each(lambda one: one.trigger_time)),
    ("direction", _each(lambda one: one.diffusion_direction)),
    ("file", _each(lambda one: one.path if one.frame is not None else None)),
)
_SHOWN = {"echo", "b", "time", "acquisition"}
