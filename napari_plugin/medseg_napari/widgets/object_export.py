"""Save masks, DICOM objects and reports of the objects, their table, or who did what with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from medseg.errors import MedsegError
from medseg.files import write_text_atomically
from medseg_napari.exporting.columns import csv_text
from medseg_napari.exporting.prepared import prepared
from medseg_napari.exporting.summary import left_out
from medseg_napari.jobs.background import Job
from medseg_napari.reviewing.session import Session
from medseg_napari.widgets.error_dialog import show_error
from medseg_napari.widgets.export_dialog import ExportDialog


class ExportButton(QToolButton):
    """A menu of what can be saved of a session."""

    def __init__(self, session: Session, say: Callable[[str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._say = session, say
        self.setText("export   ")  # the arrow is drawn over the end of the text
        self.setToolTip("Save masks, DICOM objects, reports, the table, or who did what")
        menu = QMenu(self)
        entries: dict[str, Callable[..., None]] = {
            "Masks, DICOM, reports ...": self.open_dialog,
            "Table (CSV) ...": partial(self._ask, "objects.csv", self.save_table),
            "Who did what (JSON) ...": partial(self._ask, "objects.audit.json", self.save_trail),
        }
        for text, handle in entries.items():
            entry: Any = menu.addAction(text)
            entry.triggered.connect(lambda *_, handle=handle: handle())
        self.setMenu(menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def open_dialog(self) -> None:
        """Everything else that can be written of the objects."""
        self.dialog = ExportDialog(self._session.viewer, layer=self._session.layer, parent=self.window())
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # the window would keep it, and it the layer
        self.dialog.show()

    def save_table(self, path: Path) -> Job | None:
        """Write the table with every object measured but those that were rejected, beside the window."""
        try:
            copied = prepared(self._session.layer, self._session.viewer)
        except MedsegError as error:
            self._refuse(error)
            return None

        def write() -> str:
            subject = copied()
            write_text_atomically(path, csv_text(subject))
            return left_out(len(subject.rejected))

        return self._begin(path, write)

    def save_trail(self, path: Path) -> Job:
        """Write the audit trail."""
        text = self._session.review.audit.to_json()

        def write() -> str:
            write_text_atomically(path, text)
            return ""

        return self._begin(path, write)

    def _begin(self, path: Path, write: Callable[[], str]) -> Job:
        """Write, and tell of it with the sentence that writing gives."""
        job = Job(lambda _progress, _cancelled: write(), owner=self)
        job.done.connect(lambda told: self._say(f"Saved as {path.name}. {told}".strip()))
        job.failed.connect(self._refuse)
        return job.start()

    def _refuse(self, error: BaseException) -> None:
        self.error = show_error(error, title="Not saved", parent=self.window())
        self._say("Not saved.")

    def _ask(self, name: str, save: Callable[[Path], object]) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save", name)
        if path:
            save(Path(path))
