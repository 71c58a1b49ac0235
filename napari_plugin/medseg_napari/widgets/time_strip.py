"""Objects per frame as a strip of bars, linked with the frame slider: cells over time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QPainter, QPalette
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QVBoxLayout, QWidget

from medseg.errors import MedsegError
from medseg_napari.jobs.background import Job
from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.frames import (
    as_time_series,
    count_again,
    is_sequence,
    is_stack_of_slices,
    objects_per_frame,
)
from medseg_napari.reviewing.masks import is_mask
from medseg_napari.reviewing.session import Session, session_of
from medseg_napari.widgets.docking import end_with_dock
from medseg_napari.widgets.error_dialog import show_error

_EMPTY = "Open a mask of a sequence of pictures to see how many objects each of them has."
_HEIGHT = 90
_MARGIN = 4


class TimeStripWidget(QWidget):
    """Which mask, and its objects per frame."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        end_with_dock(self, first=self.stop)
        self._viewer = napari_viewer
        self._job: Job | None = None
        self._session: Session | None = None
        self._layer: Any = None
        self.layers, self.headline, self.bars = QComboBox(), QLabel(_EMPTY), FrameBars()
        self.headline.setWordWrap(True)
        self.as_frames = QPushButton("The slices are frames in time")
        self.as_frames.clicked.connect(self._take_as_frames)
        layout = QVBoxLayout(self)
        for widget in (self.layers, self.headline, self.bars, self.as_frames):
            layout.addWidget(widget)
        layout.addStretch(1)
        events = napari_viewer.layers.events
        events.inserted.connect(self._list_layers)
        events.removed.connect(self._list_layers)
        napari_viewer.dims.events.current_step.connect(self._show_frame)
        self.layers.currentIndexChanged.connect(self.count)
        self.bars.clicked.connect(self._go_to)
        napari_viewer.layers.selection.events.active.connect(self._offer_frames)
        self._list_layers()
        self._offer_frames()

    def _offer_frames(self, *_: object) -> None:
        """A stack does not say whether its slices lie in space or in time: a person does."""
        layer = self._viewer.layers.selection.active
        self.as_frames.setVisible(_is_stack(layer))
        if layer is not None:
            self.as_frames.setToolTip(f"Shows {layer.name} as a time series, so that models take frame by frame")

    def _take_as_frames(self) -> None:
        layer = self._viewer.layers.selection.active
        if not _is_stack(layer):
            return
        for data, settings, _ in as_time_series(layer):
            self._viewer.add_image(data, **settings)
        layer.visible = False

    def _list_layers(self, *_: object) -> None:
        chosen = self.layers.currentData()
        layers = [layer for layer in self._viewer.layers if _is_offered(layer)]
        with QSignalBlocker(self.layers):
            self.layers.clear()
            for layer in layers:
                self.layers.addItem(layer.name, layer)
            usual = len(layers) - 1
            self.layers.setCurrentIndex(next((at for at, one in enumerate(layers) if one is chosen), usual))
        if self.layers.currentData() is not self._layer or not layers:
            self.count()

    def count(self, *_: object) -> None:
        """Count the objects of the chosen mask, beside the window."""
        self.stop()
        self._layer = layer = self.layers.currentData()
        if layer is None:
            return
        self.headline.setText("Counting ...")
        data = layer.data
        self._job = Job(lambda _progress, _cancelled: objects_per_frame(data), owner=self)
        self._job.done.connect(partial(self._show, layer, data))
        self._job.failed.connect(self._fail)
        self._job.start()
        layer.events.paint.connect(self._recount)
        layer.events.features.connect(self._meet_session)
        self._session = session_of(layer)
        if self._session is not None:
            self._session.changed.connect(self._follow)

    def stop(self) -> None:
        """Follow no mask any more."""
        if self._job is not None:
            self._job.abandon()
        self._job = None
        if self._session is not None:
            self._session.changed.disconnect(self._follow, missing_ok=True)
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._recount)
            self._layer.events.features.disconnect(self._meet_session)
        self._session = self._layer = None
        self.bars.show_counts(np.zeros(0, dtype=np.int64))
        self.headline.setText(_EMPTY)

    def _show(self, layer: Any, data: Any, counts: NDArray[np.int64]) -> None:
        self._job = None
        if layer.data is data:
            self.bars.show_counts(counts)
            self._show_frame()

    def _fail(self, error: BaseException) -> None:
        self._job = None
        self.error = show_error(error, title="The objects could not be counted", parent=self)

    def _follow(self, change: ReviewChange) -> None:
        if self._job is not None:  # it counts what is no longer so
            self.count()
        elif change.box is not None and self.bars.counts.size:
            count_again(self.bars.counts, self._layer.data, change.box)
            self._show_frame()
            self.bars.update()

    def _recount(self, event: Any) -> None:
        """A stroke changed some frames; where there is a session, that tells of it."""
        if self._session is not None or not self.bars.counts.size:
            return
        frames = np.concatenate([np.ravel(stroke[0][0]) for stroke in event.value])
        if frames.size:
            around = (slice(int(frames.min()), int(frames.max()) + 1),)
            count_again(self.bars.counts, self._layer.data, around)
            self._show_frame()
            self.bars.update()

    def _meet_session(self, _: Any) -> None:
        """A review of the mask may have begun since: it writes the features of the layer."""
        session = session_of(self._layer)
        if session is not None and session is not self._session:
            self.count()

    def _show_frame(self, *_: object) -> None:
        if self._layer is None or not self.bars.counts.size:
            return
        place = self._layer.world_to_data(self._viewer.dims.point)[0]
        frame = int(np.clip(round(float(place)), 0, self.bars.counts.size - 1))
        self.bars.show_frame(frame)
        count = int(self.bars.counts[frame])
        last = self.bars.counts.size - 1
        self.headline.setText(f"Frame {frame} of 0-{last}: {count} object{'' if count == 1 else 's'}")

    def _go_to(self, frame: int) -> None:
        axis = self._viewer.dims.ndim - self._layer.ndim
        world = self._layer.data_to_world((frame, 0, 0))[0]
        self._viewer.dims.set_point(axis, world)


