"""The rows of controls around the table of objects."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSlider,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from medseg_napari.review.records import ObjectState
from medseg_napari.reviewing.session import Session
from medseg_napari.widgets.object_actions import EDIT, HELP, HISTORY, JUDGE, Action, Call, class_actions
from medseg_napari.widgets.object_edits import ObjectEdits
from medseg_napari.widgets.object_model import ANY

_OUTLINE = 1
"""Width of outlines, in voxels."""
_SMALLEST_REGION, _LARGEST_REGION = 4, 32


class FilterBar(QWidget):
    """Which objects the table shows."""

    changed = Signal()
    least_sure = Signal()

    def __init__(self, classes: tuple[str, ...], *, with_confidence: bool) -> None:
        super().__init__()
        self.classes, self.states, self.words = QComboBox(), QComboBox(), QLineEdit()
        self.classes.addItem("all classes", ANY)
        for name in classes:
            self.classes.addItem(name, name)
        self.states.addItem("all states", ANY)
        for state in ObjectState:
            if state is not ObjectState.REMOVED:
                self.states.addItem(str(state), str(state))
        self.words.setPlaceholderText("number or word")
        self.words.setClearButtonEnabled(True)
        self.by_confidence = QPushButton("least sure first")
        self.by_confidence.setToolTip("Sort so that the objects come first of which the model is least sure")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.by_confidence, self.classes, self.states, self.words):
            layout.addWidget(widget)
        self.classes.setVisible(len(classes) > 1)
        self.by_confidence.setVisible(with_confidence)
        self.classes.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.states.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.words.textChanged.connect(lambda _text: self.changed.emit())
        self.by_confidence.clicked.connect(self.least_sure)

    def choice(self) -> dict[str, str]:
        """What `ObjectFilter.choose` takes."""
        return {
            "class_name": self.classes.currentData(),
            "state": self.states.currentData(),
            "words": self.words.text(),
        }

    def clear(self) -> None:
        """Show all."""
        self.classes.setCurrentIndex(0)
        self.states.setCurrentIndex(0)
        self.words.clear()


class ButtonBar(QWidget):
    """A button for each action, with its key in the tooltip."""

    def __init__(self, classes: tuple[str, ...], call: Call, edits: ObjectEdits) -> None:
        super().__init__()
        self.buttons: dict[str, QToolButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for actions in ((*JUDGE, *HISTORY, *HELP), EDIT):
            bar = QToolBar()
            for action in actions:
                bar.addWidget(self._button(action, call))
                if action.name == "reject" and len(classes) > 1:
                    bar.addWidget(_class_button(classes, call))
            layout.addWidget(bar)
        self.buttons["superpixels"].setCheckable(True)
        self._add_ways_to_split(edits)

    def show_history(self, undo_name: str | None, redo_name: str | None) -> None:
        """Say what undo and redo would do."""
        for name, step in (("undo", undo_name), ("redo", redo_name)):
            action = next(action for action in HISTORY if action.name == name)
            self.buttons[name].setEnabled(step is not None)
            self.buttons[name].setToolTip(f"{action.help} {step or ''} ({action.shown_key})")

    def show_keys(self) -> None:
        """Say which keys hold now."""
        for action in (*JUDGE, *HELP, *EDIT):
            self.buttons[action.name].setToolTip(action.tip)

    def show_strokes(self, is_on: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Whether regions are being painted."""
        self.buttons["superpixels"].setChecked(is_on)

    def _button(self, action: Action, call: Call) -> QToolButton:
        button = QToolButton()
        button.setText(action.text)
        button.setToolTip(action.tip)
        button.setAccessibleName(action.help)
        button.clicked.connect(lambda *_: call(action.name))
        self.buttons[action.name] = button
        return button

    def _add_ways_to_split(self, edits: ObjectEdits) -> None:
        button = self.buttons["split"]
        button.setText(f"{button.text()}   ")  # the arrow is drawn over the end of the text
        menu = QMenu(button)
        ways = {
            "by a line, through all slices": (False, False),
            "by a line, in this slice only": (True, False),
            "by two seeds": (False, True),
        }
        for text, (only_slice, by_seeds) in ways.items():
            entry: Any = menu.addAction(text)
            entry.triggered.connect(_setter(edits, only_slice=only_slice, by_seeds=by_seeds))
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)


def _setter(edits: ObjectEdits, *, only_slice: bool, by_seeds: bool) -> Callable[..., None]:
    def choose(*_: object) -> None:
        edits.only_slice, edits.by_seeds = only_slice, by_seeds
        if edits.drawing is None:
            edits.split()

    return choose


def _class_button(classes: tuple[str, ...], call: Call) -> QToolButton:
    button = QToolButton()
    button.setText("class   ")
    button.setToolTip("Give the selected objects a class (1-9)")
    menu = QMenu(button)
    for action in class_actions(classes):
        entry: Any = menu.addAction(f"{action.key}  {action.text}")
        entry.triggered.connect(lambda *_, name=action.name: call(name))
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button


class LookBar(QWidget):
    """How the objects are drawn, and how large the regions are that superpixels paint."""

    def __init__(self, session: Session, edits: ObjectEdits) -> None:
        super().__init__()
        self._session = session
        self.fill, self.region = QSlider(Qt.Orientation.Horizontal), QSlider(Qt.Orientation.Horizontal)
        self.fill.setRange(0, 100)
        self.fill.setToolTip("Outlines at the left end; from there on filled, more and more opaque")
        self.region.setRange(_SMALLEST_REGION, _LARGEST_REGION)
        self.region.setValue(edits.region_voxels)
        self.region.setToolTip("Size of the regions that superpixels paint")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, slider in (("fill", self.fill), ("regions", self.region)):
            slider.setFixedWidth(90)
            layout.addWidget(QLabel(name))
            layout.addWidget(slider)
        self.fill.valueChanged.connect(self._draw)
        self.region.valueChanged.connect(lambda value: setattr(edits, "region_voxels", value))
        session.viewer.dims.events.ndisplay.connect(self._draw)
        # napari hears of 3-D before any plugin and warns that it draws no outlines there; they are filled right after.
        warnings.filterwarnings("ignore", message="Contours are not displayed")
        self._draw()

    def end(self) -> None:
        """Follow the view no longer."""
        self._session.viewer.dims.events.ndisplay.disconnect(self._draw)

    def _draw(self, *_: object) -> None:
        layer, share = self._session.layer, self.fill.value() / 100
        contour = _OUTLINE if share == 0 and self._session.viewer.dims.ndisplay == 2 else 0
        if layer.contour != contour:
            layer.contour = contour
        layer.opacity = share if share > 0 else 1.0
