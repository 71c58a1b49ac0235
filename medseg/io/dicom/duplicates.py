"""Slices that are there twice: the copies left out where they are the same image, a refusal where they are not."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg.errors import MedsegError
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.dicom.stacking import POSITION_TOLERANCE_MM, collisions, ordered, spoken
from medseg.verdicts import Outcome, Verdict


def without_copies(slices: Sequence[SliceHeader], *, name: Path) -> tuple[list[SliceHeader], list[Verdict]]:
    """`slices` without those whose SOP Instance UID and pixels another has, and what was found.

    Different images under one UID are refused. Slices without a UID, as some anonymisers leave them, are not compared.
    """
    kept: list[SliceHeader] = []
    first_of: dict[tuple[str, int | None], SliceHeader] = {}
    copies: list[tuple[SliceHeader, SliceHeader]] = []
    repeats: list[tuple[SliceHeader, SliceHeader]] = []
    for one in slices:
        twin = first_of.setdefault((one.sop_instance_uid, one.frame), one) if one.sop_instance_uid else one
        if twin is one:
            kept.append(one)
        elif _is_same_place(twin, one) and is_same_image(twin, one):
            copies.append((twin, one))
        else:
            kept.append(one)
            repeats.append((twin, one))
    verdicts = []
    if copies:
        verdicts.append(_copied("duplicate-slice", copies, name=name))
    if repeats:
        verdicts.append(_repeated_uid(repeats, name=name))
    return kept, verdicts


def without_twins(slices: Sequence[SliceHeader], *, name: Path) -> tuple[list[SliceHeader], list[Verdict]]:
    """`slices` of one volume without those that repeat the pixels of another at its place under a UID of their own.

    Nothing is left out where any two slices at one place differ: those are echoes or phases, and some of their slices
    may well be equal.
    """
    in_order = ordered(slices)
    pairs = collisions(in_order)
    if not pairs or not all(_is_same_place(*pair) and is_same_image(*pair) for pair in pairs):
        return list(slices), []
    dropped = {id(second) for _, second in pairs}
    return [one for one in slices if id(one) not in dropped], [_copied("duplicate-position", pairs, name=name)]


def is_same_image(first: SliceHeader, second: SliceHeader) -> bool:
    """Whether two slices hold the same values; False as well where one of them cannot be decoded."""
    ours = (first.rows, first.columns, first.slope, first.intercept, first.photometric)
    if ours != (second.rows, second.columns, second.slope, second.intercept, second.photometric):
        return False
    if first.frame == second.frame and filecmp.cmp(first.path, second.path, shallow=False):
        return True
    from medseg.io.dicom.pixels import decode

    try:
        return bool(np.array_equal(decode(first), decode(second)))
    except MedsegError:
        return False


def _is_same_place(first: SliceHeader, second: SliceHeader) -> bool:
    apart = np.linalg.norm(first.position_lps_mm - second.position_lps_mm)
    turned = np.abs(np.subtract(first.row_direction, second.row_direction)).max()
    return bool(apart < POSITION_TOLERANCE_MM and turned < 1e-6)


def _copied(code: str, pairs: Sequence[tuple[SliceHeader, SliceHeader]], *, name: Path) -> Verdict:
    first, second = pairs[0]
    cause = (
        f"the same image is there twice, its copy left out: {spoken(first)} and {spoken(second)} "
        f"({len(pairs)} copies in all)"
    )
    return Verdict(Outcome.FLAG, code, name, cause)


def _repeated_uid(pairs: Sequence[tuple[SliceHeader, SliceHeader]], *, name: Path) -> Verdict:
    first, second = pairs[0]
    cause = (
        f"different images have one SOP Instance UID: {spoken(first)} and {spoken(second)} ({len(pairs)} such pairs), "
        "so that results cannot name the slice they belong to"
    )
    remedy = "Export the series anew, or remove the slice that does not belong to it"
    return Verdict(Outcome.REFUSE, "repeated-uid", name, cause, remedy, may_be_allowed=True)
