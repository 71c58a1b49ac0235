"""The report of a layer of objects as PDF, drawn by matplotlib, which needs no window and runs beside one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imread

from medseg.files import atomic_path
from medseg.reports.document import DISCLAIMER
from medseg_napari.exporting.columns import page_table
from medseg_napari.exporting.report import overview, sheets_in
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.exporting.summary import NOTICE, cards_of, doubts_of, facts_of, heading

_A4_INCHES = (8.27, 11.69)
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.08, 0.92, 0.94, 0.06
_ROWS_A_PAGE = 46
_LINE = 0.0175
_LINE_SPACING = 1.5
_CHARACTERS = 98
"""Of a line of text across the page."""
_FAINT = "#5c6670"


def write_pdf(subject: ExportSubject, path: Path, *, with_title: bool = False) -> None:
    """Write the pages: a summary with an overview, every object in a table, the largest ones as pictures.

    Args:
        subject: the objects.
        path: ".pdf".
        with_title: whether the layer's title, which may hold the name of a file, is in it.

    Raises:
        StorageError: it could not be written.
    """
    title = heading(subject, with_title=with_title)
    about = {"Title": title, "Creator": "medseg", "Subject": DISCLAIMER}
    with TemporaryDirectory() as folder, atomic_path(path) as temporary, PdfPages(temporary, metadata=about) as pages:
        first = _page(title)
        top = _write_summary(first, subject, with_title=with_title)
        _place(first, overview(subject, Path(folder)), top=top)
        pages.savefig(first)
        for page in _table_pages(subject):
            pages.savefig(page)
        for file in sheets_in(Path(folder), subject):
            page = _page("The largest objects")
            _place(page, file, top=_TOP - 0.04)
            pages.savefig(page)


def _page(title: str) -> Figure:
    figure = Figure(figsize=_A4_INCHES, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(_LEFT, _TOP, "\n".join(wrap(title, 60)), fontsize=15, fontweight="bold", va="top")
    figure.text(_LEFT, 0.03, DISCLAIMER, fontsize=8, color=_FAINT)
    return figure


def _write_summary(figure: Figure, subject: ExportSubject, *, with_title: bool) -> float:
    """Write the summary; where it ends."""
    lines = [NOTICE, *doubts_of(subject), ""]
    lines += [f"{card.label}: {card.value}{f' ({card.note})' if card.note else ''}" for card in cards_of(subject)]
    lines += ["", *(f"{name}: {value}" for name, value in facts_of(subject, with_title=with_title))]
    wrapped = [part for line in lines for part in (wrap(line, _CHARACTERS) or [""])]
    y = _TOP - 0.06
    for line in wrapped:
        figure.text(_LEFT, y, line, fontsize=9, va="top")
        y -= _LINE
    return y - 0.01


def _place(figure: Figure, picture: Path, *, top: float) -> None:
    """Put a picture below `top`, as wide as the text."""
    pixels = imread(picture)
    height = (_RIGHT - _LEFT) * _A4_INCHES[0] * pixels.shape[0] / pixels.shape[1] / _A4_INCHES[1]
    height = min(height, top - _BOTTOM)
    axes = figure.add_axes((_LEFT, top - height, _RIGHT - _LEFT, height))
    axes.imshow(pixels)
    axes.set_anchor("NW")
    axes.set_axis_off()


def _table_pages(subject: ExportSubject) -> list[Figure]:
    headings, rows = page_table(subject)
    pages = []
    for start in range(0, len(rows), _ROWS_A_PAGE):
        page = _page("Objects")
        step = (_RIGHT - _LEFT) / len(headings)
        for column, cells in enumerate(zip(*rows[start : start + _ROWS_A_PAGE], strict=True)):
            x, y = _LEFT + column * step, _TOP - 0.05
            page.text(x, y, headings[column], fontsize=8, va="top", fontweight="bold")
            page.text(x, y - _LINE, "\n".join(cells), fontsize=8, va="top", linespacing=_LINE_SPACING)
        pages.append(page)
    return pages
