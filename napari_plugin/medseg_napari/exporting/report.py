"""The report of a layer of objects as one HTML page."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from medseg.files import write_text_atomically
from medseg.reports.document import Document, cards, facts, notice, picture, table
from medseg.reports.overlays import write_overlay
from medseg_napari.exporting.columns import page_table
from medseg_napari.exporting.label_maps import class_map
from medseg_napari.exporting.pictures import MOST_PICTURED, PER_SHEET, largest_first, save_sheet, sheet_of
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.exporting.summary import NOTICE, cards_of, doubts_of, facts_of, heading

_TEXT_COLUMNS = 3


def write_report(subject: ExportSubject, path: Path, *, with_title: bool = False) -> None:
    """Write the page: counts, an overview, every object in a table, the largest ones as pictures.

    Args:
        subject: the objects.
        path: ".html".
        with_title: whether the layer's title, which may hold the name of a file, is in it.

    Raises:
        StorageError: it could not be written.
    """
    page = Document(heading(subject, with_title=with_title), kicker="medseg · research use only")
    page.add(notice(NOTICE))
    for doubt in doubts_of(subject):
        page.add(notice(doubt))
    page.add(cards(cards_of(subject)))
    with TemporaryDirectory() as folder:
        page.add_section("Overview", picture(overview(subject, Path(folder)), alt="the objects over a slice"))
        headings, rows = page_table(subject)
        page.add_section("Objects", table(headings, rows, numeric_from=_TEXT_COLUMNS))
        sheets = [
            picture(file, alt="objects with their outlines and diameters") for file in sheets_in(Path(folder), subject)
        ]
    if sheets:
        page.add_section("Single objects", *sheets, lead=_lead(len(subject.rows)))
    page.add_section("Where this comes from", facts(facts_of(subject, with_title=with_title)))
    write_text_atomically(path, page.to_html())


def overview(subject: ExportSubject, folder: Path) -> Path:
    """A picture of the slice with most foreground, in `folder`."""
    path = folder / "overview.png"
    write_overlay(path, image=subject.origin.image, prediction=class_map(subject))
    return path


def sheets_in(folder: Path, subject: ExportSubject) -> list[Path]:
    """Sheets of the largest objects as files in `folder`."""
    rows = largest_first(subject, most=MOST_PICTURED)
    paths = []
    for start in range(0, len(rows), PER_SHEET):
        paths.append(folder / f"objects-{start}.png")
        save_sheet(sheet_of(subject, rows[start : start + PER_SHEET]), paths[-1])
    return paths


def _lead(count: int) -> str:
    if count <= MOST_PICTURED:
        return "The slice of the longest diameter, with the outline and both diameters."
    return f"The {MOST_PICTURED} largest of {count}: the slice of the longest diameter, with outline and diameters."
