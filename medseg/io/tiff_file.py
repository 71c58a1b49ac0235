"""Opening TIFF files so that damage, circles of pages and companions in other folders are refused."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

from medseg.io.foreign_errors import translated_errors
from medseg.io.inside import is_inside
from medseg.io.refusals import flag, refuse
from medseg.io.tiff_directories import check_directories
from medseg.verdicts import Verdict

REMEDY = "Open and save it again with the program it is from."
TRUNCATED = "truncated"
_COPY_AGAIN = "Copy or export it again"


@contextmanager
def opened_tiff(path: Path) -> Iterator[Any]:
    """The open file, a `tifffile.TiffFile` with at least one series.

    Raises:
        RefusedImageError: its pages form a circle, tifffile complains of damage, or its OME-XML names files elsewhere.
        ImageFormatError: it cannot be read.
    """
    complaints = _Complaints()
    logger = logging.getLogger("tifffile")
    logger.filters.insert(0, complaints)  # before the filter of `translated_errors`, which lets nothing through
    try:
        with (
            translated_errors(path, expected="a TIFF image", remedy=REMEDY),
            _file_with_pages(path) as tif,
        ):
            _check_companions(tif, path)
            if not tif.series:
                refuse(path, "no-image", "expected an image, but the TIFF holds no pages", REMEDY.rstrip("."))
            complaints.check(path)
            if 0 in tif.series[0].shape:
                refuse(path, "no-image", "expected an image, but the TIFF's first has no pixels", REMEDY.rstrip("."))
            yield tif
            complaints.check(path)
    finally:
        logger.removeFilter(complaints)


def check_pages(tif: Any, *, path: Path) -> tuple[int, tuple[Verdict, ...]]:
    """Bytes that the pixels take in the file, and a flag where parts of the image are left out of it.

    tifffile itself fills what it does not find with zeros or takes what is left of a JPEG.

    Raises:
        RefusedImageError: pages are missing, or some of their strips or tiles lie beyond the end of the file.
    """
    series = tif.series[0]
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > tif.filehandle.size:
            refuse(path, TRUNCATED, "its pixels go on beyond the end of the file", _COPY_AGAIN)
        return int(series.nbytes), ()
    stored = left_out = total = 0
    for page in series.pages:
        if page is None:
            cause = "pages of the image that its OME-XML describes are not there"
            refuse(path, "missing-pages", cause, "Put the other files of the image beside it, or save it to one file")
        offsets, counts = page.dataoffsets, page.databytecounts
        end = max((start + count for start, count in zip(offsets, counts, strict=True) if count), default=0)
        if end > page.parent.filehandle.size or len(offsets) < _num_segments(page):
            refuse(path, TRUNCATED, "strips or tiles of its pages lie beyond the end of the file", _COPY_AGAIN)
        stored += sum(counts)
        left_out += sum(not (start and count) for start, count in zip(offsets, counts, strict=True))
        total += len(offsets)
    if left_out == 0:
        return stored, ()
    cause = f"{left_out} of {total} strips or tiles are left out of the file, which stands for an even background"
    return stored, (flag(path, "missing-chunks", cause),)


def _num_segments(page: Any) -> int:
    count = 1
    for size in page.keyframe.chunked:
        count *= int(size)
    return count


def _file_with_pages(path: Path) -> Any:
    import tifffile

    check_directories(path)
    return tifffile.TiffFile(path)


def _check_companions(tif: Any, path: Path) -> None:
    """Pass when the other files that the OME-XML names, which tifffile opens, lie in the folder of `path`."""
    if not tif.is_ome:
        return
    root = ET.fromstring(tif.ome_metadata)  # noqa: S314 - expat limits the expansion of entities
    itself = root.get("UUID")
    for element in root.iter():
        name = element.get("FileName")
        if name is None or (itself is not None and element.text == itself):
            continue
        other = path.parent / name
        is_plain = PurePosixPath(name).name == name and "\\" not in name and name not in {"", ".."}
        if not is_plain or (other.exists() and not is_inside(other, path.parent)):
            cause = "its OME-XML names a file outside its folder"
            refuse(path, "outside-folder", cause, "Put all files of the image into one folder and save it again")


class _Complaints(logging.Filter):
    """Counts tifffile's complaints of damage: for a broken chain of pages it logs one and goes on with those it found.

    Their text is not kept nor shown: it repeats tag values, which may identify a patient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        text = record.getMessage()
        self.count += record.levelno >= logging.ERROR or "shaped series" in text or "truncated" in text
        return False

    def check(self, path: Path) -> None:
        if self.count:
            cause = f"the TIFF is damaged or cut off ({self.count} of its parts cannot be read)"
            refuse(path, TRUNCATED, cause, _COPY_AGAIN)
