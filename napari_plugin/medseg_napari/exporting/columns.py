"""The table of objects as it is written: each column with its unit, for a file and for a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medseg.geometry import WorldFrame
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.layers import Origin
from medseg_napari.review.objects import TableRow

_MICROMETRES_PER_MM = 1000.0


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        field: its name in a file, with the unit.
        value: of an object; None where it is not known.
        heading: on a page; empty leaves it to the file.
    """

    field: str
    value: Callable[[TableRow], object]
    heading: str = ""


def columns_of(subject: ExportSubject) -> tuple[Column, ...]:
    """The columns that have something to say."""
    columns = [
        Column("object", lambda row: row.object_id, "#"),
        Column("class", lambda row: row.class_name, "class"),
        Column("state", lambda row: row.state.value, "state"),
        *_sizes(subject),
        Column("voxels", lambda row: row.measured.voxels, "" if subject.source.spacing_mm else "voxels"),
    ]
    if subject.source.image is not None:
        unit = subject.source.value_unit
        name = f"mean {unit}".strip() if unit else "mean value"
        columns.append(Column(name.replace(" ", "_"), lambda row: row.measured.mean_value, name))
    if subject.source.note.confidence:
        columns.append(Column("confidence", lambda row: row.confidence, "confidence"))
    return (*columns, *_places(subject), *_AUTHORS)


def csv_text(subject: ExportSubject) -> str:
    """The table as CSV, one object a line."""
    columns = columns_of(subject)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.field for column in columns])
    for row in subject.rows:
        writer.writerow([_stored(column.value(row)) for column in columns])
    return text.getvalue()


def page_table(subject: ExportSubject) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of the table for people."""
    columns = [column for column in columns_of(subject) if column.heading]
    rows = [tuple(shown(column.value(row)) for column in columns) for row in subject.rows]
    return tuple(column.heading for column in columns), rows


def shown(value: object) -> str:
    """A value for people: three digits that mean something, a dash for what is not known."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:.{digits}f}"


def length_unit(subject: ExportSubject) -> tuple[str, float]:
    """The unit in which lengths are told, and how many of it are a millimetre."""
    return ("mm", 1.0) if subject.origin.is_patient_volume else ("µm", _MICROMETRES_PER_MM)


def _sizes(subject: ExportSubject) -> list[Column]:
    """Volume or area and the diameters: millimetres of a patient, micrometres of cells."""
    if subject.source.spacing_mm is None:
        return []
    unit, factor = length_unit(subject)
    plain = unit.replace("µ", "u")
    if subject.source.labels.ndim == 2 or subject.source.is_sequence:
        size = Column(f"area_{plain}2", lambda row: _times(row.measured.area_mm2, factor**2), f"area {unit}²")
    elif subject.origin.is_patient_volume:
        size = Column("volume_ml", lambda row: row.measured.volume_ml, "volume ml")
    else:
        size = Column("volume_um3", lambda row: _times(row.measured.volume_ml, 1000 * factor**3), "volume µm³")

    def longest(row: TableRow) -> float | None:
        return None if row.measured.diameters is None else row.measured.diameters.longest_mm * factor

    def across(row: TableRow) -> float | None:
        return None if row.measured.diameters is None else row.measured.diameters.across_mm * factor

    return [
        size,
        Column(f"longest_{plain}", longest, f"longest {unit}"),
        Column(f"across_{plain}", across, f"across {unit}"),
    ]


def _places(subject: ExportSubject) -> list[Column]:
    """Centre of each object: in the patient in mm (DICOM's frame), and as an index of the mask's own array."""
    origin = subject.origin
    columns = [Column(f"centre_index_{axis}", _index(subject, place)) for place, axis in enumerate(_letters(origin))]
    if not origin.is_patient_volume or subject.source.spacing_mm is None:
        return columns
    to_lps = origin.affine.to_frame(WorldFrame.LPS)
    return [
        *columns,
        *(Column(f"centre_{axis}_lps_mm", _world(to_lps.apply, place)) for place, axis in enumerate("xyz")),
    ]


def _letters(origin: Origin) -> str:
    letters = origin.image.axes[1:].lower()
    return letters if origin.times is None else f"t{letters[1:]}"


def _index(subject: ExportSubject, axis: int) -> Callable[[TableRow], float]:
    reordering, shape = subject.origin.reordering, subject.origin.image.spatial_shape
    at = reordering.permutation.index(axis)

    def value(row: TableRow) -> float:
        place = row.measured.centre[at]
        return shape[axis] - 1 - place if reordering.flips[at] else place

    return value


def _world(apply: Callable[..., Any], axis: int) -> Callable[[TableRow], float]:
    return lambda row: float(apply(row.measured.centre)[axis])


_AUTHORS = (
    Column("model", lambda row: row.record.made_by.model_name if row.record.made_by else None),
    Column("weights_sha256", lambda row: row.record.made_by.sha256 if row.record.made_by else None),
    Column("how", lambda row: row.record.algorithm_type.value),
    Column("edits", lambda row: len(row.record.edits)),
    Column("judged_by", lambda row: row.record.judged_by or None),
)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _stored(value: object) -> object:
    """A value for a file: six digits, nothing for what is not known."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
