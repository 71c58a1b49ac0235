"""The card of a model: the data, the scores, the limits."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from medseg_napari.segmenting.models import ModelChoice


class ModelCard(QDialog):
    """What a person must know before using a model."""

    def __init__(self, choice: ModelChoice, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(choice.title)
        self.text = QTextBrowser()
        self.text.setSearchPaths([str(choice.folder), str(choice.folder / "docs")])
        self.text.setMarkdown(_card(choice))
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        self.resize(720, 640)


def _card(choice: ModelChoice) -> str:
    try:
        return (choice.folder / "docs" / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{choice.description}\n\nThis model came without a card: nothing is known of its data and its limits."
