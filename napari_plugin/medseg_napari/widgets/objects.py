"""The dock in which objects are inspected, judged and corrected."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from medseg.errors import Cancelled, MedsegError
from medseg_napari.jobs.background import Job
from medseg_napari.layers.patient_view import watch
from medseg_napari.layers.placement import LayerData
from medseg_napari.review.review import Review
from medseg_napari.reviewing.masks import masks_of
from medseg_napari.reviewing.session import Session, begin_session, image_layers, session_of
from medseg_napari.reviewing.source import ReviewSource, objects_of_classes, shows_classes, source_of
from medseg_napari.settings import editor_name, history_bytes
from medseg_napari.widgets.docking import end_with_dock, move_below
from medseg_napari.widgets.error_dialog import show_error
from medseg_napari.widgets.object_panel import ObjectPanel

_EMPTY = "No objects yet: run a model in Segment, or open a mask."
_CLASSES = "{} shows which class each voxel is of. Objects are its connected regions."
_LOOKING = "Looking for the objects ..."


class ObjectsWidget(QWidget):
    """Which mask, and its objects.

    Attributes:
        panel: of the objects; None while there are none.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        watch(napari_viewer)
        end_with_dock(self, first=self.close_panel)
        self.panel: ObjectPanel | None = None
        self._job: Job | None = None
        self._was_shown = False
        self._build()
        events = napari_viewer.layers.events
        events.inserted.connect(self._list_layers)
        events.removed.connect(self._list_layers)
        napari_viewer.layers.selection.events.active.connect(self._follow_active)
        self._list_layers()

    def _build(self) -> None:
        self.layers, self.headline, self.status = QComboBox(), QLabel(""), QLabel(_EMPTY)
        self.status.setWordWrap(True)
        self.find_button = QPushButton("Find its objects")
        self.find_button.setToolTip("A new layer with a number for each connected region; this one stays as it is")
        self.find_button.clicked.connect(self._find_objects)
        top = QHBoxLayout()
        top.addWidget(self.layers, stretch=1)
        top.addWidget(self.headline, stretch=1)
        self._content = QVBoxLayout(self)
        self._content.addLayout(top)
        self._content.addWidget(self.status)
        self._content.addWidget(self.find_button)
        self.layers.currentIndexChanged.connect(self._choose)
        self._say(_EMPTY)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Stand where a wide table has room, when first shown."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            later = QTimer(self)  # a child, so that it goes with the widget: the window may be closed before it fires
            later.setSingleShot(True)
            later.timeout.connect(self._move_below)
            later.start(0)

    def _move_below(self) -> None:
        move_below(self)

    def _list_layers(self, *_: object) -> None:
        chosen = self.layers.currentData()
        with QSignalBlocker(self.layers):
            self.layers.clear()
            for layer in masks_of(self._viewer):
                self.layers.addItem(layer.name, layer)
            self.layers.setCurrentIndex(self._place_of(chosen))
        if self.layers.currentData() is None or self.layers.currentData() != chosen:
            self._choose()

    def _place_of(self, layer: Any) -> int:
        """Where a layer stands in the list; the last where it is not there."""
        places = [index for index in range(self.layers.count()) if self.layers.itemData(index) == layer]
        return places[0] if places else self.layers.count() - 1

    def _follow_active(self, *_: object) -> None:
        active = self._viewer.layers.selection.active
        places = [index for index in range(self.layers.count()) if self.layers.itemData(index) == active]
        if places:
            self.layers.setCurrentIndex(places[0])

    def _choose(self, *_: object) -> None:
        self.close_panel()
        layer = self.layers.currentData()
        if layer is None:
            self._say(_EMPTY)
            return
        session = session_of(layer)
        if session is not None:
            self._open_panel(session)
            return
        try:
            source = source_of(layer, image_layers(self._viewer))
        except MedsegError as error:
            self._say(str(error))
            return
        self._say(_LOOKING)
        editor, max_bytes = editor_name(), history_bytes()
        self._begin(
            lambda: None if shows_classes(layer) else source.review(editor=editor, max_bytes=max_bytes),
            lambda review: self._take(layer, source, review),
        )

    def _take(self, layer: Any, source: ReviewSource, review: Review | None) -> None:
        if review is None:
            self._say(_CLASSES.format(layer.name), can_find=True)
            return
        try:
            session = session_of(layer) or begin_session(layer, self._viewer, source=source, review=review)
        except Cancelled:
            self._choose()
            return
        self._open_panel(session)

    def _find_objects(self) -> None:
        layer = self.layers.currentData()
        self._say(_LOOKING)
        self._begin(lambda: objects_of_classes(layer), lambda data: self._add(layer, data))

    def _add(self, layer: Any, data: LayerData) -> None:
        labels, settings, _ = data
        layer.visible = False
        added = self._viewer.add_labels(labels, **settings)
        self.layers.setCurrentIndex(self._place_of(added))

    def _begin(self, work: Any, on_done: Any) -> None:
        self._job = Job(lambda _progress, _cancelled: work(), owner=self)
        self._job.done.connect(on_done)
        self._job.failed.connect(self._fail)
        self._job.start()

    def _fail(self, error: BaseException) -> None:
        self._say(str(error) if isinstance(error, MedsegError) else "The objects could not be found.")
        if not isinstance(error, MedsegError):
            self.error = show_error(error, title="The objects could not be found", parent=self)

    def _open_panel(self, session: Session) -> None:
        self._say("")
        self.panel = ObjectPanel(session, self)
        self.panel.headline_changed.connect(self.headline.setText)
        self.panel.show_headline()
        self._content.addWidget(self.panel, stretch=1)

    def close_panel(self) -> None:
        """Leave the layer as any other; its review stays."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self.headline.setText("")
        panel, self.panel = self.panel, None
        if panel is not None:
            panel.end()  # takes the layer of the diameters away, of which this dock hears as well
            self._content.removeWidget(panel)
            panel.deleteLater()

    def _say(self, text: str, *, can_find: bool = False) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
        self.find_button.setVisible(can_find)
