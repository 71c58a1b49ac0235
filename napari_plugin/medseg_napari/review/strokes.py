"""What napari says that it painted, as one change.

napari 0.9 emits `Labels.events.paint` after a stroke was written, but before the voxels are where a single touch, fill
or polygon is no part of a stroke; so both sides come from what the event says. Its value is a list of atoms in the
order of painting. A brush, polygon or fill atom is (box, mask or None, old values, new value): the old values are those
under the mask, or the whole box where there is none. `Labels.data_setitem` gives (indices, old values, new values).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box, union
from medseg_napari.review.change import Change

Stroke = Sequence[tuple[Any, ...]]


def stroke_change(labels: NDArray[np.integer], stroke: Stroke) -> Change | None:
    """What the stroke changes; None where nothing differs.

    Args:
        labels: object ids, painted already or not yet.
        stroke: value of napari's paint event.
    """
    boxes = [box for atom in stroke if (box := _box_of(atom[0], labels.shape)) is not None]
    if not boxes:
        return None
    box = union(boxes)
    before = labels[box].copy()
    for where, *mask, old, _ in reversed(stroke):
        _write(before, old, box=box, where=where, mask=mask, shape=labels.shape)
    after = before.copy()
    for where, *mask, _, new in stroke:
        _write(after, new, box=box, where=where, mask=mask, shape=labels.shape)
    change = Change.between(box, before=before, after=after)
    return change if change.voxels else None


def _box_of(where: Any, shape: tuple[int, ...]) -> Box | None:
    """Bounding box of a tuple of slices, numbers or index arrays; None where it is empty."""
    parts = where if isinstance(where, tuple) else (where,)
    sides = []
    for part, length in zip((*parts, *[slice(None)] * (len(shape) - len(parts))), shape, strict=True):
        if isinstance(part, slice):
            start, stop, _ = part.indices(length)
        else:
            at = np.asarray(part)
            start, stop = (int(at.min()), int(at.max()) + 1) if at.size else (0, 0)
        if start >= stop:
            return None
        sides.append(slice(start, stop))
    return tuple(sides)


def _write(
    part: NDArray[np.integer], values: Any, *, box: Box, where: Any, mask: Sequence[Any], shape: tuple[int, ...]
) -> None:
    """Write the values of one atom into `part`, a copy of the box; `mask` is empty for an atom without the field."""
    parts = where if isinstance(where, tuple) else (where,)
    # Fewer parts than axes: the last axes are whole.
    index = tuple(_shifted(one, side, length) for one, side, length in zip(parts, box, shape, strict=False))
    if mask and mask[0] is not None:
        part[index][mask[0]] = values
    else:
        part[index] = values


def _shifted(part: Any, side: slice, length: int) -> Any:
    """An index along one axis of the array as one of the box."""
    if not isinstance(part, slice):
        return np.asarray(part) - side.start
    start, stop, step = part.indices(length)
    return slice(start - side.start, stop - side.start, step)
