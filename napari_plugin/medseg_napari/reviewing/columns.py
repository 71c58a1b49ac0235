"""The columns of the table of objects at the window, as text and as numbers, in the units of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from medseg_napari.review.objects import Measurement
from medseg_napari.review.records import ObjectRecord, ObjectState
from medseg_napari.reviewing.session import Session

UNMEASURED = "…"
UNKNOWN = "–"
STATE_SIGNS = {
    ObjectState.PROPOSED: "●",
    ObjectState.ACCEPTED: "✓",
    ObjectState.EDITED: "✎",
    ObjectState.REJECTED: "✗",
    ObjectState.DRAWN: "✎",
    ObjectState.REMOVED: UNKNOWN,
}
_MICROMETRES_PER_MM = 1000.0


@dataclass(frozen=True)
class Cell:
    """What is known of one object when its row is drawn.

    Attributes:
        object_id: its number.
        record: class, state.
        measured: sizes; None where they are not measured yet.
    """

    object_id: int
    record: ObjectRecord
    measured: Measurement | None

    @property
    def confidence(self) -> float | None:
        """As `TableRow.confidence`."""
        if self.record.confidence is not None or self.measured is None:
            return self.record.confidence
        return self.measured.mean_confidence


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: with its unit.
        value: of a row, by which it is sorted; None sorts last.
        text: of a row.
        help: one line.
    """

    title: str
    value: Callable[[Cell], float | str | None]
    text: Callable[[Cell], str]
    help: str = ""


def columns_of(session: Session) -> tuple[Column, ...]:
    """The columns that have something to say of this layer."""
    source = session.source
    in_micrometres = str(session.layer.units[-1]) == "micrometer"
    columns = [
        Column("#", _number, lambda cell: str(cell.object_id), "Number of the object in the mask"),
        Column("class", _class, _class),
    ]
    is_picture = source.labels.ndim == 2 or source.is_sequence
    if source.spacing_mm is None:
        columns.append(_voxels(is_picture=is_picture))
    else:
        columns += _sizes(in_micrometres=in_micrometres, is_picture=is_picture)
    if source.image is not None:
        columns.append(_mean(source.value_unit))
    if source.note.confidence:
        columns.append(_CONFIDENCE)
    return (*columns, _STATE)


def cell_of(session: Session, object_id: int) -> Cell:
    """What is known of an object now; nothing is measured."""
    table = session.review.table
    return Cell(object_id, table.record(object_id), table.measured(object_id))


def headline(session: Session) -> str:
    """How many objects there are and how many of them in which state: "Objects: 14 · 2 accepted · 1 edited"."""
    table = session.review.table
    states = Counter(table.record(number).state for number in table.ids)
    told = [f"{states[state]} {state}" for state in ObjectState if states[state] and state is not ObjectState.PROPOSED]
    return " · ".join([f"Objects: {len(table)}", *told])


def _number(cell: Cell) -> int:
    return cell.object_id


def _class(cell: Cell) -> str:
    return cell.record.class_name


def _state(cell: Cell) -> str:
    return str(cell.record.state)


_STATE = Column("state", _state, lambda cell: f"{STATE_SIGNS[cell.record.state]} {cell.record.state}")
_CONFIDENCE = Column(
    "confidence",
    lambda cell: cell.confidence,
    lambda cell: UNKNOWN if cell.confidence is None else f"{cell.confidence:.2f}",
    "How sure the model is, 0 to 1",
)


def _measured_column(title: str, get: Callable[[Measurement], float | None], help_text: str) -> Column:
    def value(cell: Cell) -> float | None:
        return None if cell.measured is None else get(cell.measured)

    def text(cell: Cell) -> str:
        if cell.measured is None:
            return UNMEASURED
        number = value(cell)
        return UNKNOWN if number is None else rounded(number)

    return Column(title, value, text, help_text)


def _voxels(*, is_picture: bool) -> Column:
    name = "pixels" if is_picture else "voxels"
    return _measured_column(name, lambda measured: measured.voxels, "The size of a voxel is not known")


def _mean(unit: str) -> Column:
    title = f"mean {unit}" if unit else "mean value"
    return _measured_column(title, lambda one: one.mean_value, "Mean of the image inside it")


def _sizes(*, in_micrometres: bool, is_picture: bool) -> list[Column]:
    """Size and diameters in mm and ml, or in micrometres where the image is shown in them."""
    factor, unit = (_MICROMETRES_PER_MM, "µm") if in_micrometres else (1.0, "mm")
    if is_picture:
        size = _measured_column(f"area {unit}²", lambda one: _scaled(one.area_mm2, factor**2), "Area")
    elif in_micrometres:
        size = _measured_column("volume µm³", lambda one: _scaled(one.volume_ml, 1000.0 * factor**3), "Volume")
    else:
        size = _measured_column("volume ml", lambda one: one.volume_ml, "Volume")
    return [size, _diameters(factor, unit)]


def _diameters(factor: float, unit: str) -> Column:
    def longest(cell: Cell) -> float | None:
        found = cell.measured and cell.measured.diameters
        return found.longest_mm * factor if found else None

    def across(cell: Cell) -> float | None:
        found = cell.measured and cell.measured.diameters
        return found.across_mm * factor if found else None

    def text(cell: Cell) -> str:
        one, other = longest(cell), across(cell)
        if cell.measured is None:
            return UNMEASURED
        return UNKNOWN if one is None or other is None else f"{one:.1f} × {other:.1f}"

    return Column(
        f"longest × across {unit}",
        longest,
        text,
        "Longest diameter in one slice, and the longest at a right angle to it",
    )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def rounded(number: float) -> str:
    """A number with three digits that mean something, without an exponent."""
    if number == int(number) and abs(number) < 1e6:
        return f"{number:.0f}"
    size = abs(number)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{number:.{digits}f}"
