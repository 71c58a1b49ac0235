"""Warping error: disagreement of two boundary maps that no bending of the boundaries explains.

Jain 2010, doi 10.1109/CVPR.2010.5539950: the reference is deformed towards the prediction by flipping single pixels
that are simple points, so that no cell splits, merges, appears or vanishes and no hole does either. What still differs
afterwards is topological error. Pixels may be flipped only within a geometric mask.

The smallest disagreement over all deformations is not known how to find; as in the paper it is sought greedily: a
pixel is flipped only where the maps disagree, until no disagreeing pixel is simple. The value is therefore a local
optimum, an upper bound of the smallest one, and it depends on the order of the flips (here row by row, then again
the pixels beside each flip): flipping or transposing two real slices changed it by up to a fifth. A flip never makes
the disagreement larger on the way, so membranes one pixel wide can be moved by one pixel only, membranes w wide by w.

Cells are 4-connected and membranes 8-connected; outside the image is membrane. The challenge of ISBI 2012 used a
variant that counts only the pixels of splits and mergers at the best threshold; this one counts all.
"""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import GeometryError, InputError

Mask = NDArray[np.bool_]

_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Rows and columns of the eight neighbours, in the order of their bits in a neighbourhood's number."""


def warping_error(*, reference_cells: Mask, prediction_cells: Mask, max_distance_pixels: float | None = None) -> float:
    """Share of pixels that still differ after the reference was warped towards the prediction; 0 to 1, 0 is best.

    Args:
        reference_cells: (rows, columns), True on cells of the reference.
        prediction_cells: (rows, columns), True on cells of the prediction.
        max_distance_pixels: geometric mask, see `warped_cells`.

    Raises:
        GeometryError: not two axes, or the shapes differ.
        InputError: a distance below 0.
    """
    warped = warped_cells(
        reference_cells=reference_cells, prediction_cells=prediction_cells, max_distance_pixels=max_distance_pixels
    )
    return float(np.count_nonzero(warped != prediction_cells) / warped.size) if warped.size else float("nan")


def warped_cells(*, reference_cells: Mask, prediction_cells: Mask, max_distance_pixels: float | None = None) -> Mask:
    """The reference deformed towards the prediction, with the reference's topology; (rows, columns), True on cells.

    Args:
        reference_cells: (rows, columns), True on cells of the reference.
        prediction_cells: (rows, columns), True on cells of the prediction.
        max_distance_pixels: geometric mask: pixels may be flipped up to this distance from the nearest pixel of the
            other kind in the reference (a pixel beside the boundary has distance 1); absent, all may be.

    Raises:
        GeometryError: not two axes, or the shapes differ.
        InputError: a distance below 0.
    """
    _check(reference_cells, prediction_cells, max_distance_pixels)
    differs = reference_cells != prediction_cells
    if max_distance_pixels is not None:
        differs &= _distance_to_boundary(reference_cells) <= max_distance_pixels
    width = reference_cells.shape[1] + 2
    # A frame of membrane: what lies outside the image, and what is never flipped.
    cells = bytearray(np.pad(reference_cells, 1).astype(np.uint8).tobytes())
    may_flip = bytearray(np.pad(differs, 1).astype(np.uint8).tobytes())
    _flip_simple_points(cells, may_flip, width=width)
    padded = np.frombuffer(cells, dtype=np.uint8).reshape(-1, width)
    return np.ascontiguousarray(padded[1:-1, 1:-1] == 1)


def _flip_simple_points(cells: bytearray, may_flip: bytearray, *, width: int) -> None:
    """Flip disagreeing pixels, in place, while one of them is simple."""
    is_simple = simple_neighbourhoods().tobytes()
    steps = tuple(row * width + column for row, column in _NEIGHBOURS)
    waiting = deque(place for place, may in enumerate(may_flip) if may)
    is_waiting = bytearray(may_flip)
    a, b, c, d, e, f, g, h = steps
    while waiting:
        place = waiting.popleft()
        is_waiting[place] = 0
        number = (
            cells[place + a]
            | cells[place + b] << 1
            | cells[place + c] << 2
            | cells[place + d] << 3
            | cells[place + e] << 4
            | cells[place + f] << 5
            | cells[place + g] << 6
            | cells[place + h] << 7
        )
        if not is_simple[number]:
            continue
        cells[place] ^= 1
        may_flip[place] = 0  # both maps agree now
        for step in steps:
            beside = place + step
            if may_flip[beside] and not is_waiting[beside]:
                is_waiting[beside] = 1
                waiting.append(beside)


@cache
def simple_neighbourhoods() -> Mask:
    """(256,): whether flipping a pixel keeps the topology, by the number of its eight neighbours' cells.

    It does exactly where the neighbours hold one 4-connected part of cells that the pixel touches along an edge, and
    one 8-connected part of membrane (Bertrand 1994, doi 10.1016/0167-8655(94)90046-9).
    """
    is_simple = np.zeros(256, dtype=np.bool_)
    edges = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.bool_)
    for number in range(256):
        cells = np.zeros((3, 3), dtype=np.bool_)
        for bit, (row, column) in enumerate(_NEIGHBOURS):
            cells[1 + row, 1 + column] = number >> bit & 1
        membrane = ~cells
        membrane[1, 1] = False
        parts, _ = ndimage.label(cells)
        touching = set(parts[edges & cells].tolist())
        _, num_membranes = ndimage.label(membrane, structure=np.ones((3, 3)))
        is_simple[number] = len(touching) == 1 and num_membranes == 1
    return is_simple


def _distance_to_boundary(cells: Mask) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest one of the other kind, in pixels; infinite where there is none."""
    distance = np.full(cells.shape, np.inf)
    if cells.any() and not cells.all():
        inside = ndimage.distance_transform_edt(cells)
        distance = np.where(cells, inside, ndimage.distance_transform_edt(~cells))
    return np.asarray(distance, dtype=np.float64)


def _check(reference: Mask, prediction: Mask, max_distance_pixels: float | None) -> None:
    if reference.ndim != 2:
        message = f"reference: expected a slice with 2 axes, got shape {reference.shape}. Score a stack slice by slice."
        raise GeometryError(message)
    if reference.shape != prediction.shape:
        message = f"prediction: expected the reference's shape {reference.shape}, got {prediction.shape}."
        raise GeometryError(message)
    if max_distance_pixels is not None and not max_distance_pixels >= 0:
        message = f"max_distance_pixels: expected 0 or more, got {max_distance_pixels}."
        raise InputError(message)