class FrameBars(QWidget):
    """A bar a frame, the shown one bright.

    Attributes:
        clicked: emits the frame that was clicked.
        counts: (frames,) objects.
        frame: that is shown.
    """

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.frame = 0
        self.setFixedHeight(_HEIGHT)

    def show_counts(self, counts: NDArray[np.int64]) -> None:
        """Draw these counts."""
        self.counts = counts
        self.update()

    def show_frame(self, frame: int) -> None:
        """Draw this frame bright."""
        self.frame = frame
        self.update()

    def frame_at(self, x: float) -> int:
        """Frame whose bar is at `x` pixels from the left."""
        width = max(1.0, self.width() - 2 * _MARGIN)
        return int(np.clip((x - _MARGIN) / width * self.counts.size, 0, self.counts.size - 1))

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Go to the frame under the pointer."""
        if self.counts.size:
            self.clicked.emit(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Follow the pointer while a button is pressed."""
        self.mousePressEvent(event)

    def paintEvent(self, _: Any) -> None:  # noqa: N802 - Qt's name
        """Draw the bars and the largest count, in the colours of the theme."""
        if not self.counts.size:
            return
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        dim = self.palette().color(QPalette.ColorRole.WindowText)
        dim.setAlphaF(0.35)
        width = (self.width() - 2 * _MARGIN) / self.counts.size
        highest = max(1, int(self.counts.max()))
        room = self.height() - 2 * _MARGIN - painter.fontMetrics().height()
        gap = 1.0 if width > 3 else 0.0
        for frame, count in enumerate(self.counts):
            height = room * int(count) / highest
            place = QRectF(_MARGIN + frame * width, self.height() - _MARGIN - height, max(1.0, width - gap), height)
            painter.fillRect(place, text if frame == self.frame else dim)
        painter.setPen(text)
        line = QRectF(_MARGIN, 0, self.width() - 2 * _MARGIN, painter.fontMetrics().height())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, f"most: {highest}")
        painter.end()


def _is_stack(layer: Any) -> bool:
    from napari.layers import Image

    if not isinstance(layer, Image):
        return False
    try:
        return is_stack_of_slices(layer)
    except MedsegError:
        return False


def _is_offered(layer: Any) -> bool:
    if not is_mask(layer):
        return False
    try:
        return is_sequence(layer)
    except MedsegError:  # a layer that is turned has no frames
        return False
