"""The objects of one session: the table linked both ways with the view, the judgements, the buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHBoxLayout, QLabel, QTableView, QVBoxLayout, QWidget

from medseg_napari.jobs.measuring import Measurer
from medseg_napari.review.records import ObjectState
from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.columns import headline
from medseg_napari.reviewing.palette import paint_layer
from medseg_napari.reviewing.session import Session
from medseg_napari.reviewing.view import DiameterLines, fly_to
from medseg_napari.widgets.object_actions import BoundKeys, CheatSheet
from medseg_napari.widgets.object_bars import ButtonBar, FilterBar, LookBar
from medseg_napari.widgets.object_edits import ObjectEdits, classes_by_action
from medseg_napari.widgets.object_export import ExportButton
from medseg_napari.widgets.object_model import ObjectFilter, ObjectModel
from medseg_napari.widgets.object_range import RangeDialog
from medseg_napari.widgets.object_tools import watch_clicks

_OWN = {"previous", "next", "next_least_sure", "restrict", "cheat_sheet"}
"""Actions of the panel; the others are edits."""
_ROW_PIXELS, _SPACE_PIXELS, _LEAST_PIXELS = 22, 12, 130
_ALL_JUDGED = "Every object has been looked at."
_MOST_MEASURED_NOW = 300_000
"""Voxels of an object's box up to which it is measured on the spot when its row is clicked."""


