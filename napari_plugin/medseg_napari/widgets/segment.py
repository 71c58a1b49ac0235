"""Choose a model, see whether it fits the image, run it, and get the result on the image it was made from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from medseg.errors import MedsegError
from medseg.images import Image
from medseg.io.time_series import frame_of
from medseg_napari.jobs.background import IsCancelled, Job, Progress, Report
from medseg_napari.jobs.ending import keep_processes_for
from medseg_napari.jobs.worker_process import MODELS
from medseg_napari.layers.back import origin_of
from medseg_napari.layers.patient_view import watch
from medseg_napari.layers.placement import LayerData
from medseg_napari.layers.results import RESULT, ResultNote, objects_layer, probability_layers
from medseg_napari.layers.straight import STRAIGHT_OF
from medseg_napari.segmenting.fit import Fit, best_fitting
from medseg_napari.segmenting.models import ModelChoice
from medseg_napari.segmenting.run import Box, RunRequest, RunResult
from medseg_napari.segmenting.shelf import shelf_of
from medseg_napari.settings import DEVICES, device_word
from medseg_napari.widgets.docking import end_with_dock
from medseg_napari.widgets.dropping import DropTarget
from medseg_napari.widgets.error_dialog import show_error
from medseg_napari.widgets.model_card import ModelCard
from medseg_napari.widgets.model_list import fill_models

_NOTICE = "Research use only; not a medical device."
_ROOM = "medseg_napari.segmenting"
_EMPTY = "Open an image to begin, or drop a folder here."
_FOREIGN = "This layer is of a kind that medseg cannot take over. Open its file with medseg instead."
_NONE_FITS = (
    "No model here was trained on images like this one. Choose one above to see what differs, add your own with +, "
    "or correct a mask drawn by hand and train on it in the Learn dock."
)


class SegmentWidget(QWidget):
    """The dock in which models are run."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        watch(napari_viewer)
        end_with_dock(self)
        self._choices: list[ModelChoice] = []
        self._queue: list[Any] = []
        self._job: Job | None = None
        self._looking: Job | None = None
        self._fits: list[Fit] = []
        self._was_chosen = False
        self._shelf = shelf_of(napari_viewer)
        self._build()
        self._connect()
        self.drops = DropTarget(self, napari_viewer)
        self.refresh_models()
        self._list_images()

    def _build(self) -> None:
        self.image, self.model = QComboBox(), QComboBox()
        self.card = QToolButton()
        self.card.setText("i")
        self.card.setToolTip("What the model was trained on, how well it does, and its limits")
        self.add_model = QToolButton()
        self.add_model.setText("+")
        self.add_model.setToolTip("Add a model: a package, or the folder of a training")
        models = QHBoxLayout()
        models.addWidget(self.model, stretch=1)
        models.addWidget(self.card)
        models.addWidget(self.add_model)
        self.model.setPlaceholderText("choose a model")
        self.fit = QLabel(_EMPTY)
        self.fit.setWordWrap(True)
        self.whole, self.in_view = QRadioButton("whole image"), QRadioButton("what I see")
        self.whole.setChecked(True)
        self._regions = QButtonGroup(self)
        regions = QHBoxLayout()
        for button in (self.whole, self.in_view):
            self._regions.addButton(button)
            regions.addWidget(button)
        form = QFormLayout()
        form.addRow("Image", self.image)
        form.addRow("Model", models)
        form.addRow("", self.fit)
        form.addRow("Region", regions)
        self.run_button, self.cancel_button = QPushButton("Run"), QPushButton("Cancel")
        self.all_images = QPushButton("Run on all images")
        buttons = QHBoxLayout()
        for press in (self.run_button, self.all_images, self.cancel_button):
            buttons.addWidget(press)
        self.bar, self.status = QProgressBar(), QLabel("")
        self.bar.setRange(0, 100)
        self.status.setWordWrap(True)
        notice = QLabel(_NOTICE)
        notice.setStyleSheet("font-style: italic")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._more())
        layout.addLayout(buttons)
        for widget in (self.bar, self.status, notice):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._show_running(is_running=False)

    def _more(self) -> QGroupBox:
        self.device = QComboBox()
        self.device.addItems(list(DEVICES))
        self.device.setCurrentText(device_word())
        self.probabilities = QCheckBox("also show how sure the model is")
        box = QGroupBox("More")
        form = QFormLayout(box)
        form.addRow("Runs on", self.device)
        form.addRow("", self.probabilities)
        return box

    def _connect(self) -> None:
        events = self._viewer.layers.events
        events.inserted.connect(self._list_images)
        events.removed.connect(self._list_images)
        self.image.currentIndexChanged.connect(self._look)
        self.model.activated.connect(self._remember_choice)
        self.model.currentIndexChanged.connect(self._show_fit)
        self.run_button.clicked.connect(self.start)
        self.all_images.clicked.connect(self.start_all)
        self.cancel_button.clicked.connect(self.cancel)
        self.card.clicked.connect(self._show_card)
        self.add_model.clicked.connect(self._ask_for_model)
        self._shelf.changed.connect(self.refresh_models)

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """From now on there is a window to live in."""
        super().showEvent(event)
        keep_processes_for(self.window())

    def refresh_models(self, *_: object) -> None:
        """Look for models again, beside the window."""
        job = Job(partial(_choices_in_process, self._shelf.folders), owner=self)
        job.done.connect(self._list_models)
        job.failed.connect(self._fail)
        job.start()

    def _list_models(self, choices: list[ModelChoice]) -> None:
        self._choices = choices
        self._was_chosen &= fill_models(self.model, choices)
        self._look()

    def _list_images(self, *_: object) -> None:
        chosen = self.image.currentData()
        with QSignalBlocker(self.image):
            self.image.clear()
            for layer in self._viewer.layers:
                if _is_image(layer):
                    self.image.addItem(layer.name, layer)
            places = [index for index in range(self.image.count()) if self.image.itemData(index) is chosen]
            self.image.setCurrentIndex(places[0] if places else self.image.count() - 1)
        self.all_images.setVisible(self.image.count() > 1)
        self._look()

    def _remember_choice(self, *_: object) -> None:
        self._was_chosen = True

    def _look(self, *_: object) -> None:
        """See how the image fits each model, beside the window."""
        layer = self.image.currentData()
        if self._looking is not None:
            self._looking.abandon()
            self._looking = None
        self._fits = []
        self.run_button.setEnabled(False)
        if layer is None or not self._choices:
            self.fit.setText(_EMPTY if layer is None else "Looking for models ...")
            return
        try:
            origin = origin_of(layer)
        except MedsegError as error:
            self.fit.setText(str(error))
            return
        except Exception:  # noqa: BLE001 - a layer of another plugin can be anything, and the window lives on
            self.fit.setText(_FOREIGN)
            return
        image = origin.image if origin.times is None else frame_of(origin.image, 0)
        self.fit.setText("Looking which model fits ...")
        folders = [choice.folder for choice in self._choices]
        self._looking = Job(partial(_fits_in_process, folders, image), owner=self)
        self._looking.done.connect(partial(self._propose, image))
        self._looking.failed.connect(self._fail)
        self._looking.start()

    def _propose(self, image: Image, fits: list[Fit]) -> None:
        """Choose the model whose training images were most like this one, unless the user chose one that can run."""
        self._fits = fits
        self._was_chosen &= self._fit() is not None and fits[self.model.currentIndex()].can_run
        if not self._was_chosen:
            best = best_fitting(self._choices, fits, image)
            with QSignalBlocker(self.model):
                self.model.setCurrentIndex(-1 if best is None else best)
        self._show_fit()

    def _fit(self) -> Fit | None:
        index = self.model.currentIndex()
        return self._fits[index] if 0 <= index < len(self._fits) else None

    def _show_fit(self, *_: object) -> None:
        if not self._fits:
            return
        fit = self._fit()
        if fit is None:
            self.fit.setText(_NONE_FITS)
        elif not fit.can_run:
            self.fit.setText("✗ " + " ".join(fit.sentences))
        elif fit.sentences:
            self.fit.setText("⚠ " + ". ".join(fit.sentences) + ". You can run it anyway.")
        else:
            self.fit.setText("✓ fits this image")
        self.run_button.setEnabled(fit is not None and fit.can_run and not self.is_running)
        self.all_images.setEnabled(self.run_button.isEnabled())

    def _choice(self) -> ModelChoice | None:
        index = self.model.currentIndex()
        return self._choices[index] if 0 <= index < len(self._choices) else None

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._job is not None

    def start(self) -> None:
        """Run the chosen model over the chosen image."""
        self._begin(self.image.currentData())

    def start_all(self) -> None:
        """Run the chosen model over every image, one after the other."""
        layers = [self.image.itemData(index) for index in range(self.image.count())]
        self._queue = layers[1:]
        self._begin(layers[0])

    def cancel(self) -> None:
        """Stop; nothing of an unfinished run is shown."""
        self._queue = []
        if self._job is not None:
            self._job.cancel()
            self.status.setText("Stopping ...")

    def _begin(self, layer: Any) -> None:
        choice = self._choice()
        if choice is None or layer is None or self.is_running:
            return
        request = RunRequest(
            choice.folder,
            origin_of(layer),
            box=_visible_box(self._viewer, layer) if self.in_view.isChecked() else None,
            device=DEVICES[self.device.currentText()],
            with_probabilities=self.probabilities.isChecked(),
        )
        self._job = Job(partial(_run_in_process, request), owner=self)
        self._job.done.connect(partial(self._show_result, layer, layer.data))
        self._job.failed.connect(self._fail)
        self._job.cancelled.connect(lambda: self._end("Cancelled. Nothing was changed."))
        self._job.progressed.connect(self._show_progress)
        self._show_running(is_running=True)
        self.status.setText(f"{choice.title} is looking at {layer.name} ...")
        self._job.start()

    def _show_progress(self, report: Report) -> None:
        self.bar.setValue(int(100 * report.fraction))
        if report.seconds_left is not None:
            self.status.setText(f"about {_spoken(report.seconds_left)} left")

    def _show_result(self, layer: Any, data: Any, result: RunResult) -> None:
        if layer not in self._viewer.layers or layer.data is not data:
            self._end("The image was closed or changed while the model ran, so its result is not shown.")
            return
        for values, settings, kind in _layers_of(result, layer):
            getattr(self._viewer, f"add_{kind}")(values, **settings)
        count = len(result.class_of)
        self._end(f"{count} object{'s' if count != 1 else ''} found." + _sentences(result.notes))

    def _fail(self, error: BaseException) -> None:
        self.error = show_error(error, title="The model could not be run", parent=self)
        self._end("The run failed. Nothing was changed.")

    def _end(self, text: str) -> None:
        self._job = None
        self._show_running(is_running=False)
        self.status.setText(text)
        while self._queue:
            layer = self._queue.pop(0)
            if layer in self._viewer.layers:
                self._begin(layer)
                return

    def _show_running(self, *, is_running: bool) -> None:
        self.bar.setVisible(is_running)
        self.bar.setValue(0)
        fit = self._fit()
        self.run_button.setEnabled(not is_running and fit is not None and fit.can_run)
        self.all_images.setEnabled(self.run_button.isEnabled())
        self.cancel_button.setEnabled(is_running)

    def _show_card(self) -> None:
        choice = self._choice()
        if choice is not None:
            self.card_dialog = ModelCard(choice, parent=self)
            self.card_dialog.show()

    def _ask_for_model(self) -> None:
        from qtpy.QtWidgets import QFileDialog

        folder = QFileDialog.getExistingDirectory(self, "A model package, or the folder of a training")
        if folder:
            self.offer(Path(folder))

    def offer(self, folder: Path) -> None:
        """Add a model package or the folder of a training to the choice."""
        self._shelf.offer(folder)


