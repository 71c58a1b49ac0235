"""A fine-tuning as it goes on: its curves, the newest picture, the time that is left, and what can be done with it."""

from __future__ import annotations

import logging
from functools import partial

from qtpy.QtCore import QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from medseg_napari.learning.progress import RunProgress, RunState
from medseg_napari.learning.run import FineTuning, discard_run
from medseg_napari.widgets.curves import CurvePlot
from medseg_napari.widgets.question import ask

_MS_BETWEEN_LOOKS = 300
_SCORE_NAMES = {
    "mean_dice": "Dice",
    "v_rand": "V-Rand",
    "panoptic_quality": "Panoptic quality",
    "lesion_f1": "Lesion F1",
}
LEFT = "{} stops learning. What it has learned so far is kept: go on with it in the Learn dock whenever you like."
_STOP = "Make a model of the best so far, or throw this away? Pause keeps everything as it is."
_TOO_EARLY = "Nothing was judged yet, so there is no model to keep. Throw this away?"


class TrainingPanel(QWidget):
    """Controls and curves of one run.

    Attributes:
        finished: emits the run when its model is there.
        state_changed: emits whenever the run starts, stops or is thrown away.
        run: that is shown; None where there is none.
    """

    finished = Signal(object)
    state_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: FineTuning | None = None
        self.question: QMessageBox | None = None
        self._shown: RunProgress | None = None
        self._is_unwanted = False
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(_MS_BETWEEN_LOOKS)
        self._timer.timeout.connect(self.refresh)
        self._show_buttons()

    def _build(self) -> None:
        self.pause_button, self.stop_button = QPushButton("Pause"), QPushButton("Stop")
        self.pause_button.clicked.connect(self.pause_or_go_on)
        self.stop_button.clicked.connect(self.ask_to_stop)
        buttons = QHBoxLayout()
        buttons.addWidget(self.pause_button)
        buttons.addWidget(self.stop_button)
        self.bar, self.status = QProgressBar(), QLabel("")
        self.status.setWordWrap(True)
        self.loss, self.score = CurvePlot("Error in learning"), CurvePlot("Score")
        self.preview = Picture()
        self.preview.setToolTip("A held-back image, what was corrected, what the model answers now, and what differs")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        for widget in (self.bar, self.status, self.score, self.loss, self.preview):
            layout.addWidget(widget)

    def paint_with(self, ink: str) -> None:
        """Draw the curves' captions in the colour of the theme's text."""
        for plot in (self.loss, self.score):
            plot.ink = QColor(ink)
            plot.update()

    def show_run(self, run: FineTuning | None) -> None:
        """Show another run, or none."""
        self.run, self._shown, self._is_unwanted = run, None, False
        self.preview.show_png(b"")
        if run is None:
            self._timer.stop()
            self.status.setText("")
        else:
            self.score.caption = f"{_SCORE_NAMES.get(run.plan.score, run.plan.score)} on held-back images"
            self.refresh()
        self._show_buttons()

    def start(self) -> None:
        """Begin, or go on."""
        if self.run is not None:
            self.run.start()
            self.destroyed.connect(partial(_leave, self.run))  # a panel that is gone cannot follow it
            self._timer.start()
            self.refresh()
            self.state_changed.emit()

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self.run is not None and self.run.is_running

    @property
    def can_go_on(self) -> bool:
        """Whether a run was stopped and waits."""
        return self.run is not None and self.run.progress.state in {RunState.PAUSED, RunState.FAILED}

    def pause_or_go_on(self) -> None:
        """Pause a run that runs; go on with one that does not."""
        if self.run is None:
            return
        if self.run.is_running:
            self.run.pause()
            self.status.setText("Stopping ...")
        else:
            self.start()

    def ask_to_stop(self) -> None:
        """Ask what becomes of the run."""
        if self.run is None:
            return
        has_scores = bool(self.run.progress.scores)
        answers = {"Keep the best so far": self._keep} if has_scores else {}
        text = _STOP if has_scores else _TOO_EARLY
        self.question = ask(text, {**answers, "Throw away": self._throw_away}, title="Stop learning", parent=self)

    def _keep(self) -> None:
        if self.run is not None:
            self.run.finish()
            self._timer.start()
            self.status.setText("Making the model ...")

    def _throw_away(self) -> None:
        run = self.run
        if run is None:
            return
        self._is_unwanted = True
        if run.is_running:
            run.pause()
            self.status.setText("Stopping ...")
        else:
            self._discard(run)

    def _discard(self, run: FineTuning) -> None:
        discard_run(run.folder)
        self.show_run(None)
        self.status.setText("Thrown away. The corrected images are kept.")
        self.state_changed.emit()

    def refresh(self) -> None:
        """Show how far the run is."""
        run = self.run
        if run is None:
            return
        seen = run.progress
        if seen is self._shown:
            return
        if self._is_unwanted and seen.state is not RunState.RUNNING:
            self._discard(run)
            return
        was, self._shown = self._shown, seen
        self.loss.show_points(seen.loss)
        self.score.show_points(seen.scores, level=seen.parent_score, level_name="before")
        if was is None or seen.preview != was.preview:
            self.preview.show_png(seen.preview)
        self._show_bar(seen)
        self._say(run, seen)
        self._show_buttons()
        if seen.state is not RunState.RUNNING:
            self._timer.stop()
            if seen.state is RunState.FINISHED:
                self.finished.emit(run)
            self.state_changed.emit()

    def _show_bar(self, seen: RunProgress) -> None:
        by_clock = self.run is not None and self.run.plan.steps is None
        self.bar.setRange(0, 0 if by_clock and seen.state is RunState.RUNNING else max(1, seen.total_steps))
        self.bar.setValue(seen.step)

    def _say(self, run: FineTuning, seen: RunProgress) -> None:
        words = {
            RunState.RUNNING: self._under_way(seen),
            RunState.PAUSED: f"Stopped, and judged last after {seen.step} steps. Go on whenever you like.",
            RunState.FINISHED: result_of(run),
            RunState.FAILED: seen.message,
        }
        self.status.setText(words[seen.state])

    def _under_way(self, seen: RunProgress) -> str:
        if not seen.scores and seen.parent_score is None:
            return "Reading the images, and judging the model as it is ..."
        if seen.seconds_left is None:
            return "Learning ..."
        minutes, seconds = divmod(round(seen.seconds_left), 60)
        return f"Learning, about {minutes}:{seconds:02d} min left"

    def _show_buttons(self) -> None:
        run, can_go_on = self.run, self.can_go_on
        self.pause_button.setText("Go on" if can_go_on else "Pause")
        self.pause_button.setEnabled(can_go_on or self.is_running)
        self.stop_button.setEnabled(can_go_on or self.is_running)
        for widget in (self.bar, self.score, self.loss, self.preview, self.pause_button, self.stop_button):
            widget.setVisible(run is not None)


