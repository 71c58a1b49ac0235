"""The objects of a session as a Qt table, sorted and filtered."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap

from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.columns import Cell, cell_of, columns_of
from medseg_napari.reviewing.palette import class_colour
from medseg_napari.reviewing.session import Session

ANY = ""
_LONGEST_TITLE = 8
_ROOT = QModelIndex()


class ObjectModel(QAbstractTableModel):
    """One row an object; what is not measured yet is shown as such."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.columns = columns_of(session)
        self.ids: list[int] = list(session.review.table.ids)
        self._rows = {number: row for row, number in enumerate(self.ids)}
        self._icons: dict[str, QIcon] = {}

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Number of objects."""
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        return {
            Qt.ItemDataRole.DisplayRole: _in_two_lines(column.title),
            Qt.ItemDataRole.ToolTipRole: column.help or None,
        }.get(Qt.ItemDataRole(role))

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Text, place and colour of a cell."""
        cell, column = self.cell(index.row()), self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if column.title in {"class", "state"} else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DecorationRole and column.title == "class":
            return self._icon(class_colour(self.session.review, cell.record.class_name))
        return None

    def cell(self, row: int) -> Cell:
        """What is known of the object in a row."""
        return cell_of(self.session, self.ids[row])

    def row_of(self, object_id: int) -> int | None:
        """Row of an object; None where there is no such object."""
        return self._rows.get(object_id)

    def follow(self, change: ReviewChange) -> None:
        """Draw anew what a change touched; rows come and go."""
        for number in sorted(change.removed, reverse=True):
            row = self._rows.get(number)
            if row is not None:
                self.beginRemoveRows(_ROOT, row, row)
                del self.ids[row]
                self._count()
                self.endRemoveRows()
        new = [number for number in change.ids if number not in self._rows]
        if new:
            self.beginInsertRows(_ROOT, len(self.ids), len(self.ids) + len(new) - 1)
            self.ids += new
            self._count()
            self.endInsertRows()
        self.redraw(change.ids)

    def redraw(self, ids: tuple[int, ...]) -> None:
        """Draw the rows of these objects anew."""
        rows = [row for number in ids if (row := self._rows.get(number)) is not None]
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), len(self.columns) - 1))

    def _count(self) -> None:
        self._rows = {number: row for row, number in enumerate(self.ids)}

    def _icon(self, colour: str) -> QIcon:
        if colour not in self._icons:
            square = QPixmap(12, 12)
            square.fill(QColor(colour))
            self._icons[colour] = QIcon(square)
        return self._icons[colour]


def _in_two_lines(title: str) -> str:
    """A long title broken after its sign or before its unit, so that the table fits beside the image."""
    if len(title) <= _LONGEST_TITLE:
        return title
    return title.replace("× ", "×\n") if "× " in title else "\n".join(title.rsplit(" ", 1))


class ObjectFilter(QSortFilterProxyModel):
    """The rows of some class, of some state or with some text, in the order of a column."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.class_name = self.state = self.words = ANY
        self.setDynamicSortFilter(True)

    def choose(self, *, class_name: str, state: str, words: str) -> None:
        """Show only rows of a class, of a state and with some text; empty is any."""
        self.class_name, self.state, self.words = class_name, state, words.strip().lower()
        self.invalidate()

    def filterAcceptsRow(self, row: int, _parent: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Whether a row of the model is shown."""
        model: Any = self.sourceModel()
        cell = model.cell(row)
        if self.class_name not in {ANY, cell.record.class_name} or self.state not in {ANY, str(cell.record.state)}:
            return False
        return self.words in f"{cell.object_id} {cell.record.class_name} {cell.record.state}".lower()

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """By value, then by number; what is not known comes last in either order."""
        model: Any = self.sourceModel()
        column = model.columns[left.column()]
        one, other = model.cell(left.row()), model.cell(right.row())
        values = column.value(one), column.value(other)
        if values[0] is None or values[1] is None:
            is_first = values[1] is None and values[0] is not None
            return is_first == (self.sortOrder() == Qt.SortOrder.AscendingOrder) and values[0] is not values[1]
        return bool((values[0], one.object_id) < (values[1], other.object_id))
