"""Two small curves of a training, drawn by Qt itself: a chart library would hold the window while it draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

Points = Sequence[tuple[float, float]]

_CURVE = QColor("#e69f00")
_HEIGHT = 96
_MARGIN = 6
_GAP = 3


class CurvePlot(QWidget):
    """One curve with its last value, and a level to compare it with.

    The curve is orange (Okabe and Ito's), which can be told from black and white by all eyes; the rest has the colour
    of the text around it.

    Args:
        caption: what is drawn.
        digits: of the values after the point.
    """

    def __init__(self, caption: str, *, digits: int = 3, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.caption = caption
        self._digits = digits
        self._points: list[tuple[float, float]] = []
        self._level: float | None = None
        self._level_name = ""
        self.ink = self.palette().text().color()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(_HEIGHT)

    def show_points(self, points: Points, *, level: float | None = None, level_name: str = "") -> None:
        """Draw these points.

        Args:
            points: steps and values, by ascending step.
            level: a value to compare with.
            level_name: what that is of.
        """
        if (list(points), level, level_name) != (self._points, self._level, self._level_name):
            self._points, self._level, self._level_name = list(points), level, level_name
            self.update()

    @property
    def text(self) -> str:
        """What stands above the curve."""
        if not self._points:
            return f"{self.caption}: not yet known"
        last = f"{self.caption} {self._points[-1][1]:.{self._digits}f}"
        return last if self._level is None else f"{last}, {self._level_name} {self._level:.{self._digits}f}"

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A strip."""
        return QSize(240, _HEIGHT)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw caption, level and curve."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.ink)
        line = painter.fontMetrics().height()
        painter.drawText(QRectF(_MARGIN, 0, self.width() - 2 * _MARGIN, line), self.text)
        frame = QRectF(_MARGIN, line + _GAP, self.width() - 2 * _MARGIN, self.height() - line - _GAP - _MARGIN)
        faint = QColor(self.ink)
        faint.setAlphaF(0.35)
        painter.setPen(faint)
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        if not self._points:
            return
        place = self._placing(frame)
        if self._level is not None:
            painter.setPen(QPen(self.ink, 1, Qt.PenStyle.DashLine))
            height = place(self._points[0][0], self._level).y()
            painter.drawLine(QPointF(frame.left(), height), QPointF(frame.right(), height))
        painter.setPen(QPen(_CURVE, 2))
        path = QPainterPath(place(*self._points[0]))
        for point in self._points[1:]:
            path.lineTo(place(*point))
        painter.drawPath(path)
        painter.setBrush(_CURVE)
        painter.drawEllipse(place(*self._points[-1]), 3, 3)

    def _placing(self, frame: QRectF) -> Callable[[float, float], QPointF]:
        values = [value for _, value in self._points] + ([] if self._level is None else [self._level])
        low, high = min(values), max(values)
        spread = high - low or 1.0
        first, last = self._points[0][0], self._points[-1][0]
        width = last - first or 1.0

        def place(step: float, value: float) -> QPointF:
            across = frame.left() + _MARGIN + (step - first) / width * (frame.width() - 2 * _MARGIN)
            return QPointF(across, frame.bottom() - _MARGIN - (value - low) / spread * (frame.height() - 2 * _MARGIN))

        return place
