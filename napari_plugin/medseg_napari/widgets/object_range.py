"""Ask for a range of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QWidget

from medseg_napari.reviewing.session import image_layers

_MOST = 1e9


class RangeDialog(QDialog):
    """Lowest and highest value; they begin at the ends of the grey scale that is shown."""

    def __init__(self, viewer: Any, apply: Callable[[float, float], None], *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keep only values")
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        limits = [layer.contrast_limits for layer in image_layers(viewer) if layer.visible]
        for box, value in zip((self.low, self.high), limits[-1] if limits else (0.0, 0.0), strict=True):
            box.setRange(-_MOST, _MOST)
            box.setValue(float(value))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: apply(self.low.value(), self.high.value()))
        form = QFormLayout(self)
        form.addRow("from", self.low)
        form.addRow("to", self.high)
        form.addRow(self.buttons)
