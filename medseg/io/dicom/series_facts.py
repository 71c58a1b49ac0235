"""How the series of a folder are called: their number and description, for a person who must choose one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread

from medseg.errors import MedsegError
from medseg.io.dicom.files import scan
from medseg.io.foreign_errors import translated_errors

_TAGS = ["SeriesNumber", "SeriesDescription", "PatientName", "PatientID", "OtherPatientIDs", "AccessionNumber"]
_IDENTITIES = _TAGS[2:]
_REMEDY = "Copy it again from its source."
_SHORTEST_NAME = 3
"""Letters of a part of a name that is taken out: shorter ones are in half of all words."""


@dataclass(frozen=True)
class SeriesFacts:
    """What the first file of a series says of all.

    Attributes:
        number: SeriesNumber; None where it is not stated.
        description: SeriesDescription without what the file states as name or number of the patient.
    """

    number: int | None = None
    description: str = ""


def series_facts(path: Path) -> dict[str, SeriesFacts]:
    """Series Instance UID -> number and description, for each series of a folder or file; of damaged files nothing."""
    found = {}
    for uid, files in scan(path).series().items():
        try:
            found[uid] = _facts(files[0].path)
        except MedsegError:  # whoever judges the series tells of it
            found[uid] = SeriesFacts()
    return found


def _facts(file: Path) -> SeriesFacts:
    with translated_errors(file, expected="a DICOM file", remedy=_REMEDY):
        header = dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)
        stated = header.get("SeriesNumber")
        number = None if stated in {None, ""} else int(stated)
        return SeriesFacts(number, _without_identity(str(header.get("SeriesDescription") or ""), header))


def _without_identity(text: str, header: Any) -> str:
    parts = {part for tag in _IDENTITIES for part in re.split(r"[\^=\\\s,]+", str(header.get(tag) or ""))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_NAME:
            text = re.sub(re.escape(part), "", text, flags=re.IGNORECASE)
    return " ".join(text.split())
