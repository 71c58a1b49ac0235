"""Files and folders dropped on a dock open with medseg, without napari asking which plugin should read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget


class DropTarget(QObject):
    """Opens what is dropped on a widget.

    Args:
        widget: on which to drop.
        viewer: to which the layers are added.
    """

    def __init__(self, widget: QWidget, viewer: Any) -> None:
        super().__init__(widget)
        self._widget, self._viewer = widget, viewer
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Take what is dropped; leave all else as it is."""
        if event is None or event.type() not in {QEvent.Type.DragEnter, QEvent.Type.Drop}:
            return super().eventFilter(watched, event)
        dropped: Any = event
        paths = [Path(url.toLocalFile()) for url in dropped.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return False
        dropped.acceptProposedAction()
        if event.type() == QEvent.Type.Drop:
            self._open(paths)
        return True

    def _open(self, paths: list[Path]) -> None:
        from napari.utils.notifications import show_info

        from medseg_napari.opening.flow import Opening

        Opening(self._viewer, paths, parent=self._widget.window(), tell=show_info).start()
