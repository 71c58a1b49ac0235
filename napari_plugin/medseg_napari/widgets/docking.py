"""Where a dock stands when it is first shown: napari puts every plugin's at the right, too narrow for a wide table."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def move_below(widget: QWidget) -> None:
    """Move the dock of a widget from the right of the window to its lower edge; leave it where a person put it."""
    dock = widget.parent()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parent()
    window = None if dock is None else dock.parent()
    if isinstance(dock, QDockWidget) and isinstance(window, QMainWindow) and not dock.isFloating():
        area = Qt.DockWidgetArea
        if window.dockWidgetArea(dock) == area.RightDockWidgetArea:
            window.addDockWidget(area.BottomDockWidgetArea, dock)
