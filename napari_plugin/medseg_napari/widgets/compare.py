"""Compare objects with a reference while they are edited: errors in three colours, scores that follow."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medseg.errors import MedsegError
from medseg_napari.jobs.background import Job
from medseg_napari.layers.patient_view import watch
from medseg_napari.review.boxes import Box
from medseg_napari.review.comparison import Comparison, Difference, SurfaceScores
from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.comparing import (
    COLOURS,
    Compared,
    check_same_place,
    compare,
    differences_layer,
)
from medseg_napari.reviewing.masks import masks_of
from medseg_napari.reviewing.session import Session, begin_session, image_layers, merged, session_of
from medseg_napari.reviewing.source import ReviewSource, source_of
from medseg_napari.reviewing.view import fly_to
from medseg_napari.settings import editor_name
from medseg_napari.widgets.docking import end_with_dock
from medseg_napari.widgets.error_dialog import show_error

_EMPTY = "Open a mask and the reference to compare it with: two layers of labels on one image."
_COUNTING = "…"
_UNDEFINED = "–"
_REST_MS = 600
"""Time without an edit after which the distances are computed again."""
_MOST_VOXELS_NOW = 4_000_000
"""Size of an edit's box up to which the differences follow on the spot."""
_UNITS = {"millimeter": ("mm", 1.0), "micrometer": ("µm", 1000.0)}
_WORDS = {Difference.MISSED: "missed", Difference.SPURIOUS: "spurious", Difference.BOUNDARY: "boundary"}


