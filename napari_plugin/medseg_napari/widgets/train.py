"""Learn from corrections: collect corrected images, fine-tune the model on them, and use what comes of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from medseg.errors import MedsegError
from medseg_napari.jobs.background import Job
from medseg_napari.jobs.ending import keep_processes_for
from medseg_napari.jobs.learning import Learning, add_to, find_choices, look_at, prepared
from medseg_napari.layers.patient_view import watch
from medseg_napari.layers.results import RESULT, ResultNote
from medseg_napari.learning.corrected import Reviewed, reviewed_layer
from medseg_napari.learning.corrections import Correction
from medseg_napari.learning.fine_tuning import Plan
from medseg_napari.learning.places import learning_home
from medseg_napari.learning.run import FineTuning
from medseg_napari.reviewing.masks import masks_of
from medseg_napari.reviewing.session import image_layers, session_of
from medseg_napari.segmenting.models import ModelChoice
from medseg_napari.segmenting.shelf import shelf_of
from medseg_napari.settings import DEVICES, device_word
from medseg_napari.widgets.docking import end_with_dock
from medseg_napari.widgets.error_dialog import show_error
from medseg_napari.widgets.model_list import fill_models
from medseg_napari.widgets.question import ask
from medseg_napari.widgets.training_panel import LEFT, TrainingPanel

_NOTICE = "Research use only; not a medical device."
_EMPTY = "Run a model in Segment, correct what it found in Objects, then add the image here."
_UNREVIEWED = "Choose a mask that was looked at in the Objects dock, then add its image here."
_PROPOSED = (
    "Neither accepted nor rejected nor changed: {count} of {total} objects. What stays in the mask is learned as "
    "right. Are they right?"
)
_UNITS = ("minutes", "steps")
_DEFAULTS = {"minutes": 10, "steps": 200}


class TrainWidget(QWidget):
    """The dock in which models learn from corrections."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        watch(napari_viewer)
        end_with_dock(self, first=self._leave)
        self.home = learning_home()
        self._shelf = shelf_of(napari_viewer)
        self._choices: list[ModelChoice] = []
        self._learning: Learning | None = None
        self._job: Job | None = None
        self._was_chosen = False
        self.question: QMessageBox | None = None
        self.error: QMessageBox | None = None
        self._build()
        self._connect()
        self._follow_theme()
        self.find_models()

    def _build(self) -> None:
        self.model, self.images = QComboBox(), QListWidget()
        self.images.setMaximumHeight(140)
        self.images.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.images.setToolTip("Images that judge are held back, with all others of their patient or file")
        self.headline, self.status = QLabel(""), QLabel(_EMPTY)
        for label in (self.headline, self.status):
            label.setWordWrap(True)
        self.add_button, self.remove_button = QPushButton("Add this image"), QPushButton("Take out")
        self.add_button.setToolTip("Copies the image and its corrected mask into the set, without patient data")
        self.amount, self.unit = QSpinBox(), QComboBox()
        self.amount.setRange(1, 100_000)
        self.unit.addItems(_UNITS)
        self.amount.setValue(_DEFAULTS[_UNITS[0]])
        self.learn_button = QPushButton("Fine-tune")
        self.panel = TrainingPanel()
        form = QFormLayout()
        form.addRow("Model", self.model)
        form.addRow("Learns from", self.headline)
        notice = QLabel(_NOTICE)
        notice.setStyleSheet("font-style: italic")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.images)
        layout.addLayout(_row(self.add_button, self.remove_button))
        layout.addWidget(self.status)
        layout.addLayout(_row(QLabel("Learn for"), self.amount, self.unit, self.learn_button))
        layout.addWidget(self.panel)
        layout.addWidget(notice)
        layout.addStretch(1)
        self._show_buttons()

    def _connect(self) -> None:
        self.model.activated.connect(self._remember_choice)
        self.model.currentIndexChanged.connect(self._look)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self.take_out)
        self.images.itemSelectionChanged.connect(self._show_buttons)
        self.unit.currentTextChanged.connect(lambda unit: self.amount.setValue(_DEFAULTS[unit]))
        self.learn_button.clicked.connect(self.learn)
        self.panel.finished.connect(self._offer)
        self.panel.state_changed.connect(self._show_buttons)
        self._viewer.layers.events.inserted.connect(self._show_buttons)
        self._viewer.layers.events.removed.connect(self._show_buttons)
        self._viewer.layers.selection.events.active.connect(self._prefer_model_of_layer)
        self._viewer.events.theme.connect(self._follow_theme)
        self._shelf.changed.connect(self.find_models)

    def _follow_theme(self, *_: object) -> None:
        from napari.utils.theme import get_theme

        self.panel.paint_with(get_theme(self._viewer.theme).text.as_hex())

    @property
    def is_busy(self) -> bool:
        """Whether something is read or written beside the window."""
        return self._job is not None

    def find_models(self, *_: object) -> None:
        """Look for models, beside the window."""
        folders = self._shelf.folders
        job = Job(lambda _progress, cancelled: find_choices(folders, cancelled), owner=self)
        job.done.connect(self._list_models)
        job.failed.connect(self._fail)
        job.start()

    def _list_models(self, choices: list[ModelChoice]) -> None:
        chosen = self.model.currentText()
        self._choices = choices
        if not fill_models(self.model, choices):
            with QSignalBlocker(self.model):
                self.model.setCurrentIndex(0)
        if self._learning is None or self.model.currentText() != chosen:
            self._prefer_model_of_layer()
            self._look()

    def _remember_choice(self, *_: object) -> None:
        self._was_chosen = True

    def _prefer_model_of_layer(self, *_: object) -> None:
        """Choose the model whose answer is being corrected, unless the user chose one."""
        layer = self._viewer.layers.selection.active
        note = None if layer is None else layer.metadata.get(RESULT)
        if not self._was_chosen and not self.panel.is_running and isinstance(note, ResultNote) and note.made_by:
            name = note.made_by.model_name
            places = [index for index, choice in enumerate(self._choices) if choice.title.split(" (")[0] == name]
            if places:
                self.model.setCurrentIndex(places[0])
        self._show_buttons()

    def _look(self, *_: object) -> None:
        """Read the set of the chosen model."""
        index = self.model.currentIndex()
        if not 0 <= index < len(self._choices):
            return
        folder, home = self._choices[index].folder, self.home
        self._begin(lambda _progress, cancelled: look_at(folder, home, cancelled), self._show)

    def _show(self, learning: Learning) -> None:
        self._learning = learning
        self._list_images()
        if not self.panel.is_running:
            self.panel.show_run(learning.waiting)

    def _list_images(self) -> None:
        corrections = None if self._learning is None else self._learning.corrections
        if corrections is None:
            return
        self.headline.setText(corrections.headline)
        self.images.clear()
        for number, entry in enumerate(corrections.entries, start=1):
            item = QListWidgetItem(_described(number, entry))
            item.setData(Qt.ItemDataRole.UserRole, entry.case)
            self.images.addItem(item)
        self.status.setText(corrections.lack if corrections.entries else _EMPTY)
        self._show_buttons()

    def add(self) -> None:
        """Add the image of the active mask, after a question where objects were not looked at."""
        layer = self._reviewed_layer()
        if layer is None or self._learning is None:
            self.status.setText(_UNREVIEWED)
            return
        session = session_of(layer)
        assert session is not None  # noqa: S101 - that is how the layer was found
        records = dict(session.review.audit.objects)
        try:
            reviewed = reviewed_layer(layer, records, image_layers(self._viewer))
        except MedsegError as error:
            self._fail(error)
            return
        if not reviewed.proposed:
            self._add(reviewed)
            return
        answers = {
            "They are right": partial(self._add, reviewed),
            "They are wrong": partial(self._add, reviewed.without_proposed()),
        }
        text = _PROPOSED.format(count=reviewed.proposed, total=len(session.review.table))
        self.question = ask(text, answers, title="Add this image", parent=self)

    def _reviewed_layer(self) -> Any | None:
        """The active mask, or with another layer active the topmost mask; None where that was not reviewed."""
        masks, active = masks_of(self._viewer), self._viewer.layers.selection.active
        chosen = active if active in masks else masks[-1] if masks else None
        return None if chosen is None or session_of(chosen) is None else chosen

    def _add(self, reviewed: Reviewed) -> None:
        learning, home = self._learning, self.home
        if learning is not None:
            self.status.setText("Copying ...")
            self._begin(lambda _progress, _cancelled: add_to(learning, reviewed, home), self._list_images)

    def take_out(self) -> None:
        """Take the chosen images out of the set."""
        learning = self._learning
        cases = [item.data(Qt.ItemDataRole.UserRole) for item in self.images.selectedItems()]
        if learning is not None and cases:
            corrections = learning.corrections
            self._begin(lambda _progress, _cancelled: corrections.remove(cases), self._list_images)

    def learn(self) -> None:
        """Fine-tune the model on the set."""
        learning = self._learning
        if learning is None:
            return
        amount, device = self.amount.value(), DEVICES[device_word()]
        by_clock = self.unit.currentText() == "minutes"
        plan = Plan(
            steps=None if by_clock else amount,
            minutes=float(amount) if by_clock else None,
            score=learning.parent.score,
            device=device,
        )
        self._begin(lambda _progress, _cancelled: prepared(learning, plan), self._start)

    def _start(self, run: FineTuning) -> None:
        self.panel.show_run(run)
        self.panel.start()

    def _leave(self) -> None:
        """The dock is closed: say what becomes of a run, which ends with the panel."""
        run = self.panel.run
        if run is not None and run.is_running:
            from napari.utils.notifications import show_info

            show_info(LEFT.format(run.name))

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """From now on there is a window to live in."""
        super().showEvent(event)
        keep_processes_for(self.window())

    def _offer(self, run: FineTuning) -> None:
        if run.folder not in self._shelf.folders:
            self._shelf.offer(run.folder)

    def _begin(self, work: Any, on_done: Any) -> None:
        if self._job is not None:
            self._job.abandon()
        self._job = Job(work, owner=self)
        self._job.done.connect(partial(self._take, on_done))
        self._job.failed.connect(self._fail)
        self._job.start()
        self._show_buttons()

    def _take(self, on_done: Any, result: object) -> None:
        self._job = None
        on_done() if on_done == self._list_images else on_done(result)
        self._show_buttons()

    def _fail(self, error: BaseException) -> None:
        self._job = None
        self.error = show_error(error, title="Learning", parent=self)
        self._list_images()
        self._show_buttons()

    def _show_buttons(self, *_: object) -> None:
        learning = self._learning
        is_free = learning is not None and not self.is_busy and not self.panel.is_running
        can_learn = is_free and not self.panel.can_go_on
        self.model.setEnabled(not self.panel.is_running)
        self.add_button.setEnabled(learning is not None and not self.is_busy and bool(masks_of(self._viewer)))
        self.remove_button.setEnabled(is_free and bool(self.images.selectedItems()))
        self.learn_button.setEnabled(can_learn and learning is not None and not learning.corrections.lack)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _described(number: int, entry: Correction) -> str:
    slices = f"{entry.slices} slices, " if entry.slices else ""
    what = f"Image {number}: {slices}{entry.objects} object{'' if entry.objects == 1 else 's'}, {entry.date}"
    return f"{what}, judges" if entry.judges else what