def _leave(run: FineTuning, *_: object) -> None:
    """Pause a run that nobody follows any more; with the window gone, only the terminal is left to say so."""
    if run.is_running:
        run.pause()
        logging.getLogger(__name__).warning(LEFT.format(run.name))


def result_of(run: FineTuning) -> str:
    """What a finished run came to, beside its parent."""
    score, before = run.score, run.progress.parent_score
    name = _SCORE_NAMES.get(run.plan.score, run.plan.score)
    if score is None or before is None:
        return f"{run.name} is in the Segment dock. No score could be computed on the held-back images."
    verdict = (
        "It is in the Segment dock." if score > before else "It is no better, and is in the Segment dock all the same."
    )
    return f"{run.name}: {name} {score:.3f} on the held-back images, before it was {before:.3f}. {verdict}"


class Picture(QLabel):
    """A picture as wide as there is room."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumSize(QSize(1, 1))
        self.dialog: QDialog | None = None

    def show_png(self, content: bytes) -> None:
        """Show a picture, or nothing."""
        self._pixmap = QPixmap.fromImage(QImage.fromData(content)) if content else QPixmap()
        self._fit()

    def mousePressEvent(self, _event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Show it in its own size."""
        if self._pixmap.isNull():
            return
        self.dialog = QDialog(self)
        self.dialog.setWindowTitle("A held-back image")
        whole = QLabel()
        whole.setPixmap(self._pixmap)
        layout = QVBoxLayout(self.dialog)
        layout.addWidget(whole)
        self.dialog.show()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Fit the picture in."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._pixmap.isNull():
            self.clear()
        else:
            width = min(max(1, self.width()), self._pixmap.width())
            self.setPixmap(self._pixmap.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation))
