"""Export of a layer of objects: what, where, and which identity goes with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medseg.errors import MedsegError
from medseg_napari.exporting.export import ExportRequest, ExportResult, check_names, export, free_name
from medseg_napari.exporting.formats import FORMATS, Choices
from medseg_napari.exporting.prepared import prepared
from medseg_napari.exporting.summary import left_out
from medseg_napari.jobs.background import Job, Report
from medseg_napari.layers.back import origin_of
from medseg_napari.layers.origin import Origin
from medseg_napari.reviewing.masks import masks_of
from medseg_napari.widgets.error_dialog import show_error

if TYPE_CHECKING:
    import napari.viewer

_EMPTY = "Open an image and run a model, or draw labels, to begin."
_NOTICE = "Research use only; not a medical device."
_VALUES = {"as the model or the file has it": None, "a number for each class": False, "a number for each object": True}
_COLUMNS = 2
_SIZE = (680, 640)
_STATUS_HEIGHT = 90
_IDENTITY_HEIGHT = 52
"""Pixels: Qt gives a text that wraps too little room in a box."""


_SHOWN: set[ExportDialog] = set()
"""Dialogs that the menu opened: it has nobody to hold them."""


class ExportDialog(QDialog):
    """What is written of which layer, and where.

    Args:
        viewer: whose labels layers can be exported.
        layer: to begin with; absent takes the selected one, else the topmost.
        parent: window over which it is shown.
    """

    def __init__(self, viewer: Any, *, layer: Any = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self._viewer = viewer
        self._job: Job | None = None
        self._written: Path | None = None
        self._build()
        self._list_layers(layer or viewer.layers.selection.active)
        self._connect()
        self._choose_layer()

    def _build(self) -> None:
        self.layer = QComboBox()
        self.kinds = {one.key: QCheckBox(one.title) for one in FORMATS}
        self.values = QComboBox()
        self.values.addItems(list(_VALUES))
        self.without_rejected = QCheckBox("leave out rejected objects")
        self.without_rejected.setChecked(True)
        self.without_rejected.setToolTip("Of every file; the one beside a mask says who rejected which")
        self.with_title = QCheckBox("name the layer in the report")
        self.folder, self.choose = QLineEdit(), QPushButton("Choose ...")
        self.name = QLineEdit()
        places = QHBoxLayout()
        places.addWidget(self.folder, stretch=1)
        places.addWidget(self.choose)
        self.identity, self.status = QLabel(), QPlainTextEdit()
        self.identity.setWordWrap(True)
        self.status.setReadOnly(True)
        self.status.setMinimumHeight(_STATUS_HEIGHT)
        form = QFormLayout()
        form.addRow("Objects", self.layer)
        form.addRow("", self.without_rejected)
        where = QFormLayout()
        where.addRow("Mask holds", self.values)
        where.addRow("Folder", places)
        where.addRow("Name", self.name)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._kinds())
        layout.addLayout(where)
        layout.addWidget(self._identity())
        layout.addWidget(self.status, stretch=1)
        layout.addLayout(self._buttons())
        self.resize(*_SIZE)

    def _kinds(self) -> QGroupBox:
        box = QGroupBox("What to write")
        grid = QGridLayout(box)
        for place, check in enumerate(self.kinds.values()):
            lines = -(-len(self.kinds) // _COLUMNS)
            grid.addWidget(check, place % lines, place // lines)
        return box

    def _identity(self) -> QGroupBox:
        box = QGroupBox("Whose name goes with it")
        layout = QVBoxLayout(box)
        self.identity.setMinimumHeight(_IDENTITY_HEIGHT)
        layout.addWidget(self.identity)
        layout.addWidget(self.with_title)
        return box

    def _buttons(self) -> QHBoxLayout:
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        notice = QLabel(_NOTICE)
        notice.setStyleSheet("font-style: italic")
        self.show_folder = QPushButton("Show folder")
        self.export_button, self.cancel_button = QPushButton("Export"), QPushButton("Close")
        self.export_button.setDefault(True)
        row = QHBoxLayout()
        row.addWidget(notice)
        row.addWidget(self.bar, stretch=1)
        row.addStretch(0)
        for button in (self.show_folder, self.export_button, self.cancel_button):
            row.addWidget(button)
        self.bar.hide()
        self.show_folder.hide()
        return row

    def _connect(self) -> None:
        self.layer.currentIndexChanged.connect(self._choose_layer)
        self.choose.clicked.connect(self._ask_folder)
        self.folder.textChanged.connect(self._check)
        self.name.textChanged.connect(self._check)
        for check in self.kinds.values():
            check.toggled.connect(self._name_anew)
        self.export_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self._stop_or_close)
        self.show_folder.clicked.connect(self._open_folder)

    def _list_layers(self, preferred: Any) -> None:
        for layer in masks_of(self._viewer):
            self.layer.addItem(layer.name, layer)
        places = [index for index in range(self.layer.count()) if self.layer.itemData(index) is preferred]
        self.layer.setCurrentIndex(places[0] if places else self.layer.count() - 1)

    def _choose_layer(self, *_: object) -> None:
        layer = self.layer.currentData()
        if layer is None:
            self._tell(_EMPTY, can_export=False)
            return
        try:
            origin = origin_of(layer)
        except MedsegError as error:
            self._tell(str(error), can_export=False)
            return
        for one in FORMATS:
            obstacle = one.obstacle(origin)
            check = self.kinds[one.key]
            check.setEnabled(not obstacle)
            check.setToolTip(f"{one.title} {obstacle}" if obstacle else "")
            check.setChecked(check.isChecked() and not obstacle)
        if not self._keys():
            self.kinds[_usual(origin)].setChecked(True)
        if not self.folder.text():
            self.folder.setText(str(_folder_of(origin)))
        self._name_anew()

    def _name_anew(self, *_: object) -> None:
        """Mint a name that is free for what is ticked, and say whose identity travels."""
        layer = self.layer.currentData()
        if layer is not None:
            self.name.setText(free_name(Path(self.folder.text() or "."), layer.name, self._keys()))
        ticked = [one for one in FORMATS if one.key in self._keys()]
        sentences = [
            "DICOM files carry the patient's name, number and study, as the series has them."
            if any(one.is_dicom for one in ticked)
            else "",
            "Reports and tables hold nothing of the patient." if any(not one.is_mask for one in ticked) else "",
            "Who edited and judged each object stands beside every mask, in a file of its own."
            if any(one.is_mask for one in ticked)
            else "",
            "The files are called by the name above.",
        ]
        self.identity.setText(" ".join(filter(None, sentences)))
        self.with_title.setEnabled(any(one.is_report for one in ticked))
        self._check()

    def _keys(self) -> tuple[str, ...]:
        return tuple(key for key, check in self.kinds.items() if check.isChecked())

    def request(self) -> ExportRequest:
        """What is chosen now."""
        choices = Choices(
            as_objects=_VALUES[self.values.currentText()],
            with_title=self.with_title.isChecked() and self.with_title.isEnabled(),
        )
        return ExportRequest(Path(self.folder.text()).expanduser(), self.name.text().strip(), self._keys(), choices)

    def _check(self, *_: object) -> None:
        """Say what will be written, or why nothing can be."""
        if self.layer.currentData() is None or self._job is not None:
            return
        request = self.request()
        try:
            if not self.folder.text():
                self._tell("Choose a folder.", can_export=False)
                return
            check_names(request)
        except MedsegError as error:
            self._tell(str(error), can_export=False)
            return
        self._tell("\n".join(["Will be written:", *(path.name for path in request.paths)]), can_export=True)

    def _tell(self, text: str, *, can_export: bool) -> None:
        self.status.setPlainText(text)
        self.export_button.setEnabled(can_export)

    def start(self) -> None:
        """Write what is chosen, beside the window."""
        layer = self.layer.currentData()
        try:
            subject = prepared(layer, self._viewer, leave_out_rejected=self.without_rejected.isChecked())
        except MedsegError as error:
            self._fail(error)
            return
        request = self.request()
        self._job = Job(partial(export, request, subject), owner=self)
        self._job.done.connect(partial(self._finish, request))
        self._job.failed.connect(self._fail)
        self._job.cancelled.connect(lambda: self._end("Cancelled. What was finished before stays."))
        self._job.progressed.connect(self._show_progress)
        self._show_running(is_running=True)
        self._tell("Writing ...", can_export=False)
        self._job.start()

    def _show_progress(self, report: Report) -> None:
        self.bar.setValue(int(100 * report.fraction))

    def _finish(self, request: ExportRequest, result: ExportResult) -> None:
        names = "\n".join(path.name for path in result.paths)
        self._written = request.folder
        self.show_folder.setVisible(bool(result.paths))
        written = f"Written to {request.folder}. {left_out(result.left_out)}".strip()
        self._end(f"{written}\n{names}" if result.paths else "Nothing was written.")
        known = [(title, error) for title, error in result.failures if isinstance(error, MedsegError)]
        if known:
            told = "\n\n".join(f"{title}: {error}" for title, error in known)
            self.error = show_error(MedsegError(told), title="Not written", parent=self)
        for title, error in result.failures:
            if not isinstance(error, MedsegError):
                self.error = show_error(error, title=f"Not written: {title}", parent=self)

    def _fail(self, error: BaseException) -> None:
        self.error = show_error(error, title="The export failed", parent=self)
        self._end("Nothing was written.")

    def _end(self, text: str) -> None:
        self._job = None
        self._show_running(is_running=False)
        self._tell(text, can_export=self._has_free_names())

    def _has_free_names(self) -> bool:
        """Whether the same can be tried again, as after space was made on a full disk."""
        try:
            check_names(self.request())
        except MedsegError:
            return False
        return True

    def _show_running(self, *, is_running: bool) -> None:
        self.bar.setVisible(is_running)
        self.bar.setValue(0)
        self.cancel_button.setText("Cancel" if is_running else "Close")

    def _stop_or_close(self) -> None:
        if self._job is None:
            self.close()
        else:
            self._job.cancel()
            self.status.setPlainText("Stopping ...")

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """A window that is closed wants no result."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        super().closeEvent(event)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to export to", self.folder.text())
        if folder:
            self.folder.setText(folder)
            self._name_anew()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written)))


def open_export(viewer: napari.viewer.Viewer) -> None:
    """The entry of the menu: show the dialog over the window."""
    dialog = ExportDialog(viewer, parent=QApplication.activeWindow())
    _SHOWN.add(dialog)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.finished.connect(lambda _: _SHOWN.discard(dialog))
    dialog.show()


def _usual(origin: Origin) -> str:
    """Kind of file that is ticked at first: what stays closest to the image's own."""
    if origin.image.metadata.instance_uids:
        return "seg"
    return "nifti" if origin.is_patient_volume else "ome_tiff"


def _folder_of(origin: Origin) -> Path:
    """The folder of the image's file, above that of a series; the user's own where there is none."""
    source = origin.image.metadata.source
    folder = Path(source).parent if source else Path.home()
    return folder if folder.is_dir() else Path.home()
