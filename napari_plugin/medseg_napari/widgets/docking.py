"""Where a dock stands when it is first shown, and what becomes of it when it is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def move_below(widget: QWidget) -> None:
    """Move the dock of a widget from the right of the window to its lower edge; leave it where a person put it.

    napari puts every plugin's dock at the right, which is too narrow for a wide table.
    """
    dock = widget.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    window = None if dock is None else dock.parent()
    if isinstance(dock, QDockWidget) and isinstance(window, QMainWindow) and not dock.isFloating():
        area = Qt.DockWidgetArea
        if window.dockWidgetArea(dock) == area.RightDockWidgetArea:
            window.addDockWidget(area.BottomDockWidgetArea, dock)


def end_with_dock(widget: QWidget, *, first: Callable[[], None] | None = None) -> None:
    """Delete a widget, and with it the work that it owns, as soon as its dock is closed.

    napari takes the content out of a dock that is closed and leaves it to Python's collector: until that comes, it
    would go on to hear of layers, to start work on them and to get the results.

    Args:
        widget: that is, or will be, the content of a dock.
        first: called just before, as long as all is still there.
    """
    widget.installEventFilter(_Closing(widget, first))


class _Closing(QObject):
    def __init__(self, widget: QWidget, first: Callable[[], None] | None) -> None:
        super().__init__(widget)
        self._first = first

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
        """See when the widget is taken out."""
        if event.type() == QEvent.Type.ParentChange and watched.parent() is None:
            if self._first is not None:
                self._first()
            watched.deleteLater()
        return False
