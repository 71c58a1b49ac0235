"""What an edit did to a label array inside one bounding box, and the same packed for the history."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medseg.postprocessing import bounding_box
from medseg_napari.review.boxes import Box, moved, starts

_COMPRESSION_LEVEL = 1
"""zlib's fastest: masks and runs of one id shrink well at any level."""


@dataclass(frozen=True)
class Change:
    """New values for some voxels of a box.

    Only the voxels that differ are written, so changes whose boxes overlap can be applied in any order as long as no
    voxel is in two of them.

    Attributes:
        box: where, in the label array.
        changed: (*box) the voxels that differ.
        before: (voxels,) their values before, in C order.
        after: (voxels,) their values after.
    """

    box: Box
    changed: NDArray[np.bool_]
    before: NDArray[np.integer]
    after: NDArray[np.integer]

    @classmethod
    def painting(cls, labels: NDArray[np.integer], box: Box, *, where: NDArray[np.bool_], value: int) -> Self:
        """The change that gives `value` to the voxels `where` of the box; `labels` is not written to."""
        part = labels[box]
        changed = where & (part != value)
        inside = bounding_box(changed)
        changed = changed[inside]
        before = part[inside][changed]
        return cls(moved(inside, starts(box)), changed, before, np.full_like(before, value))

    @classmethod
    def between(cls, box: Box, *, before: NDArray[np.integer], after: NDArray[np.integer]) -> Self:
        """The change from one content of the box to another."""
        changed = before != after
        inside = bounding_box(changed)
        changed = changed[inside]
        return cls(moved(inside, starts(box)), changed, before[inside][changed], after[inside][changed])

    @property
    def voxels(self) -> int:
        """Number of voxels that differ."""
        return self.before.size

    def apply_to(self, labels: NDArray[np.integer]) -> None:
        """Write the values after the edit into `labels`."""
        labels[self.box][self.changed] = self.after

    def reversed(self) -> Change:
        """The change that undoes this one."""
        return Change(self.box, self.changed, before=self.after, after=self.before)


@dataclass(frozen=True)
class PackedChange:
    """A change, compressed."""

    box: Box
    dtype: np.dtype
    changed: bytes
    before: bytes
    after: bytes

    @classmethod
    def of(cls, change: Change) -> Self:
        """The change, packed."""
        values = [np.packbits(change.changed), change.before, change.after]
        changed, before, after = (zlib.compress(value.tobytes(), _COMPRESSION_LEVEL) for value in values)
        return cls(change.box, change.before.dtype, changed, before, after)

    @property
    def nbytes(self) -> int:
        """Size of what is stored, in bytes."""
        return len(self.changed) + len(self.before) + len(self.after)

    def unpacked(self) -> Change:
        """The change that was packed."""
        shape = tuple(side.stop - side.start for side in self.box)
        bits = np.frombuffer(zlib.decompress(self.changed), dtype=np.uint8)
        changed = np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)
        before = np.frombuffer(zlib.decompress(self.before), dtype=self.dtype)
        after = np.frombuffer(zlib.decompress(self.after), dtype=self.dtype)
        return Change(self.box, changed, before, after)
