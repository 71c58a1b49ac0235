"""A failure in plain words: what happened, to which file, what to do; the details behind a fold."""

from __future__ import annotations

import traceback

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QMessageBox, QWidget

from medseg.errors import MedsegError

_UNFORESEEN = "Something happened that medseg did not foresee. Nothing that was finished is lost."


def show_error(error: BaseException, *, title: str, parent: QWidget | None) -> QMessageBox:
    """Show `error` without blocking the window; returns the dialog."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setText(str(error) if isinstance(error, MedsegError) else _UNFORESEEN)
    if not isinstance(error, MedsegError):
        box.setInformativeText(f"{type(error).__name__}. The details help whoever mends it; they name files.")
        box.setDetailedText("".join(traceback.format_exception(error)))
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    for button in box.buttons():
        button.setIcon(QIcon())  # those of the style are dark in a dark theme as well
    box.setModal(False)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # its parent, a window, would keep it
    box.show()
    return box
