"""The models in a list to choose from, the same in every dock."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox

from medseg_napari.segmenting.models import ModelChoice


def fill_models(box: QComboBox, choices: Sequence[ModelChoice]) -> bool:
    """List the models without a signal, and choose again the one that was chosen; whether it is still there."""
    chosen = box.currentText()
    with QSignalBlocker(box):
        box.clear()
        for choice in choices:
            box.addItem(choice.title)
            box.setItemData(box.count() - 1, choice.description, Qt.ItemDataRole.ToolTipRole)
        place = box.findText(chosen) if chosen else -1
        box.setCurrentIndex(place)
    return place >= 0
