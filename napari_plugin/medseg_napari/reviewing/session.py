"""One review a labels layer, kept in step with what napari shows: strokes, undo, the drawn slice, the features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from psygnal import Signal

from medseg.errors import Cancelled
from medseg_napari.jobs.background import Job
from medseg_napari.review.boxes import Box, union
from medseg_napari.review.review import Review
from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.source import ReviewSource, source_of
from medseg_napari.settings import editor_name, history_bytes

MOST_VOXELS = 2_000_000
"""Voxels of the boxes of objects up to which an edit is made on the spot, in some hundredths of a second."""
_SESSION = "medseg_session"
"""Attribute of a layer under which its session stands: metadata would be shared with a duplicate of the layer."""


class Session:
    """The review of a layer and the layer itself, each told of what happens to the other.

    While it lasts, `layer.undo` and `layer.redo` are the review's, so that napari's keys use the one history.

    Args:
        layer: of labels, with the array of `review`.
        viewer: that shows it.
        source: what the review was made from.
        review: of the layer.

    Attributes:
        changed: emits the `ReviewChange` after the layer shows it; on the GUI thread, unlike the review's own.
    """

    changed = Signal(ReviewChange)

    def __init__(self, layer: Any, viewer: Any, *, source: ReviewSource, review: Review) -> None:
        self.layer = layer
        self.viewer = viewer
        self.source = source
        self.review = review
        self._held: list[ReviewChange] | None = None
        layer.undo, layer.redo = self.undo, self.redo
        layer.events.paint.connect(self._take_stroke)
        review.changed.connect(self._show)
        self._write_features()

    @property
    def is_current(self) -> bool:
        """Whether the layer still has the array that is reviewed."""
        return self.layer.data is self.review.labels

    @property
    def is_held(self) -> bool:
        """Whether an edit is under way beside the window."""
        return self._held is not None

    def undo(self) -> None:
        """Take the newest step back, a large one beside the window."""
        self._step(self.review.undo, self.review.undo_voxels)

    def redo(self) -> None:
        """Do again what was undone last, a large step beside the window."""
        self._step(self.review.redo, self.review.redo_voxels)

    def _step(self, step: Callable[[], object], voxels: int) -> None:
        if self.is_held:
            return
        if voxels <= MOST_VOXELS:
            step()
            return
        self.hold()
        job = Job(lambda _progress, _cancelled: step())
        job.ended.connect(self.release)
        job.start()

    def hold(self) -> None:
        """Let the review be edited from another thread: nothing is drawn, painted or undone until `release`."""
        self._held = []
        self.layer.editable = False

    def release(self) -> None:
        """Show what happened since `hold`."""
        changes, self._held = self._held or [], None
        self.layer.editable = True
        if changes:
            self._show(merged(changes))

    def _take_stroke(self, event: Any) -> None:
        if self.is_current:
            self.review.record_stroke(event.value)

    def _show(self, change: ReviewChange) -> None:
        if self._held is not None:
            self._held.append(change)
            return
        if change.box is not None and self._is_shown(change.box):
            self.layer.refresh(extent=False, highlight=False, thumbnail=False)
        self._write_features()
        self.changed.emit(change)

    def _is_shown(self, box: Box) -> bool:
        """Whether the slice that is shown passes through the box."""
        dims = self.viewer.dims
        place = np.round(self.layer.world_to_data(dims.point)).astype(int)
        beyond = dims.ndim - self.layer.ndim
        hidden = [axis - beyond for axis in dims.not_displayed if axis >= beyond]
        return all(box[axis].start <= place[axis] < box[axis].stop for axis in hidden)

    def _write_features(self) -> None:
        """What napari shows beside the pointer and in its own table of features."""
        table = self.review.table
        records = {number: table.record(number) for number in table.ids}
        self.layer.features = {
            "index": np.array(list(records), dtype=np.int64),
            "class": [record.class_name for record in records.values()],
            "state": [str(record.state) for record in records.values()],
            "confidence": np.array([np.nan if one.confidence is None else one.confidence for one in records.values()]),
        }


def merged(changes: list[ReviewChange]) -> ReviewChange:
    """Several changes, the oldest first, as one."""
    boxes = [change.box for change in changes if change.box is not None]
    ids: dict[int, bool] = {}
    for change in changes:
        ids |= dict.fromkeys(change.ids, True) | dict.fromkeys(change.removed, False)
    present = tuple(number for number, is_there in sorted(ids.items()) if is_there)
    removed = tuple(number for number, is_there in sorted(ids.items()) if not is_there)
    return ReviewChange(union(boxes) if boxes else None, present, removed)


def session_of(layer: Any) -> Session | None:
    """The session of a layer; None where it is not reviewed, or has got another array since."""
    session = getattr(layer, _SESSION, None)
    return session if isinstance(session, Session) and session.is_current else None


def begin_session(layer: Any, viewer: Any, *, source: ReviewSource, review: Review) -> Session:
    """The session of a layer from a review that was made beside the window.

    Raises:
        Cancelled: the layer has got another array since, or was removed.
    """
    if layer.data is not source.labels or layer not in viewer.layers:
        message = f"{layer.name}: changed while it was looked at."
        raise Cancelled(message)
    session = Session(layer, viewer, source=source, review=review)
    setattr(layer, _SESSION, session)
    return session


def review_of(layer: Any, viewer: Any) -> Review:
    """The review of a layer, made here and now where there is none yet: it looks at the whole array once.

    Raises:
        MedsegError: the layer cannot be reviewed; see `source_of`.
    """
    session = session_of(layer)
    if session is None:
        source = source_of(layer, image_layers(viewer))
        session = begin_session(
            layer, viewer, source=source, review=source.review(editor=editor_name(), max_bytes=history_bytes())
        )
    return session.review


def image_layers(viewer: Any) -> list[Any]:
    """The image layers of a viewer, the topmost last."""
    from napari.layers import Image

    return [layer for layer in viewer.layers if isinstance(layer, Image)]
