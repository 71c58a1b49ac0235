"""Opening as a person does it: survey beside the window, ask where there is a choice, read beside the window, add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QProgressDialog, QWidget

from medseg.errors import Cancelled
from medseg.images import Image
from medseg_napari.jobs.background import Job
from medseg_napari.jobs.ending import keep_processes_for
from medseg_napari.layers.patient_view import watch
from medseg_napari.layers.placement import ORIGIN
from medseg_napari.opening.reading import Opened, opened
from medseg_napari.opening.stopping import stopped_when
from medseg_napari.opening.survey import Entry, survey
from medseg_napari.settings import shows_file_names
from medseg_napari.widgets.error_dialog import show_error
from medseg_napari.widgets.series_chooser import SeriesChooser

Tell = Callable[[str], None]
_MOMENT_MS = 700


class Opening(QObject):
    """One request to open paths, from the first look to the last layer.

    Args:
        viewer: to which the layers are added.
        paths: files or folders.
        parent: window over which dialogs stand.
        tell: shows a sentence to the user without asking for an answer.
    """

    ended = Signal()

    def __init__(self, viewer: Any, paths: Sequence[Path], *, parent: QWidget | None, tell: Tell) -> None:
        super().__init__(parent)
        self._viewer, self._parent, self._tell = viewer, parent, tell
        self._paths = list(dict.fromkeys(paths))  # the same file twice is one
        self._waiting: list[Entry] = []
        self._patience: QProgressDialog | None = None
        self.chooser: SeriesChooser | None = None
        self.error: QWidget | None = None
        if parent is not None:
            keep_processes_for(parent.window())
        self.ended.connect(self._end_patience)
        self.ended.connect(self.deleteLater)  # the window, whose child it is, would keep it

    def start(self) -> Opening:
        """Begin; returns itself."""
        names = shows_file_names()  # asked here: napari's preferences belong to this thread
        paths = self._paths
        self._run(
            "Looking what is there ...",
            lambda _progress, _cancelled: survey(paths, with_file_names=names),
            self._choose,
        )
        return self

    def cancel(self) -> None:
        """Open nothing more; what was added before stays."""
        self._waiting = []
        self._end_patience()
        self.job.cancel()

    def _run(self, told: str, work: Callable[..., Any], then: Callable[[Any], None]) -> None:
        self._show_patience(told)
        self.job = Job(work, owner=self)
        self.job.done.connect(self._end_patience)
        self.job.failed.connect(self._end_patience)
        self.job.done.connect(then)
        self.job.failed.connect(self._fail)
        self.job.cancelled.connect(self.ended)
        self.job.start()

    def _show_patience(self, told: str) -> None:
        """A window with Cancel, for what takes more than a moment."""
        self._end_patience()
        self._patience = dialog = QProgressDialog(told, "Cancel", 0, 0, self._parent)
        dialog.setWindowTitle("medseg")
        dialog.setWindowModality(Qt.WindowModality.NonModal)
        dialog.setMinimumDuration(_MOMENT_MS)
        dialog.canceled.connect(self.cancel)

    def _end_patience(self, *_: object) -> None:
        dialog, self._patience = self._patience, None
        if dialog is not None:
            dialog.canceled.disconnect(self.cancel)
            dialog.reset()
            dialog.deleteLater()

    def _choose(self, entries: list[Entry]) -> None:
        if len(entries) == 1 and not entries[0].problem:
            self._open(entries)
            return
        self.chooser = SeriesChooser(entries, parent=self._parent)
        self.chooser.accepted.connect(lambda: self._open(self.chooser.chosen() if self.chooser else []))
        self.chooser.rejected.connect(self.ended)
        self.chooser.open()

    def _open(self, entries: list[Entry]) -> None:
        self._waiting = list(entries)
        self._next()

    def _next(self) -> None:
        if not self._waiting:
            self.ended.emit()
            return
        entry = self._waiting.pop(0)
        images = _open_images(self._viewer)
        self._run(f"Opening {entry.title} ...", partial(_read, entry, images), self._add)

    def _add(self, result: Opened) -> None:
        watch(self._viewer)
        for data, settings, kind in result.layers:
            getattr(self._viewer, f"add_{kind}")(data, **settings)
        if result.notes:
            self._tell(". ".join(result.notes))
        self._next()

    def _fail(self, error: BaseException) -> None:
        self.error = show_error(error, title="This cannot be opened", parent=self._parent)
        if self._waiting:
            self._next()
        else:
            self.ended.emit()


def _read(
    entry: Entry, images: list[Image], _progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> Opened:
    with stopped_when(cancelled):
        result = opened(entry, images=images)
    if cancelled():
        raise Cancelled(str(entry.path))
    return result


def _open_images(viewer: Any) -> list[Image]:
    """The images behind the layers, each once."""
    origins = [layer.metadata[ORIGIN] for layer in viewer.layers if ORIGIN in layer.metadata]
    return list({id(origin.image): origin.image for origin in origins}.values())