def _choices_in_process(folders: tuple[Path, ...], _: Progress, cancelled: IsCancelled) -> list[ModelChoice]:
    choices: list[ModelChoice] = MODELS.call(f"{_ROOM}.models:model_choices", folders, cancelled=cancelled)
    return choices


def _fits_in_process(folders: list[Path], image: Image, _: Progress, cancelled: IsCancelled) -> list[Fit]:
    fits: list[Fit] = MODELS.call(f"{_ROOM}.fit:fits_of", folders, image, cancelled=cancelled)
    return fits


def _run_in_process(request: RunRequest, progress: Progress, cancelled: IsCancelled) -> RunResult:
    result: RunResult = MODELS.call(f"{_ROOM}.run:run", request, progress=progress, cancelled=cancelled)
    return result


def _layers_of(result: RunResult, layer: Any) -> list[LayerData]:
    origin = origin_of(layer)
    note = ResultNote(result.table, result.class_of, result.confidence, result.made_by, result.notes, result.label_map)
    name = f"{layer.name}, {result.made_by.model_name}"
    objects = objects_layer(origin, result.numbers, note, name=name)
    if result.probabilities is None:
        return [objects]
    return [*probability_layers(origin, result.probabilities, result.table, name=name), objects]


def _is_image(layer: Any) -> bool:
    from napari.layers import Image

    return isinstance(layer, Image) and not {RESULT, STRAIGHT_OF} & set(layer.metadata)


def _visible_box(viewer: Any, layer: Any) -> Box:
    """The part of the layer inside the canvas along the two displayed axes, whole along the others."""
    corners = np.asarray(layer.corner_pixels)
    displayed = set(viewer.dims.displayed[-2:])
    shape = origin_of(layer).shape
    return tuple(
        slice(int(max(0, corners[0, axis])), int(min(size, corners[1, axis] + 1)))
        if axis in displayed
        else slice(0, size)
        for axis, size in enumerate(shape)
    )


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{max(1, rest)} s"


def _sentences(notes: tuple[str, ...]) -> str:
    return "".join(f" {note[:1].upper()}{note[1:]}." for note in notes)
