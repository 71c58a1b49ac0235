"""Files and folders dropped on a dock or, while one is open, on the image: medseg opens them without a question."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication, QWidget

from medseg_napari._reader import get_reader

_CHOOSES = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier
"""Keys with which napari asks for a plugin, or makes one stack of several files."""


class DropTarget(QObject):
    """Opens what is dropped on a dock, and on the image what nobody else was chosen for.

    Where several plugins read a folder or file that is dropped on the image, napari asks which is to; an open dock of
    medseg is the answer. What a person chose in napari's preferences, or asks for with Alt or Shift, is left to napari.

    Args:
        widget: the dock.
        viewer: to which the layers are added.
    """

    def __init__(self, widget: QWidget, viewer: Any) -> None:
        super().__init__(widget)
        self._widget, self._viewer = widget, viewer
        self._canvas: weakref.ref[QWidget] | None = None  # it must not outlive its window
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    @property
    def canvas(self) -> QWidget | None:
        """The part of the window that shows the image; None until the dock is shown in one."""
        return None if self._canvas is None else self._canvas()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Take what is dropped; leave all else as it is."""
        if event is None or event.type() not in {QEvent.Type.DragEnter, QEvent.Type.Drop, QEvent.Type.Show}:
            return super().eventFilter(watched, event)
        if event.type() == QEvent.Type.Show:
            self._find_canvas()
            return False
        dropped: Any = event
        paths = [Path(url.toLocalFile()) for url in dropped.mimeData().urls() if url.isLocalFile()]
        if not paths or (watched is self.canvas and not self._is_for_us(event.type(), paths)):
            return False
        dropped.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self._open(paths)
        return True

    def _find_canvas(self) -> None:
        """From when the dock stands in a window."""
        from napari.qt import QtViewer

        window = self._widget.window()
        canvas = None if window is None else window.findChild(QtViewer)
        if canvas is not None and canvas is not self.canvas:
            self._canvas = weakref.ref(canvas)
            canvas.installEventFilter(self)

    def _is_for_us(self, kind: QEvent.Type, paths: list[Path]) -> bool:
        """Whether what lies over the image is medseg's: napari takes a drag itself, and is asked at the drop."""
        if kind != QEvent.Type.Drop:
            return False
        if QApplication.keyboardModifiers() & _CHOOSES:
            return False
        from napari.plugins.utils import get_preferred_reader

        return all(
            get_preferred_reader(str(path)) in {None, "medseg"} and get_reader(str(path)) is not None for path in paths
        )

    def _open(self, paths: list[Path]) -> None:
        from napari.utils.notifications import show_info

        from medseg_napari.opening.flow import Opening

        Opening(self._viewer, paths, parent=self._widget.window(), tell=show_info).start()
