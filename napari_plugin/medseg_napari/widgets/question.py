"""A question with a button for each answer, that does not hold the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget


def ask(
    text: str, answers: Mapping[str, Callable[[], None]], *, title: str, parent: QWidget | None = None
) -> QMessageBox:
    """Show the question; returns the dialog.

    Args:
        text: the question.
        answers: words of a button -> what it does; a button that goes back is added.
        title: of the dialog.
        parent: above which it is shown.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    actions = {box.addButton(words, QMessageBox.ButtonRole.AcceptRole): act for words, act in answers.items()}
    box.addButton("Go back", QMessageBox.ButtonRole.RejectRole)

    def answered(button: object) -> None:
        act = next((act for known, act in actions.items() if known is button or known == button), None)
        if act is not None:
            act()

    box.buttonClicked.connect(answered)
    box.setModal(False)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # its parent would keep it, and it what the answers hold
    box.show()
    return box