class CompareWidget(QWidget):
    """Which two masks, their differences, and how much they agree."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        watch(napari_viewer)
        end_with_dock(self, first=self.stop)
        self._session: Session | None = None
        self.comparison: Comparison | None = None
        self.differences: Any = None
        self._job: Job | None = None
        self._surfaces: Job | None = None
        self._update: Job | None = None
        self._waiting: list[ReviewChange] = []
        self._is_outdated = False
        self._reference_left_out = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self._measure_surfaces)
        self._build()
        events = napari_viewer.layers.events
        events.inserted.connect(self._list_layers)
        events.removed.connect(self._list_layers)
        self._list_layers()

    def _build(self) -> None:
        self.objects, self.reference = QComboBox(), QComboBox()
        self.button = QPushButton("Compare")
        self.status = QLabel(_EMPTY)
        self.status.setWordWrap(True)
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setRange(0.0, 100.0)
        self.tolerance.setDecimals(1)
        self.tolerance.setValue(2.0)
        self.tolerance.setToolTip("Surfaces up to this far apart count as the same")
        self.scores = {name: QLabel(_UNDEFINED) for name in ("dice", "hd95", "nsd")}
        form = QFormLayout()
        form.addRow("Objects", self.objects)
        form.addRow("Reference", self.reference)
        form.addRow(self.button)
        form.addRow(self._legend())
        form.addRow("Overlap (Dice)", self.scores["dice"])
        form.addRow("Distance (95 %)", self.scores["hd95"])
        form.addRow("Surface agreement", self.scores["nsd"])
        form.addRow("within", self.tolerance)
        self.list = QListWidget()
        self.list.setToolTip("Click one to see it")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.list, stretch=1)
        layout.addWidget(self.status)
        self.button.clicked.connect(self.start)
        self.objects.currentIndexChanged.connect(self._check)
        self.reference.currentIndexChanged.connect(self._check)
        self.tolerance.valueChanged.connect(lambda _: self._timer.start())
        self.list.itemClicked.connect(self._fly)

    def _legend(self) -> QWidget:
        self.counts = {key: QLabel(word) for key, word in _WORDS.items()}
        legend = QWidget()
        row = QHBoxLayout(legend)
        row.setContentsMargins(0, 0, 0, 0)
        for key, label in self.counts.items():
            sign = QLabel("■")
            sign.setStyleSheet(f"color: {COLOURS[key]}")
            row.addWidget(sign)
            row.addWidget(label)
        row.addStretch(1)
        return legend

    def _list_layers(self, *_: object) -> None:
        layers = masks_of(self._viewer)
        for box, usual in ((self.objects, len(layers) - 1), (self.reference, 0)):
            chosen = box.currentData()
            with QSignalBlocker(box):
                box.clear()
                for layer in layers:
                    box.addItem(layer.name, layer)
                box.setCurrentIndex(next((at for at, one in enumerate(layers) if one is chosen), usual))
        if self.differences is not None and self.differences not in self._viewer.layers:
            self.stop()
        self._check()

    def _check(self, *_: object) -> None:
        """Say what can be compared, or why it cannot."""
        layer, reference = self.objects.currentData(), self.reference.currentData()
        text = ""
        if layer is None or reference is None or layer is reference:
            text = _EMPTY
        else:
            try:
                check_same_place(layer, reference)
            except MedsegError as error:
                text = str(error)
        self.status.setText(text)
        self.button.setEnabled(not text and self._job is None)
        if layer is not None:
            self.tolerance.setSuffix(f" {_unit(layer)[0]}")

    def start(self) -> None:
        """Compare the two chosen layers from now on."""
        self.stop()
        layer, reference = self.objects.currentData(), self.reference.currentData()
        try:
            check_same_place(layer, reference)
            session = session_of(layer)
            source = session.source if session else source_of(layer, image_layers(self._viewer))
        except MedsegError as error:
            self.status.setText(str(error))
            return
        review, other = (one.review if one else None for one in (session, session_of(reference)))
        self._job = Job(
            lambda _progress, _cancelled: compare(layer, reference, source, review, reference_review=other), owner=self
        )
        self._job.done.connect(partial(self._show, layer, reference, source))
        self._job.failed.connect(self._fail)
        self.button.setEnabled(False)
        self.status.setText("Comparing ...")
        self._is_outdated = False
        if session is not None:
            session.changed.disconnect(self._note_change, missing_ok=True)
            session.changed.connect(self._note_change)
        self._job.start()

    def _note_change(self, _: ReviewChange) -> None:
        self._is_outdated = True

    def _show(self, layer: Any, reference: Any, source: ReviewSource, found: Compared) -> None:
        self._job = None
        if layer not in self._viewer.layers or layer.data is not source.labels:
            self._check()
            return
        session = session_of(layer)
        if session is None:
            found.review.editor = editor_name()
            session = begin_session(layer, self._viewer, source=source, review=found.review)
        elif session.review is not found.review or self._is_outdated:
            self.start()  # it was edited while it was compared
            return
        session.changed.disconnect(self._note_change, missing_ok=True)
        self._session, self.comparison, self._reference_left_out = session, found.comparison, found.left_out
        data, settings, _ = differences_layer(layer, reference, found.comparison)
        self.differences = self._viewer.add_labels(data, **settings)
        self.differences.editable = False
        self._viewer.layers.selection.active = layer
        session.changed.connect(self._follow)
        self.button.setEnabled(True)
        self._show_counts()
        self._measure_surfaces()

    def stop(self) -> None:
        """Compare no longer; the layer of differences goes."""
        self._timer.stop()
        for job in (self._job, self._surfaces, self._update):
            if job is not None:
                job.abandon()
        self._job = self._surfaces = self._update = None
        self._waiting = []
        if self._session is not None:
            self._session.changed.disconnect(self._follow, missing_ok=True)
        shown, self.differences = self.differences, None
        self._session = self.comparison = None
        if shown is not None and shown in self._viewer.layers:
            self._viewer.layers.remove(shown)
        self.list.clear()
        for label in self.scores.values():
            label.setText(_UNDEFINED)
        for key, label in self.counts.items():
            label.setText(_WORDS[key])

    def _follow(self, change: ReviewChange) -> None:
        """Follow an edit: at once where its box is small, else beside the window, one after the other."""
        reach = None if self.comparison is None else self.comparison.reach(change)
        if reach is None or self.comparison is None:
            return
        self._waiting.append(change)
        self._timer.stop()
        for label in self.scores.values():
            label.setText(_COUNTING)
        if self._update is None and _voxels(reach) <= _MOST_VOXELS_NOW:
            self.comparison.update(self._waiting.pop())
            self._show_update()
        elif self._update is None:
            self._begin_update()

    def _begin_update(self) -> None:
        comparison, change = self.comparison, merged(self._waiting)
        if comparison is None:
            return
        self._waiting = []
        self._update = Job(lambda _progress, _cancelled: comparison.update(change), owner=self)
        self._update.done.connect(self._end_update)
        self._update.failed.connect(self._fail)
        self._update.start()

    def _end_update(self, _: object) -> None:
        self._update = None
        if self._waiting:
            self._begin_update()
        else:
            self._show_update()

    def _show_update(self) -> None:
        self.differences.refresh(extent=False, highlight=False, thumbnail=False)
        self._show_counts()
        self._timer.start()

    def _show_counts(self) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        left_out = _left_out(len(comparison.rejected), self._reference_left_out)
        self.status.setText(f"The differences follow every edit. {left_out}".strip())
        found = {Difference.MISSED: comparison.missed, Difference.SPURIOUS: comparison.spurious}
        for key, ids in found.items():
            self.counts[key].setText(f"{len(ids)} {_WORDS[key]}")
        self.scores["dice"].setText(_shown(comparison.dice))
        self.list.clear()
        for key, ids in found.items():
            for number in ids:
                item = QListWidgetItem(f"{_WORDS[key]} {number}")
                item.setData(Qt.ItemDataRole.UserRole, (key, number))
                self.list.addItem(item)

    def _fly(self, item: QListWidgetItem) -> None:
        if self.comparison is None or self._session is None:
            return
        key, number = item.data(Qt.ItemDataRole.UserRole)
        box = (
            self.comparison.place_of_missed(number) if key is Difference.MISSED else self._session.review.box_of(number)
        )
        fly_to(self._viewer, self._session.layer, box, None)

    def _measure_surfaces(self) -> None:
        comparison, session = self.comparison, self._session
        if comparison is None or session is None:
            return
        tolerance = self.tolerance.value() / _unit(session.layer)[1]
        if self._surfaces is not None:  # one at a time: the newest state is measured when this one ends
            self._timer.start()
            return
        for name in ("hd95", "nsd"):
            self.scores[name].setText(_COUNTING)
        self._surfaces = Job(
            lambda _progress, _cancelled: comparison.surface_scores(tolerance_mm=tolerance), owner=self
        )
        self._surfaces.done.connect(partial(self._show_surfaces, comparison))
        self._surfaces.failed.connect(self._fail)
        self._surfaces.start()

    def _show_surfaces(self, comparison: Comparison, scores: SurfaceScores) -> None:
        self._surfaces = None
        if comparison is not self.comparison or self._session is None or self._timer.isActive():
            return  # an edit came in between: the next ones are on their way
        unit, factor = _unit(self._session.layer)
        self.scores["hd95"].setText(_shown(scores.hausdorff_95_mm * factor, unit))
        self.scores["nsd"].setText(_shown(scores.nsd))

    def _fail(self, error: BaseException) -> None:
        if self._job is not None and self._is_outdated:
            self.start()  # it was edited while it was compared
            return
        self.stop()
        self._check()
        if isinstance(error, MedsegError):
            self.status.setText(str(error))
        else:
            self.error = show_error(error, title="The masks could not be compared", parent=self)


def _voxels(box: Box) -> int:
    return math.prod(side.stop - side.start for side in box)


def _unit(layer: Any) -> tuple[str, float]:
    """The unit in which the layer is shown, and how many of it are a millimetre (a voxel where no size is known)."""
    return _UNITS.get(str(layer.units[-1]), ("voxels", 1.0))


def _left_out(objects: int, of_reference: int) -> str:
    """Such as: Rejected and left out: 2 objects, 1 of the reference."""
    counts = [f"{objects} object{'' if objects == 1 else 's'}"] if objects else []
    counts += [f"{of_reference} of the reference"] if of_reference else []
    return f"Rejected and left out: {', '.join(counts)}." if counts else ""


def _shown(value: float, unit: str = "") -> str:
    if math.isnan(value):
        return _UNDEFINED
    return f"{value:.3f}" if not unit else f"{value:.1f} {unit}" if math.isfinite(value) else "one of them is empty"
