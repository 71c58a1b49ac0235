"""How a scan is looked at: the planes of the body, 3-D, and the windows of CT."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medseg_napari.keys import PAGE, key_of
from medseg_napari.layers.patient_view import patient_layer, watch
from medseg_napari.layers.planes import PLANES, plane_shown, show_in_3d, show_plane
from medseg_napari.layers.straight import can_be_straightened
from medseg_napari.layers.window_choice import show_window, windowed_layer
from medseg_napari.layers.windows import WINDOWS, level_and_width, limits_of, window_action
from medseg_napari.settings import follow
from medseg_napari.widgets.docking import end_with_dock
from medseg_napari.widgets.straightening import Straightening, selected

_EMPTY = "Open a scan of a patient to begin."
_3D = "3-D"
_WINDOWS_IN_A_ROW = 3
_MOST_HU = 100_000.0


class ViewWidget(QWidget):
    """The dock for looking."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._windowed: Any | None = None
        watch(napari_viewer)
        end_with_dock(self)
        self._build()
        self._connect()
        self._refresh()

    def _build(self) -> None:
        self.note = QLabel(_EMPTY)
        self.note.setWordWrap(True)
        self.straight = QPushButton("Show straight")
        self.straight.setToolTip("Adds an upright copy along the axes of the body, to look at")
        layout = QVBoxLayout(self)
        layout.addWidget(self.note)
        layout.addWidget(self._planes())
        layout.addWidget(self.straight)
        layout.addWidget(self._windows())
        layout.addStretch(1)

    def _planes(self) -> QGroupBox:
        self.planes = QGroupBox("Plane")
        grid = QGridLayout(self.planes)
        self.plane_buttons = {name: _choice(name) for name in (*PLANES, _3D)}
        for column, button in enumerate(self.plane_buttons.values()):
            grid.addWidget(button, 0, column)
        self.plane_buttons[_3D].setToolTip("From the front, the head up")
        return self.planes

    def _windows(self) -> QGroupBox:
        self.windows = QGroupBox("CT window")
        box = QVBoxLayout(self.windows)
        grid = QGridLayout()
        self.window_buttons = {name: _choice(name) for name in WINDOWS}
        for place, button in enumerate(self.window_buttons.values()):
            grid.addWidget(button, *divmod(place, _WINDOWS_IN_A_ROW))
        self._show_keys()
        self.level, self.width_of_window = _hounsfield(-_MOST_HU), _hounsfield(1.0)
        form = QFormLayout()
        form.addRow("Level", self.level)
        form.addRow("Width", self.width_of_window)
        box.addLayout(grid)
        box.addLayout(form)
        return self.windows

    def _show_keys(self, *_: object) -> None:
        for name, button in self.window_buttons.items():
            level, width = level_and_width(WINDOWS[name])
            key = key_of(window_action(name))
            button.setToolTip(f"Level {level:g}, width {width:g} HU" + (f" (key {key})" if key else ""))

    def _connect(self) -> None:
        follow(PAGE, self._show_keys)
        for name in PLANES:
            self.plane_buttons[name].clicked.connect(partial(self._show, partial(show_plane, name=name)))
        self.plane_buttons[_3D].clicked.connect(partial(self._show, show_in_3d))
        for name, button in self.window_buttons.items():
            button.clicked.connect(partial(self._show, partial(show_window, name=name)))
        self.level.valueChanged.connect(self._set_limits)
        self.width_of_window.valueChanged.connect(self._set_limits)
        self.straight.clicked.connect(self._straighten)
        layers, dims = self._viewer.layers, self._viewer.dims
        for event in (
            layers.events.inserted,
            layers.events.removed,
            layers.selection.events.active,
            dims.events.order,
            dims.events.ndisplay,
        ):
            event.connect(self._refresh)

    def _show(self, show: Any, *_: object) -> None:
        show(self._viewer)
        self._refresh()

    def _straighten(self) -> None:
        self.straight.setEnabled(False)
        self.straightening = Straightening(self._viewer, selected(self._viewer), parent=self)
        self.straightening.ended.connect(self._refresh)
        self.straightening.start()

    def _set_limits(self, *_: object) -> None:
        layer = windowed_layer(self._viewer)
        if layer is not None:
            layer.contrast_limits = limits_of(self.level.value(), self.width_of_window.value())

    def _refresh(self, *_: object) -> None:
        patient = patient_layer(self._viewer)
        self.note.setText(_note(patient))
        self.note.setVisible(bool(self.note.text()))
        self.planes.setEnabled(patient is not None)
        shown = _3D if self._viewer.dims.ndisplay == 3 else plane_shown(self._viewer)
        for name, button in self.plane_buttons.items():
            button.setChecked(patient is not None and name == shown)
        self.straight.setVisible(patient is not None and can_be_straightened(patient))
        self.straight.setEnabled(bool(selected(self._viewer)))
        self._follow(windowed_layer(self._viewer))
        self._show_window()

    def _follow(self, layer: Any | None) -> None:
        """Listen to the window of this layer and of no other."""
        if layer is self._windowed:
            return
        if self._windowed is not None:
            self._windowed.events.contrast_limits.disconnect(self._show_window)
        if layer is not None:
            layer.events.contrast_limits.connect(self._show_window)
        self._windowed = layer

    def _show_window(self, *_: object) -> None:
        layer = self._windowed
        self.windows.setEnabled(layer is not None)
        if layer is None:
            for button in self.window_buttons.values():
                button.setChecked(False)
            return
        limits = tuple(float(value) for value in layer.contrast_limits)
        level, width = level_and_width((limits[0], limits[1]))
        with QSignalBlocker(self.level), QSignalBlocker(self.width_of_window):
            self.level.setValue(level)
            self.width_of_window.setValue(width)
        for name, button in self.window_buttons.items():
            button.setChecked(WINDOWS[name] == limits)


def _note(patient: Any | None) -> str:
    if patient is None:
        return _EMPTY
    if can_be_straightened(patient):
        return "This scan does not lie along the axes of the body. Show it straight to see upright slices."
    return ""


def _choice(name: str) -> QPushButton:
    button = QPushButton(name)
    button.setCheckable(True)
    return button


def _hounsfield(least: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(least, _MOST_HU)
    box.setDecimals(0)
    box.setSingleStep(10)
    box.setSuffix(" HU")
    box.setKeyboardTracking(False)
    return box
