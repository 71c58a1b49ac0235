"""Which of several things in a folder to open."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medseg_napari.opening.survey import Entry

_COLUMNS = ("What", "Description", "Size", "State")
_STATE = 3
_READY, _DOUBT, _NO = "✓", "⚠", "–"
_SEEN_BOXES = "QTreeView::indicator:unchecked { border: 1px solid gray }"
"""The dark theme draws an empty box in the colour of its ground."""


class SeriesChooser(QDialog):
    """One row an entry: what it is, its size, and whether it is in order.

    What needs a person's word starts unticked; ticking it is that word, and the sentence beside it says what is taken.
    """

    def __init__(self, entries: Sequence[Entry], *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        count = len(entries)
        self.setWindowTitle(f"{count} things to open" if count > 1 else "This cannot be opened as it is")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.entries = list(entries)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(_COLUMNS)
        self.tree.setRootIsDecorated(False)
        self.tree.setStyleSheet(_SEEN_BOXES)
        for entry in self.entries:
            self.tree.addTopLevelItem(_row(entry))
        self.tree.setColumnHidden(1, not any(entry.description for entry in self.entries))
        for column in range(_STATE):
            self.tree.resizeColumnToContents(column)
        self.tree.itemChanged.connect(self._refresh)
        self.tree.currentItemChanged.connect(self._explain)
        self.explanation = QLabel("Choose what to open.")
        self.explanation.setWordWrap(True)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tree)
        layout.addWidget(self.explanation)
        layout.addWidget(self.buttons)
        self.resize(860, 360)
        self._refresh()
        doubtful = [place for place, entry in enumerate(self.entries) if entry.problem]
        self.tree.setCurrentItem(self.tree.topLevelItem(doubtful[0] if doubtful else 0))  # its sentence in full

    def chosen(self) -> list[Entry]:
        """The ticked entries."""
        items = [self.tree.topLevelItem(index) for index in range(len(self.entries))]
        return [
            entry
            for entry, item in zip(self.entries, items, strict=True)
            if item is not None and item.checkState(0) == Qt.CheckState.Checked
        ]

    def _refresh(self, *_: object) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        if button is not None:
            button.setEnabled(bool(self.chosen()))

    def _explain(self, item: QTreeWidgetItem | None, *_: object) -> None:
        entry = None if item is None else self.entries[self.tree.indexOfTopLevelItem(item)]
        if entry is not None:
            self.explanation.setText(_sentences(entry))


def _row(entry: Entry) -> QTreeWidgetItem:
    item = QTreeWidgetItem([entry.title, entry.description, entry.detail, f"{_mark(entry)} {_words(entry)}"])
    item.setToolTip(_STATE, _sentences(entry))
    if entry.can_open:
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(0, Qt.CheckState.Unchecked if entry.problem else Qt.CheckState.Checked)
    else:
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
    return item


def _mark(entry: Entry) -> str:
    if not entry.problem:
        return _READY
    return _DOUBT if entry.overrule else _NO


def _words(entry: Entry) -> str:
    return entry.problem or "in order"


def _sentences(entry: Entry) -> str:
    if entry.problem and entry.overrule:
        return f"{entry.problem.rstrip('.')}. Tick it to open it all the same; this is recorded in every result."
    return entry.problem or ". ".join(entry.notes) or "In order"