class ObjectPanel(QWidget):
    """Everything about the objects of one layer.

    Args:
        session: of the layer.

    Attributes:
        headline_changed: emits "Objects: 14 · 2 accepted".
        edits: what the buttons and keys do.
    """

    headline_changed = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.edits = ObjectEdits(session, self.selected_ids, self)
        self.measurer = Measurer(session, self)
        self._lines = DiameterLines(session.viewer)
        self._is_following = False
        self._goes_there = True
        self._build()
        self._connect()
        self.measurer.want(session.review.table.ids)
        self._colour([])
        self.show_headline()

    def _build(self) -> None:
        classes = self.session.review.classes
        self.model = ObjectModel(self.session, self)
        self.rows = ObjectFilter(self)
        self.rows.setSourceModel(self.model)
        self.table = ObjectTableView(self.rows)
        self._selection: Any = self.table.selectionModel()
        self.filter = FilterBar(classes, with_confidence=bool(self.session.source.note.confidence))
        self.buttons = ButtonBar(classes, self.call, self.edits)
        self.look = LookBar(self.session, self.edits)
        self.export = ExportButton(self.session, self.say)
        self.message = QLabel("")
        self.message.setWordWrap(True)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.filter, stretch=1)
        top.addWidget(self.export)
        bottom.addWidget(self.look)
        bottom.addWidget(self.message, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.buttons)
        layout.addLayout(bottom)

    def _connect(self) -> None:
        session = self.session
        session.changed.connect(self._follow)
        self.measurer.measured.connect(self._show_measured)
        self.edits.said.connect(self.say)
        self.edits.made.connect(self._select_made)
        self.edits.strokes_changed.connect(self.buttons.show_strokes)
        self.filter.changed.connect(self._filter)
        self.filter.least_sure.connect(self._sort_least_sure)
        self._selection.selectionChanged.connect(self._select)
        session.layer.events.selected_label.connect(self._follow_label)
        self.bound = BoundKeys(
            session.layer, self, classes=session.review.classes, call=self.call, on_change=self._say_keys
        )
        self._ends: list[Callable[[], object]] = [
            self.bound.end,
            watch_clicks(session.layer, self._click),
            partial(session.changed.disconnect, self._follow),
            partial(session.layer.events.selected_label.disconnect, self._follow_label),
            self.look.end,
        ]
        # Qt may take the panel away without a word, as when its dock is removed.
        self.destroyed.connect(partial(_call_all, self._ends))

    def end(self) -> None:
        """Leave the layer as any other: keys, clicks and the drawn diameters go, the review stays."""
        self.measurer.stop()
        self.edits.stop()
        self._lines.remove()
        _call_all(self._ends)

    def call(self, name: str) -> None:
        """Do what an action is named after."""
        if name in {"accept", "reject"}:
            self.edits.judge(name, self.selected_ids())
        elif name.startswith("class_"):
            self.edits.reclassify(classes_by_action(self.session.review.classes)[name])
        elif name in {"undo", "redo"}:
            getattr(self.session, name)()
        else:
            getattr(self if name in _OWN else self.edits, name)()

    def _say_keys(self, refused: str) -> None:
        self.buttons.show_keys()
        self.say(refused)

    def say(self, text: str) -> None:
        """Show one line."""
        self.message.setText(text)

    def selected_ids(self) -> list[int]:
        """Ids of the selected objects, the current one first."""
        ids = [self._id_at(index.row()) for index in self._selection.selectedRows()]
        current = self._id_at(self.table.currentIndex().row()) if self.table.currentIndex().isValid() else None
        return sorted(ids, key=lambda number: number != current)

    def select(self, ids: Iterable[int], *, add: bool = False, fly: bool = False) -> None:
        """Select objects in the table.

        Args:
            ids: of the objects; those that the filter hides cannot be selected.
            add: to those that are selected.
            fly: whether the view goes to the first.
        """
        places = [index for number in ids if (index := self._index_of(number)) is not None]
        if not places:
            return
        flag = QItemSelectionModel.SelectionFlag
        chosen = QItemSelection()
        for place in places:
            chosen.merge(QItemSelection(place, place), flag.Select)
        self._goes_there = fly
        # In one go: napari draws a layer anew for each change of its colours.
        self._selection.setCurrentIndex(places[0], flag.NoUpdate)
        self._selection.select(chosen, flag.Rows | (flag.Select if add else flag.ClearAndSelect))
        self.table.scrollTo(places[0])
        self._goes_there = True

    def previous(self) -> None:
        """Go to the object above."""
        self._step(-1)

    def next(self) -> None:
        """Go to the object below."""
        self._step(1)

    def next_least_sure(self) -> None:
        """Go to the object that the model is least sure of among those that nobody judged."""
        table = self.session.review.table
        current = self.selected_ids()[:1]
        waiting = [n for n in table.ids if table.record(n).state is ObjectState.PROPOSED and n not in current]
        if not waiting:
            self.say(_ALL_JUDGED)
            return
        least = min(waiting, key=lambda n: (1.0 if (sure := self._confidence(n)) is None else sure, n))
        if self._index_of(least) is None:
            self.filter.clear()
        self.select([least], fly=True)

    def restrict(self) -> None:
        """Ask for a range of values."""
        self.range = RangeDialog(self.session.viewer, self.edits.restrict, parent=self)
        self.range.show()

    def cheat_sheet(self) -> None:
        """Show every key."""
        self.keys = CheatSheet(self.session.review.classes, parent=self)
        self.keys.show()

    def _select_made(self, ids: tuple[int, ...]) -> None:
        self.select(ids)

    def _step(self, by: int) -> None:
        count, current = self.rows.rowCount(), self.table.currentIndex()
        row = min(max(current.row() + by, 0), count - 1) if current.isValid() else 0
        if count:
            self.select([self._id_at(row)], fly=True)

    def _confidence(self, number: int) -> float | None:
        return self.model.cell(self.model.row_of(number) or 0).confidence

    def _id_at(self, row: int) -> int:
        return self.model.ids[self.rows.mapToSource(self.rows.index(row, 0)).row()]

    def _index_of(self, number: int) -> Any:
        row = self.model.row_of(number)
        index = None if row is None else self.rows.mapFromSource(self.model.index(row, 0))
        return index if index is not None and index.isValid() else None

    def _select(self, *_: object) -> None:
        """The selection changed: outline it, draw its diameters, and go there when it was the table's doing."""
        if self._is_following:
            return
        session, ids = self.session, self.selected_ids()
        self._colour(ids)
        if not ids:
            self._lines.clear()
            return
        if self._goes_there:
            self._measure_now(ids[0])
            fly_to(session.viewer, session.layer, session.review.box_of(ids[0]), session.review.table.measured(ids[0]))
        self._draw_diameters()

    def _colour(self, ids: list[int]) -> None:
        """Colour the layer and choose the number that its brush paints; napari's event of it is no new selection."""
        layer = self.session.layer
        with layer.events.selected_label.blocker(self._follow_label):
            paint_layer(layer, self.session.review, frozenset(ids))
            if ids:
                layer.selected_label = ids[0]

    def _measure_now(self, number: int) -> None:
        """Measure what is quickly measured; the rest comes when it is done."""
        size = 1
        for side in self.session.review.box_of(number):
            size *= side.stop - side.start
        if size <= _MOST_MEASURED_NOW and not self.edits.is_busy:
            _ = self.session.review.table[number]
        else:
            self.measurer.want([number], first=True)

    def _draw_diameters(self) -> None:
        ids = self.selected_ids()
        measured = self.session.review.table.measured(ids[0]) if ids else None
        self._lines.draw(self.session.layer, measured)

    def _click(self, number: int, is_added: bool) -> None:  # noqa: FBT001 - called by position
        self.select([number], add=is_added)

    def _follow_label(self, *_: object) -> None:
        """Napari's own number was set, by its picker for example."""
        layer = self.session.layer
        is_new = layer.selected_label not in self.selected_ids()
        if is_new and layer.mode in {"pan_zoom", "pick"} and layer.selected_label in self.session.review.table:
            self.select([layer.selected_label])

    def _follow(self, change: ReviewChange) -> None:
        self._is_following = True  # rows that go take their selection with them; that moves no view
        self.model.follow(change)
        self._is_following = False
        self.measurer.changed(change.ids)
        ids = self.selected_ids()
        self._colour(ids)
        if not ids:
            self._lines.clear()
        self.show_headline()

    def _show_measured(self, ids: tuple[int, ...]) -> None:
        self.model.redraw(ids)
        if set(ids) & set(self.selected_ids()[:1]):
            self._draw_diameters()

    def show_headline(self) -> None:
        """Say how many objects there are, and what can be undone."""
        review = self.session.review
        self.buttons.show_history(review.undo_name, review.redo_name)
        self.headline_changed.emit(headline(self.session))

    def _filter(self) -> None:
        self.rows.choose(**self.filter.choice())

    def _sort_least_sure(self) -> None:
        titles = [column.title for column in self.model.columns]
        self.table.sortByColumn(titles.index("confidence"), Qt.SortOrder.AscendingOrder)


def _call_all(ends: list[Callable[[], object]], *_: object) -> None:
    """Call each once, whoever asks first."""
    while ends:
        ends.pop()()


class ObjectTableView(QTableView):
    """Whole rows, several at a time, sorted by a click on a title."""

    def __init__(self, rows: QSortFilterProxyModel) -> None:
        super().__init__()
        self.setModel(rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSortingEnabled(True)
        self.setMinimumHeight(_LEAST_PIXELS)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        vertical: Any = self.verticalHeader()
        vertical.hide()
        vertical.setDefaultSectionSize(_ROW_PIXELS)
        titles: Any = self.horizontalHeader()
        titles.setStretchLastSection(True)
        for column in range(rows.columnCount()):
            self.setColumnWidth(column, titles.sectionSizeHint(column) + _SPACE_PIXELS)
