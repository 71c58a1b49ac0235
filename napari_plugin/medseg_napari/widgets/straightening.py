"""Show straight: copies of the selected layers along the axes of the body, made beside the window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QProgressDialog, QWidget

from medseg_napari.jobs.background import Job, Report
from medseg_napari.layers.patient_view import watch
from medseg_napari.layers.placement import ORIGIN, LayerData
from medseg_napari.layers.straight import StraightRequest, can_be_straightened, place_of, straight_copy
from medseg_napari.widgets.error_dialog import show_error

if TYPE_CHECKING:
    import napari.viewer

_NOTHING = (
    "Select a scan, or a mask on one, that does not lie along the axes of the body; the others are straight already."
)
_SHOWN_AFTER_MS = 400
_UNDER_WAY: set[Straightening] = set()
"""Those that run: the entry of the menu has nobody to hold them."""


class Straightening(QObject):
    """One request to show layers straight.

    Args:
        viewer: to which the copies are added.
        layers: to copy.
        parent: window over which the progress is shown.
    """

    ended = Signal()

    def __init__(self, viewer: Any, layers: list[Any], *, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._viewer, self._layers = viewer, layers
        self._data = [layer.data for layer in layers]
        self.dialog = QProgressDialog("Showing it straight ...", "Cancel", 0, 100, parent)
        self.dialog.setWindowTitle("Show straight")
        self.dialog.setMinimumDuration(_SHOWN_AFTER_MS)
        self.error: QWidget | None = None
        requests = [_request(layer) for layer in layers]
        self.job = Job(lambda progress, cancelled: _copies(requests, progress, cancelled), owner=self)
        self.job.progressed.connect(self._show_progress)
        self.job.done.connect(self._add)
        self.job.failed.connect(self._fail)
        self.job.cancelled.connect(self._end)
        self.dialog.canceled.connect(self.job.cancel)
        self.destroyed.connect(partial(_UNDER_WAY.discard, self))

    def start(self) -> Straightening:
        """Begin; returns itself."""
        _UNDER_WAY.add(self)
        self.job.start()
        return self

    def _show_progress(self, report: Report) -> None:
        self.dialog.setValue(min(99, int(100 * report.fraction)))

    def _add(self, copies: list[LayerData]) -> None:
        dims, added = self._viewer.dims, []
        place = place_of(self._layers[0], dims.point)
        for layer, data, (values, settings, kind) in zip(self._layers, self._data, copies, strict=True):
            if layer in self._viewer.layers and layer.data is data:
                copy = getattr(self._viewer, f"add_{kind}")(values, **settings)
                if kind == "labels":
                    copy.contour = layer.contour
                    copy.editable = False  # what is drawn here would not come back onto the scan
                layer.visible = False
                added.append(copy)
        if added:
            dims.set_point(range(dims.ndim - len(place), dims.ndim), place)
            self._viewer.reset_view(layers=added)
        self._end()

    def _fail(self, error: BaseException) -> None:
        self.error = show_error(error, title="This cannot be shown straight", parent=self.dialog.parentWidget())
        self._end()

    def _end(self) -> None:
        self.dialog.canceled.disconnect(self.job.cancel)
        self.dialog.reset()  # close would leave the timer that shows it
        self.dialog.deleteLater()
        _UNDER_WAY.discard(self)
        self.ended.emit()
        self.deleteLater()  # the window, whose child it is, would keep it, and it the arrays


def selected(viewer: Any) -> list[Any]:
    """The selected layers that can be shown straight, in the order of the list."""
    chosen = viewer.layers.selection
    return [layer for layer in viewer.layers if layer in chosen and can_be_straightened(layer)]


def show_straight(viewer: napari.viewer.Viewer) -> Straightening | None:
    """The entry of the Layers menu."""
    from napari.utils.notifications import show_info
    from qtpy.QtWidgets import QApplication

    layers = selected(viewer)
    if not layers:
        show_info(_NOTHING)
        return None
    watch(viewer)
    return Straightening(viewer, layers, parent=QApplication.activeWindow()).start()


def _copies(
    requests: list[StraightRequest], progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> list[LayerData]:
    def progress_after(done: int) -> Callable[[float], None]:
        return lambda part: progress((done + part) / len(requests))

    return [straight_copy(request, progress_after(number), cancelled) for number, request in enumerate(requests)]


def _request(layer: Any) -> StraightRequest:
    from napari.layers import Labels

    are_labels = isinstance(layer, Labels)
    look = {name: getattr(layer, name) for name in ("colormap", "opacity", "blending")}
    if not are_labels:
        look["contrast_limits"] = tuple(layer.contrast_limits)
    name = f"{layer.name}, straight"
    return StraightRequest(layer.metadata[ORIGIN], np.asarray(layer.data), are_labels, name, look)
