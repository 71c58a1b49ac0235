"""The steps that can be undone and redone, in bounded memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change, PackedChange
from medseg_napari.review.records import ObjectRecord

MAX_BYTES = 256 * 1024 * 1024
"""Memory of a history unless another is asked for: a stroke takes some hundred bytes, an organ some hundred kB."""
_BYTES_PER_RECORD = 512
"""Of an object's record and its places in the step's tables, generously."""
_BYTES_PER_EDIT = 8
"""Of one more reference in a record's tuple of edits."""


@dataclass(frozen=True)
class Known:
    """What was known of the objects that a step touched, before or after it.

    Attributes:
        records: object id -> its record; None where there was none.
        boxes: object id -> its bounding box; None where it was not there.
    """

    records: Mapping[int, ObjectRecord | None]
    boxes: Mapping[int, Box | None]


@dataclass(frozen=True)
class Step:
    """One thing the user did: voxels, records, or both.

    Attributes:
        name: what it was, such as "split".
        changes: of the label array, no voxel in two of them.
        before: what was known of the objects it touched, before.
        after: the same, after; of the same objects.
    """

    name: str
    changes: tuple[PackedChange, ...]
    before: Known
    after: Known

    @classmethod
    def of(cls, name: str, changes: Sequence[Change], *, before: Known, after: Known) -> Step:
        """The step, with its changes packed."""
        return cls(name, tuple(PackedChange.of(change) for change in changes), before, after)

    @property
    def nbytes(self) -> int:
        """Memory that it holds, in bytes; that of the records is an estimate from above."""
        records = [*self.before.records.values(), *self.after.records.values()]
        edits = sum(len(record.edits) for record in records if record is not None)
        size = sum(change.nbytes for change in self.changes)
        return size + _BYTES_PER_RECORD * (1 + len(records) + len(self.changes)) + _BYTES_PER_EDIT * edits

    @property
    def voxels(self) -> int:
        """Voxels of the boxes of its changes."""
        return sum(math.prod(side.stop - side.start for side in change.box) for change in self.changes)


class EditHistory:
    """Steps done and undone. Beyond the bound the oldest are forgotten; the newest is kept whatever its size.

    Args:
        max_bytes: most memory of all steps together.

    Attributes:
        dropped_steps: number of steps that can no longer be undone because of the bound.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._done: deque[Step] = deque()
        self._undone: list[Step] = []
        self._nbytes = 0
        self.dropped_steps = 0

    @property
    def nbytes(self) -> int:
        """Memory of all steps, in bytes."""
        return self._nbytes

    @property
    def undo_name(self) -> str | None:
        """Name of the step that `undo` would give; None where there is none."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the step that `redo` would give; None where there is none."""
        return self._undone[-1].name if self._undone else None

    @property
    def undo_voxels(self) -> int:
        """Voxels of the boxes of the step that `undo` would give."""
        return self._done[-1].voxels if self._done else 0

    @property
    def redo_voxels(self) -> int:
        """Voxels of the boxes of the step that `redo` would give."""
        return self._undone[-1].voxels if self._undone else 0

    def push(self, step: Step) -> None:
        """Add a step that was done; what was undone before can no longer be redone."""
        self._nbytes += step.nbytes - sum(undone.nbytes for undone in self._undone)
        self._undone.clear()
        self._done.append(step)
        while self._nbytes > self._max_bytes and len(self._done) > 1:
            self._nbytes -= self._done.popleft().nbytes
            self.dropped_steps += 1

    def undo(self) -> Step | None:
        """The newest step, which counts as undone from now on; None where there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Step | None:
        """The step that was undone last, which counts as done from now on; None where there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]
