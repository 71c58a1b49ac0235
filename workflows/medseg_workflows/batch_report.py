"""The page a person opens in the morning: what failed first, then every case with its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.inference import read_manifest
from medseg.reports.document import Card, Document, cards, escape, fold, notice, picture, table
from medseg_workflows.ledger import FAILED, CaseRecord

PICTURE_WIDTH_PIXEL = 900
"""Width of a case's picture in the page; wide enough to see cells, small enough for a page of hundreds."""

LARGEST_NUMBER_OF_PICTURES = 200
"""Cases with a picture; a page with more would not open on a small machine. The others are in their folders."""


def write_batch_report(records: Sequence[CaseRecord], output: Path, *, model: Path) -> Path:
    """Write report.html of a batch into its folder and return its path.

    Raises:
        StorageError: it cannot be written.
    """
    manifest = read_manifest(model)
    failed = [record for record in records if record.status == FAILED]
    done = [record for record in records if record.status != FAILED]
    page = Document(title=f"Batch: {len(records)} cases", subtitle=f"Model {manifest.name}. {manifest.notice}")
    page.add(
        cards(
            [
                Card("done", str(len(done))),
                Card("failed", str(len(failed)), "named below" if failed else ""),
                Card("objects found", str(sum(record.objects for record in done))),
                Card("time in cases", f"{sum(record.seconds for record in records):.0f} s"),
            ]
        )
    )
    if failed:
        rows = [(record.case_id, record.cause, record.source) for record in failed]
        page.add_section("Failed", table(("case", "cause", "file"), rows, numeric_from=9), lead="These have no mask.")
    page.add_section("Cases", *_pictures(done, output))
    listed = [(record.case_id, str(record.objects), f"{record.seconds:.1f}", *record.notes[:1]) for record in done]
    page.add(fold("All cases as a table", table(("case", "objects", "seconds", "note"), listed)))
    path = output / "report.html"
    write_text_atomically(path, page.to_html())
    return path


def _pictures(done: Sequence[CaseRecord], output: Path) -> list[str]:
    shown = [_picture(record, output) for record in done[:LARGEST_NUMBER_OF_PICTURES]]
    left = len(done) - len(shown)
    if left:
        shown.append(notice(f"{left} more cases are not shown here; their pictures lie in their folders."))
    return shown


def _picture(record: CaseRecord, output: Path) -> str:
    caption = f"{record.case_id}: {record.objects} objects" + "".join(f". {note}" for note in record.notes)
    try:
        return picture(
            output / record.case_id / "overlay.png", alt=record.case_id, caption=caption, width=PICTURE_WIDTH_PIXEL
        )
    except InputError:
        return f"<p>{escape(caption)} (no picture)</p>"
